/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The console page, made part of the program (scripts/embed.py). */
#ifndef UI_EMBED_H
#define UI_EMBED_H

#include <stddef.h>

extern const unsigned char console_html[], console_js[];
extern const size_t console_html_len, console_js_len;

#endif
