/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "qemu-vdagent": speaks with the agent in a guest (spice-vdagent, over the
 * virtio-serial port com.redhat.spice.0) as a SPICE server would: text is cut
 * and pasted both ways (clipboard=on), the pointer takes absolute positions
 * (mouse=on).  The "Agent Protocol" chapter of the SPICE protocol document,
 * and the numbers of its public header.
 *
 *     chunk:   port, size                      8 bytes, then size bytes of
 *     message: protocol, type, opaque, size   20 bytes, then size bytes
 *
 * All little endian.  The guest is not trusted: messages that are too long
 * are skipped, those that are too short are ignored; what waits for the
 * guest is bounded.
 */
#include "osdep.h"
#include "chardev/char-int.h"
#include "ui/clipboard.h"
#include "ui/input.h"
#include "util/log.h"
#include "util/module.h"
#include "util/option.h"

#define PORT_CLIENT 1
#define CHUNK_MAX   2048
#define CHUNK_HEAD  8
#define HEAD        20
#define PROTOCOL    1
/* Of a message that we look at: a text and what stands before it. */
#define MESSAGE_MAX (CLIPBOARD_MAX + 64)
/* What may wait for a guest that does not read. */
#define OUT_MAX     (4 * CLIPBOARD_MAX)
#define OUT_MOUSE   1024

enum { /* types of messages */
    MOUSE_STATE = 1, CLIPBOARD = 4, ANNOUNCE = 6, GRAB = 7, REQUEST = 8,
    RELEASE = 9,
};
enum { /* capabilities, by bit */
    CAP_MOUSE_STATE = 1 << 0, CAP_BY_DEMAND = 1 << 5, CAP_SELECTION = 1 << 6,
};
enum { SELECTION_CLIPBOARD = 0 };
enum { DATA_NONE = 0, DATA_UTF8 = 1 };

typedef struct Vdagent {
    Chardev chr;
    /* Options. */
    bool mouse, clipboard;
    ClipboardPeer peer;    /* joined while the agent is there */
    InputHandler *input;   /* made while the agent is there */
    uint32_t caps;         /* the agent's; 0: it has not spoken */
    bool asked;            /* for a text that it has */
    bool owns;             /* the text is its own */
    /* What comes in. */
    uint8_t chunk[CHUNK_HEAD];
    unsigned chunk_have;   /* of the head */
    uint32_t chunk_left;
    GByteArray *msg;       /* head and body so far */
    uint64_t skip;         /* bytes of one that is too long */
    /* What goes out. */
    GByteArray *out;
    guint out_at;          /* bytes of it that have gone */
    int x, y;              /* 0..INPUT_ABS_MAX */
    uint32_t buttons;
    bool moved;            /* not sent yet */
} Vdagent;

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(GByteArray *a, uint32_t v)
{
    uint8_t b[4] = { v, v >> 8, v >> 16, v >> 24 };

    g_byte_array_append(a, b, 4);
}

/* ---- to the guest -------------------------------------------------------- */

static guint waiting(const Vdagent *v)
{
    return v->out->len - v->out_at;
}

static void flush(Vdagent *v)
{
    while (waiting(v)) {
        int n = MIN(chr_be_can_read(&v->chr), (int)waiting(v));
        uint8_t piece[CHUNK_MAX];

        n = MIN(n, (int)sizeof(piece));
        if (n <= 0) {
            return;
        }
        memcpy(piece, v->out->data + v->out_at, n);
        v->out_at += n;
        chr_be_read(&v->chr, piece, n);
    }
    g_byte_array_set_size(v->out, 0);
    v->out_at = 0;
}

/* @head and @body are one message's, cut into chunks. */
static void send_message(Vdagent *v, uint32_t type, const GByteArray *head,
                         const void *body, size_t len)
{
    g_autoptr(GByteArray) m = g_byte_array_new();

    if (waiting(v) + len > OUT_MAX) {
        return; /* nobody reads */
    }
    g_byte_array_remove_range(v->out, 0, v->out_at);
    v->out_at = 0;
    put32(m, PROTOCOL);
    put32(m, type);
    put32(m, 0); /* opaque */
    put32(m, 0);
    put32(m, head->len + len);
    g_byte_array_append(m, head->data, head->len);
    g_byte_array_append(m, body, len);
    for (guint at = 0; at < m->len; at += CHUNK_MAX) {
        guint n = MIN(m->len - at, CHUNK_MAX);

        put32(v->out, PORT_CLIENT);
        put32(v->out, n);
        g_byte_array_append(v->out, m->data + at, n);
    }
    flush(v);
}

static void send_caps(Vdagent *v, bool request)
{
    g_autoptr(GByteArray) m = g_byte_array_new();

    put32(m, request);
    put32(m, (v->mouse ? CAP_MOUSE_STATE : 0) |
                 (v->clipboard ? CAP_BY_DEMAND | CAP_SELECTION : 0));
    send_message(v, ANNOUNCE, m, NULL, 0);
}

/* A message about the clipboard: which one it is, if both sides know that
 * there are several, then @type. */
static void send_clipboard(Vdagent *v, uint32_t message, uint32_t type,
                           GBytes *text)
{
    g_autoptr(GByteArray) m = g_byte_array_new();
    gsize len = 0;
    const void *data = text ? g_bytes_get_data(text, &len) : NULL;

    if (v->caps & CAP_SELECTION) {
        put32(m, SELECTION_CLIPBOARD);
    }
    if (message != RELEASE) {
        put32(m, type);
    }
    send_message(v, message, m, data, len);
}

static void clipboard_changed(ClipboardPeer *p, GBytes *text)
{
    Vdagent *v = container_of(p, Vdagent, peer);

    v->owns = v->asked = false;
    send_clipboard(v, text ? GRAB : RELEASE, DATA_UTF8, NULL);
}

/* ---- the pointer --------------------------------------------------------- */

static void send_mouse(Vdagent *v)
{
    Console *con = console_default();
    int w = con ? console_width(con) : 1, h = con ? console_height(con) : 1;
    g_autoptr(GByteArray) m = g_byte_array_new();
    uint8_t display = 0;

    if (waiting(v) > OUT_MOUSE) {
        v->moved = true; /* later, where it is then */
        return;
    }
    v->moved = false;
    put32(m, (int64_t)v->x * (w - 1) / INPUT_ABS_MAX);
    put32(m, (int64_t)v->y * (h - 1) / INPUT_ABS_MAX);
    put32(m, v->buttons);
    send_message(v, MOUSE_STATE, m, &display, 1);
}

static void mouse_abs(void *opaque, InputAxis axis, int value)
{
    Vdagent *v = opaque;

    if (axis == INPUT_AXIS_X) {
        v->x = value;
    } else {
        v->y = value;
    }
}

static void mouse_button(void *opaque, InputButton button, bool down)
{
    static const uint8_t bits[INPUT_BUTTON__MAX] = {
        [INPUT_BUTTON_LEFT] = 1 << 1, [INPUT_BUTTON_MIDDLE] = 1 << 2,
        [INPUT_BUTTON_RIGHT] = 1 << 3, [INPUT_BUTTON_WHEEL_UP] = 1 << 4,
        [INPUT_BUTTON_WHEEL_DOWN] = 1 << 5, [INPUT_BUTTON_SIDE] = 1 << 6,
        [INPUT_BUTTON_EXTRA] = 1 << 7,
    };
    Vdagent *v = opaque;

    v->buttons = down ? v->buttons | bits[button] : v->buttons & ~bits[button];
}

static void mouse_sync(void *opaque)
{
    send_mouse(opaque);
}

static const InputHandlerOps mouse_ops = {
    .name = "vdagent mouse", .mask = INPUT_ABS | INPUT_BUTTON,
    .abs = mouse_abs, .button = mouse_button, .sync = mouse_sync,
};

/* ---- from the guest ------------------------------------------------------ */

static void got_caps(Vdagent *v, const uint8_t *p, size_t len)
{
    if (len < 8) {
        return;
    }
    v->caps = le32(p + 4);
    if (le32(p)) {
        send_caps(v, false);
    }
    if (v->mouse && (v->caps & CAP_MOUSE_STATE) && !v->input) {
        v->input = input_handler_new(&mouse_ops, v);
        input_handler_activate(v->input);
    }
    if (v->clipboard && (v->caps & CAP_BY_DEMAND) &&
        !list_linked(&v->peer.node)) {
        clipboard_join(&v->peer);
        if (clipboard_text(&v->peer)) {
            send_clipboard(v, GRAB, DATA_UTF8, NULL);
        }
    }
}

/* The guest has cut something: if it is text we ask for it at once. */
static void got_grab(Vdagent *v, const uint8_t *types, size_t len)
{
    for (; len >= 4; types += 4, len -= 4) {
        if (le32(types) == DATA_UTF8) {
            v->asked = v->owns = true;
            send_clipboard(v, REQUEST, DATA_UTF8, NULL);
            return;
        }
    }
}

static void got_text(Vdagent *v, const uint8_t *p, size_t len)
{
    const char *text = (const char *)p + 4;
    g_autoptr(GBytes) bytes = NULL;

    if (!v->asked || len < 4 || le32(p) != DATA_UTF8) {
        return;
    }
    v->asked = false;
    len -= 4;
    if (len > 0 && text[len - 1] == 0) {
        len--;
    }
    if (len > CLIPBOARD_MAX || !g_utf8_validate(text, len, NULL)) {
        return;
    }
    bytes = g_bytes_new(text, len);
    clipboard_cut(&v->peer, bytes);
}

static void got_request(Vdagent *v, const uint8_t *p, size_t len)
{
    GBytes *text = clipboard_text(&v->peer);
    bool have = len >= 4 && le32(p) == DATA_UTF8 && text;

    send_clipboard(v, CLIPBOARD, have ? DATA_UTF8 : DATA_NONE,
                   have ? text : NULL);
}

static void got_clipboard(Vdagent *v, uint32_t type, const uint8_t *p,
                          size_t len)
{
    if (!list_linked(&v->peer.node)) {
        return;
    }
    if (v->caps & CAP_SELECTION) {
        if (len < 4 || p[0] != SELECTION_CLIPBOARD) {
            return; /* what was only marked is the guest's own business */
        }
        p += 4;
        len -= 4;
    }
    switch (type) {
    case CLIPBOARD:
        got_text(v, p, len);
        break;
    case GRAB:
        got_grab(v, p, len);
        break;
    case REQUEST:
        got_request(v, p, len);
        break;
    case RELEASE:
        if (v->owns) {
            v->owns = v->asked = false;
            clipboard_cut(&v->peer, NULL);
        }
        break;
    }
}

static void got_message(Vdagent *v)
{
    g_autoptr(GByteArray) m = g_steal_pointer(&v->msg);
    uint32_t type = le32(m->data + 4);
    const uint8_t *body = m->data + HEAD;
    size_t len = m->len - HEAD;

    v->msg = g_byte_array_new();
    if (le32(m->data) != PROTOCOL) {
        log_guest_error("vdagent: protocol %u\n", le32(m->data));
    } else if (type == ANNOUNCE) {
        got_caps(v, body, len);
    } else {
        got_clipboard(v, type, body, len);
    }
}

/* A piece of a chunk's contents. */
static void take_contents(Vdagent *v, const uint8_t *p, size_t len)
{
    while (len > 0) {
        size_t want, n;

        if (v->skip) {
            n = MIN(v->skip, len);
            v->skip -= n;
            p += n;
            len -= n;
            continue;
        }
        want = v->msg->len < HEAD ? HEAD
                                  : HEAD + (size_t)le32(v->msg->data + 16);
        n = MIN(want - v->msg->len, len);
        g_byte_array_append(v->msg, p, n);
        p += n;
        len -= n;
        if (v->msg->len < HEAD) {
            return;
        }
        want = le32(v->msg->data + 16);
        if (want > MESSAGE_MAX) {
            v->skip = want;
            g_byte_array_set_size(v->msg, 0);
        } else if (v->msg->len == HEAD + want) {
            got_message(v);
        }
    }
}

static int vdagent_write(Chardev *chr, const uint8_t *buf, int len)
{
    Vdagent *v = (Vdagent *)chr;

    for (int i = 0; i < len;) {
        if (v->chunk_have < CHUNK_HEAD) {
            v->chunk[v->chunk_have++] = buf[i++];
            if (v->chunk_have == CHUNK_HEAD) {
                v->chunk_left = le32(v->chunk + 4);
            }
        } else {
            int n = MIN(v->chunk_left, (uint32_t)(len - i));

            if (le32(v->chunk) == PORT_CLIENT) {
                take_contents(v, buf + i, n);
            }
            v->chunk_left -= n;
            i += n;
        }
        if (v->chunk_have == CHUNK_HEAD && v->chunk_left == 0) {
            v->chunk_have = 0;
        }
    }
    return len;
}

/* ---- the port ------------------------------------------------------------ */

static void forget_agent(Vdagent *v)
{
    clipboard_leave(&v->peer);
    input_handler_free(v->input);
    v->input = NULL;
    v->caps = 0;
    v->asked = v->owns = v->moved = false;
    v->chunk_have = v->chunk_left = v->skip = v->buttons = 0;
    g_byte_array_set_size(v->msg, 0);
    g_byte_array_set_size(v->out, 0);
    v->out_at = 0;
}

static void vdagent_set_fe_open(Chardev *chr, bool open)
{
    Vdagent *v = (Vdagent *)chr;

    forget_agent(v);
    if (open) {
        send_caps(v, true);
    }
}

static void vdagent_update_read(Chardev *chr)
{
    Vdagent *v = (Vdagent *)chr;

    flush(v);
    if (v->moved) {
        send_mouse(v);
    }
}

static const char *const vdagent_opts[] = { "mouse", "clipboard", NULL };

static bool vdagent_open(Chardev *chr, QObject *opts, Error **errp)
{
    Vdagent *v = (Vdagent *)chr;

    v->msg = g_byte_array_new();
    v->out = g_byte_array_new();
    v->peer.changed = clipboard_changed;
    v->mouse = true;
    if (!opts_take_bool(opts, "mouse", &v->mouse, errp) ||
        !opts_take_bool(opts, "clipboard", &v->clipboard, errp)) {
        return false;
    }
    chr_set_filename(chr, g_strdup("qemu-vdagent"));
    chr_be_event(chr, CHR_EVENT_OPENED);
    return true;
}

static void vdagent_close(Chardev *chr)
{
    Vdagent *v = (Vdagent *)chr;

    forget_agent(v);
    g_byte_array_free(v->msg, TRUE);
    g_byte_array_free(v->out, TRUE);
}

static const ChardevDriver vdagent_info = {
    .name = "qemu-vdagent", .size = sizeof(Vdagent), .opts = vdagent_opts,
    .open = vdagent_open, .close = vdagent_close, .write = vdagent_write,
    .set_fe_open = vdagent_set_fe_open, .update_read = vdagent_update_read,
};

static void vdagent_register(void)
{
    chr_driver_register(&vdagent_info);
}
chardev_init(vdagent_register)
