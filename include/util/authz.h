/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is allowed: the objects authz-simple, authz-list and authz-listfile,
 * asked by name with an identity (a certificate's distinguished name, a SASL
 * user) when somebody comes in.
 */
#ifndef UTIL_AUTHZ_H
#define UTIL_AUTHZ_H

#include "osdep.h"

/* The object is looked up now, so that it may be made later than its user,
 * and exchanged; without one nobody is allowed.  Any thread. */
bool authz_is_allowed(const char *id, const char *identity);

#endif
