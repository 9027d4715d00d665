/* SPDX-License-Identifier: GPL-2.0-or-later */
/* include/ui/clipboard.h */
#include "osdep.h"
#include "ui/clipboard.h"

static ListNode peers = LIST_INIT(peers);
static GBytes *current;
static const ClipboardPeer *owner;

void clipboard_join(ClipboardPeer *p)
{
    list_append(&peers, &p->node);
}

void clipboard_leave(ClipboardPeer *p)
{
    if (list_linked(&p->node)) {
        list_remove(&p->node);
        if (owner == p) {
            owner = NULL; /* its text stays for the others */
        }
    }
}

void clipboard_cut(ClipboardPeer *p, GBytes *text)
{
    ClipboardPeer *other, *next;

    if (!text && owner != p) {
        return; /* somebody else has cut meanwhile */
    }
    g_clear_pointer(&current, g_bytes_unref);
    current = text ? g_bytes_ref(text) : NULL;
    owner = p;
    list_foreach_safe(other, next, &peers, node) {
        if (other != p) {
            other->changed(other, text);
        }
    }
}

GBytes *clipboard_text(const ClipboardPeer *p)
{
    return owner != p ? current : NULL;
}
