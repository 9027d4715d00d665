/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 keyboard and mouse protocols.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Keyboard" (commands EDh
 * to FFh, scan code sets) and "Mouse"; Microsoft's IntelliMouse knock (rates
 * 200, 100, 80: identifier 3; 200, 200, 80: identifier 4).
 */
#include "osdep.h"
#include "hw/input/ps2.h"
#include "util/log.h"

#define ACK    0xfa
#define RESEND 0xfe
#define BAT_OK 0xaa

/* What the 8042 makes of set 2 codes 00h-7Fh. */
static const uint8_t set2_to_set1[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40,
    0x3e, 0x0f, 0x29, 0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a,
    0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20,
    0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
    0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60,
    0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74,
    0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b,
    0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};
#define SET2_F7    0x83 /* beyond the table */
#define SET2_SYSRQ 0x84

uint8_t ps2_translate(uint8_t c)
{
    if (c < 128) {
        return set2_to_set1[c];
    }
    return c == SET2_F7 ? 0x41 : c == SET2_SYSRQ ? 0x54 : c;
}

static uint8_t set1_to_set2(uint8_t code)
{
    if (code == 0x41) {
        return SET2_F7;
    }
    if (code == 0x54) {
        return SET2_SYSRQ;
    }
    for (unsigned c = 1; c < 128; c++) {
        if (set2_to_set1[c] == code) {
            return c;
        }
    }
    return 0;
}

/* --- queues --- */

bool ps2_queue_empty(const PS2Queue *q)
{
    return q->count == 0;
}

uint8_t ps2_queue_get(PS2Queue *q)
{
    uint8_t v = q->data[q->head];

    if (q->count) {
        q->head = (q->head + 1) % PS2_QUEUE;
        q->count--;
    }
    return v;
}

static bool queue_put(PS2Queue *q, const uint8_t *bytes, unsigned n)
{
    if (q->count + n > PS2_QUEUE) {
        return false; /* whole sequences or nothing */
    }
    for (unsigned i = 0; i < n; i++) {
        q->data[(q->head + q->count++) % PS2_QUEUE] = bytes[i];
    }
    return true;
}

static void queue_clear(PS2Queue *q)
{
    q->head = q->count = 0;
}

/* --- keyboard --- */

static void kbd_reply(PS2Keyboard *k, const uint8_t *bytes, unsigned n)
{
    /* An answer goes before scan codes that wait. */
    if (!queue_put(&k->queue, bytes, n)) {
        queue_clear(&k->queue);
        queue_put(&k->queue, bytes, n);
    }
    k->last = bytes[n - 1];
}

static void kbd_defaults(PS2Keyboard *k)
{
    k->set = 2;
    k->rate = 0x2b;
    k->scanning = true;
}

void ps2_keyboard_reset(PS2Keyboard *k)
{
    queue_clear(&k->queue);
    k->cmd = 0;
    k->leds = 0;
    kbd_defaults(k);
}

static void kbd_parameter(PS2Keyboard *k, uint8_t val)
{
    uint8_t cmd = k->cmd;
    uint8_t set[2] = { ACK, k->set };

    k->cmd = 0;
    switch (cmd) {
    case 0xed:
        k->leds = val & 7;
        break;
    case 0xf3:
        k->rate = val & 0x7f;
        break;
    case 0xf0:
        if (val == 0) {
            kbd_reply(k, set, 2);
            return;
        }
        if (val > 2) {
            /* Set 3 is not offered: the host falls back to set 2. */
            log_mask(LOG_UNIMP, "ps2: scan code set %u\n", val);
            kbd_reply(k, &(uint8_t){ RESEND }, 1);
            return;
        }
        k->set = val;
        break;
    }
    kbd_reply(k, &(uint8_t){ ACK }, 1);
}

void ps2_keyboard_write(PS2Keyboard *k, uint8_t val)
{
    static const uint8_t id[] = { ACK, 0xab, 0x83 }, bat[] = { ACK, BAT_OK };

    if (k->cmd && val < 0x80) {
        kbd_parameter(k, val);
        k->update(k->opaque);
        return;
    }
    k->cmd = 0;
    switch (val) {
    case 0xed:
    case 0xf0:
    case 0xf3:
        k->cmd = val;
        kbd_reply(k, &(uint8_t){ ACK }, 1);
        break;
    case 0xee:
        kbd_reply(k, &(uint8_t){ 0xee }, 1);
        break;
    case 0xf2:
        kbd_reply(k, id, 3);
        break;
    case 0xf4:
        queue_clear(&k->queue);
        k->scanning = true;
        kbd_reply(k, &(uint8_t){ ACK }, 1);
        break;
    case 0xf5:
        queue_clear(&k->queue);
        kbd_defaults(k);
        k->scanning = false;
        kbd_reply(k, &(uint8_t){ ACK }, 1);
        break;
    case 0xf6:
        queue_clear(&k->queue);
        kbd_defaults(k);
        kbd_reply(k, &(uint8_t){ ACK }, 1);
        break;
    case 0xf7 ... 0xfa: /* key types: matter to set 3 only */
        kbd_reply(k, &(uint8_t){ ACK }, 1);
        break;
    case 0xfe:
        kbd_reply(k, &(uint8_t){ k->last }, 1);
        break;
    case 0xff:
        ps2_keyboard_reset(k);
        kbd_reply(k, bat, 2);
        break;
    default:
        kbd_reply(k, &(uint8_t){ RESEND }, 1);
        break;
    }
    k->update(k->opaque);
}

/* Print Screen and Pause have sequences of their own. */
#define KEY_PRINT 0xb7
#define KEY_PAUSE 0xc6
#define KEY_BYTES 8 /* of the longest sequence */

static unsigned encode_set1(uint8_t *out, unsigned number, bool down)
{
    static const uint8_t print_down[] = { 0xe0, 0x2a, 0xe0, 0x37 };
    static const uint8_t print_up[] = { 0xe0, 0xb7, 0xe0, 0xaa };
    static const uint8_t pause[] = { 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5 };
    unsigned n = 0;

    if (number == KEY_PRINT) {
        memcpy(out, down ? print_down : print_up, 4);
        return 4;
    }
    if (number == KEY_PAUSE) {
        memcpy(out, pause, 6);
        return down ? 6 : 0; /* no break code */
    }
    if (number & 0x80) {
        out[n++] = 0xe0;
    }
    out[n++] = (number & 0x7f) | (down ? 0 : 0x80);
    return n;
}

static unsigned encode_set2(uint8_t *out, unsigned number, bool down)
{
    static const uint8_t print_down[] = { 0xe0, 0x12, 0xe0, 0x7c };
    static const uint8_t print_up[] = { 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12 };
    static const uint8_t pause[] = { 0xe1, 0x14, 0x77, 0xe1,
                                     0xf0, 0x14, 0xf0, 0x77 };
    uint8_t code = set1_to_set2(number & 0x7f);
    unsigned n = 0;

    if (number == KEY_PRINT) {
        memcpy(out, down ? print_down : print_up, down ? 4 : 6);
        return down ? 4 : 6;
    }
    if (number == KEY_PAUSE) {
        memcpy(out, pause, 8);
        return down ? 8 : 0;
    }
    if (!code) {
        return 0;
    }
    if (number & 0x80) {
        out[n++] = 0xe0;
    }
    if (!down) {
        out[n++] = 0xf0;
    }
    out[n++] = code;
    return n;
}

void ps2_keyboard_key(PS2Keyboard *k, unsigned number, bool down)
{
    uint8_t bytes[KEY_BYTES];
    unsigned n;

    if (!k->scanning || (number & 0x7f) == 0 || number > 0xff) {
        return;
    }
    n = k->set == 1 ? encode_set1(bytes, number, down)
                    : encode_set2(bytes, number, down);
    if (n && queue_put(&k->queue, bytes, n)) {
        k->update(k->opaque);
    }
}

bool ps2_keyboard_room(const PS2Keyboard *k)
{
    return k->queue.count <= PS2_QUEUE - KEY_BYTES;
}

static bool queue_valid(const PS2Queue *q)
{
    return q->head < PS2_QUEUE && q->count <= PS2_QUEUE;
}

static const VMStateField queue_fields[] = {
    VMSTATE_UINT8_ARRAY(data, PS2Queue, PS2_QUEUE),
    VMSTATE_UINT8(head, PS2Queue),
    VMSTATE_UINT8(count, PS2Queue),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_queue = {
    .name = "ps2/queue", .version_id = 1, .minimum_version_id = 1,
    .fields = queue_fields,
};

static bool kbd_post_load(void *opaque, int version, Error **errp)
{
    PS2Keyboard *k = opaque;

    if (!queue_valid(&k->queue) || k->set < 1 || k->set > 2) {
        error_setg(errp, "ps2kbd: impossible queue or scan code set");
        return false;
    }
    return true;
}

static const VMStateField kbd_fields[] = {
    VMSTATE_STRUCT(queue, PS2Keyboard, PS2Queue, vmstate_queue),
    VMSTATE_UINT8(cmd, PS2Keyboard),
    VMSTATE_BOOL(scanning, PS2Keyboard),
    VMSTATE_UINT8(set, PS2Keyboard),
    VMSTATE_UINT8(leds, PS2Keyboard),
    VMSTATE_UINT8(rate, PS2Keyboard),
    VMSTATE_UINT8(last, PS2Keyboard),
    VMSTATE_END(),
};

const VMStateDescription vmstate_ps2_keyboard = {
    .name = "ps2kbd", .version_id = 1, .minimum_version_id = 1,
    .post_load = kbd_post_load, .fields = kbd_fields,
};

/* --- mouse --- */

static void mouse_reply(PS2Mouse *m, const uint8_t *bytes, unsigned n)
{
    queue_clear(&m->queue); /* a command cancels packets under way */
    queue_put(&m->queue, bytes, n);
    m->last = bytes[n - 1];
}

static void mouse_defaults(PS2Mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->scale2 = m->remote = m->wrap = m->reporting = false;
}

void ps2_mouse_reset(PS2Mouse *m)
{
    queue_clear(&m->queue);
    m->cmd = 0;
    m->id = 0;
    m->knock = 0;
    m->dx = m->dy = m->dz = 0;
    mouse_defaults(m);
}

static unsigned mouse_packet(PS2Mouse *m, uint8_t out[4])
{
    int dx = CLAMP(m->dx, -255, 255), dy = CLAMP(m->dy, -255, 255);
    int dz = CLAMP(m->dz, -8, 7);

    out[0] = 0x08 | (m->buttons & 7) | (dx < 0 ? 0x10 : 0) |
             (dy < 0 ? 0x20 : 0);
    out[1] = dx;
    out[2] = dy;
    out[3] = m->id == 4 ? (dz & 0x0f) | (m->buttons & 0x18) << 1
                        : (uint8_t)dz;
    m->dx -= dx;
    m->dy -= dy;
    m->dz = m->id ? m->dz - dz : 0;
    m->reported_buttons = m->buttons;
    return m->id ? 4 : 3;
}

static void mouse_stream(PS2Mouse *m)
{
    uint8_t packet[4];

    if (!m->reporting || m->remote || m->wrap) {
        return;
    }
    /* Movement adds up while the queue has no room for two packets. */
    while ((m->dx || m->dy || m->dz || m->buttons != m->reported_buttons) &&
           m->queue.count < 16) {
        unsigned n = mouse_packet(m, packet);

        queue_put(&m->queue, packet, n);
    }
    m->update(m->opaque);
}

void ps2_mouse_move(PS2Mouse *m, int dx, int dy, int dz)
{
    m->dx = CLAMP((int64_t)m->dx + dx, -65536, 65536);
    m->dy = CLAMP((int64_t)m->dy - dy, -65536, 65536); /* up is positive */
    m->dz = CLAMP((int64_t)m->dz + dz, -128, 128);
    mouse_stream(m);
}

void ps2_mouse_buttons(PS2Mouse *m, uint8_t buttons)
{
    m->buttons = buttons & 0x1f;
    mouse_stream(m);
}

static void mouse_set_rate(PS2Mouse *m, uint8_t rate)
{
    static const uint8_t wheel[] = { 200, 100, 80 }, five[] = { 200, 200, 80 };

    m->rate = rate;
    /* knock: 1 after 200; 2 after 200, 100; 3 after 200, 200. */
    if (rate == wheel[2] && m->knock == 2) {
        m->id = MAX(m->id, 3);
        m->knock = 0;
    } else if (rate == five[2] && m->knock == 3) {
        m->id = 4;
        m->knock = 0;
    } else if (rate == 100 && (m->knock == 1 || m->knock == 3)) {
        m->knock = 2;
    } else if (rate == 200) {
        m->knock = m->knock == 1 ? 3 : 1;
    } else {
        m->knock = 0;
    }
}

void ps2_mouse_write(PS2Mouse *m, uint8_t val)
{
    uint8_t out[5] = { ACK };
    unsigned n = 1;

    if (m->cmd) {
        if (m->cmd == 0xe8) {
            m->resolution = val & 3;
        } else {
            mouse_set_rate(m, val);
        }
        m->cmd = 0;
        mouse_reply(m, out, 1);
        m->update(m->opaque);
        return;
    }
    if (m->wrap && val != 0xff && val != 0xec) {
        mouse_reply(m, &val, 1);
        m->update(m->opaque);
        return;
    }
    switch (val) {
    case 0xe6:
    case 0xe7:
        m->scale2 = val & 1;
        break;
    case 0xe8:
    case 0xf3:
        m->cmd = val;
        break;
    case 0xe9:
        out[1] = (m->remote ? 0x40 : 0) | (m->reporting ? 0x20 : 0) |
                 (m->scale2 ? 0x10 : 0) | (m->buttons & 1) << 2 |
                 (m->buttons & 4) >> 1 | (m->buttons & 2) >> 1;
        out[2] = m->resolution;
        out[3] = m->rate;
        n = 4;
        break;
    case 0xea:
        m->remote = false;
        break;
    case 0xeb:
        n += mouse_packet(m, out + 1);
        break;
    case 0xec:
    case 0xee:
        m->wrap = val == 0xee;
        break;
    case 0xf0:
        m->remote = true;
        break;
    case 0xf2:
        out[1] = m->id;
        n = 2;
        break;
    case 0xf4:
        m->reporting = true;
        break;
    case 0xf5:
        m->reporting = false;
        break;
    case 0xf6:
        mouse_defaults(m);
        break;
    case 0xfe:
        out[0] = m->last;
        break;
    case 0xff:
        ps2_mouse_reset(m);
        out[1] = BAT_OK;
        out[2] = 0;
        n = 3;
        break;
    default:
        out[0] = RESEND;
        break;
    }
    mouse_reply(m, out, n);
    m->update(m->opaque);
}

static bool mouse_post_load(void *opaque, int version, Error **errp)
{
    PS2Mouse *m = opaque;

    if (!queue_valid(&m->queue) || m->resolution > 3 || m->knock > 3) {
        error_setg(errp, "ps2mouse: impossible queue or settings");
        return false;
    }
    m->dx = CLAMP(m->dx, -65536, 65536);
    m->dy = CLAMP(m->dy, -65536, 65536);
    m->dz = CLAMP(m->dz, -128, 128);
    return true;
}

static const VMStateField mouse_fields[] = {
    VMSTATE_STRUCT(queue, PS2Mouse, PS2Queue, vmstate_queue),
    VMSTATE_UINT8(cmd, PS2Mouse),
    VMSTATE_BOOL(reporting, PS2Mouse),
    VMSTATE_BOOL(remote, PS2Mouse),
    VMSTATE_BOOL(wrap, PS2Mouse),
    VMSTATE_BOOL(scale2, PS2Mouse),
    VMSTATE_UINT8(resolution, PS2Mouse),
    VMSTATE_UINT8(rate, PS2Mouse),
    VMSTATE_UINT8(id, PS2Mouse),
    VMSTATE_UINT8(knock, PS2Mouse),
    VMSTATE_UINT8(buttons, PS2Mouse),
    VMSTATE_UINT8(reported_buttons, PS2Mouse),
    VMSTATE_INT32(dx, PS2Mouse),
    VMSTATE_INT32(dy, PS2Mouse),
    VMSTATE_INT32(dz, PS2Mouse),
    VMSTATE_UINT8(last, PS2Mouse),
    VMSTATE_END(),
};

const VMStateDescription vmstate_ps2_mouse = {
    .name = "ps2mouse", .version_id = 1, .minimum_version_id = 1,
    .post_load = mouse_post_load, .fields = mouse_fields,
};
