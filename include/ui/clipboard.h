/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text that the guest and those who look at it cut and paste.  Each peer
 * tells the others what was cut on its side.  UTF-8 with plain line feeds, at
 * most CLIPBOARD_MAX bytes.  BQL.
 */
#ifndef UI_CLIPBOARD_H
#define UI_CLIPBOARD_H

#include "util/list.h"

#define CLIPBOARD_MAX (1 << 20)

typedef struct ClipboardPeer {
    /* Another peer has cut @text; NULL: it has nothing any more. */
    void (*changed)(struct ClipboardPeer *p, GBytes *text);
    ListNode node; /* clipboard.c's */
} ClipboardPeer;

/* Embedded in its user, who sets changed(). */
void clipboard_join(ClipboardPeer *p);
void clipboard_leave(ClipboardPeer *p); /* harmless when not joined */
/* @p has cut @text (valid UTF-8, checked by it), or nothing (NULL). */
void clipboard_cut(ClipboardPeer *p, GBytes *text);
/* What there is to paste for @p: cut by another one; borrowed, or NULL. */
GBytes *clipboard_text(const ClipboardPeer *p);

#endif
