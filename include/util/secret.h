/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object "secret": a password or key, given as data= or in a file, raw or in
 * base64, and encrypted with another secret (AES-256-CBC, PKCS#7) when keyid=
 * names one.  Main thread, BQL.
 */
#ifndef UTIL_SECRET_H
#define UTIL_SECRET_H

#include "util/object.h"

/* The bytes (g_free) of the secret with that id; a 0 follows them that
 * *@len does not count. */
uint8_t *secret_get(const char *id, size_t *len, Error **errp);
/* The same where a text is wanted: refuses a 0 byte and bad UTF-8. */
char *secret_get_text(const char *id, Error **errp);

#endif
