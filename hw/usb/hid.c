/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-tablet, usb-mouse, usb-kbd: Device Class Definition for HID 1.11, usages
 * by the HID Usage Tables 1.12.
 *
 * Events become reports in a queue; each poll takes one.  Motions that nobody
 * polled yet are added up, changes of buttons never are.  An empty queue is
 * answered with NAK, and the first event wakes the controller.
 */
#include "osdep.h"
#include "hw/usb.h"
#include "ui/input.h"
#include "util/timer.h"

#define QUEUE 32

enum { REQ_GET_REPORT = 1, REQ_GET_IDLE = 2, REQ_GET_PROTOCOL = 3,
       REQ_SET_REPORT = 9, REQ_SET_IDLE = 10, REQ_SET_PROTOCOL = 11 };
enum { KIND_MOUSE, KIND_TABLET, KIND_KBD };

typedef struct HIDPointerEvent {
    int32_t x, y, z;
    uint32_t buttons;
} HIDPointerEvent;

typedef struct USBHid {
    USBDevice usb;
    /* Guest-visible state. */
    uint8_t idle, protocol;
    uint32_t first, count;            /* of the queue in use */
    HIDPointerEvent events[QUEUE];
    HIDPointerEvent now;              /* not synchronised yet; last state */
    uint16_t keys_queue[QUEUE];       /* usage, 8000h: pressed */
    uint8_t modifiers, leds;
    uint8_t keys[6];
    int64_t sent_at;                  /* virtual ns, for idle */
    /* Host side. */
    InputHandler *input;
    bool polled;                      /* by this configuration */
    bool moved;
} USBHid;

/* DeviceInfo is extended by what tells them apart. */
typedef struct HIDModel {
    USBDeviceInfo usb;
    int kind;
    const uint8_t *report;
    unsigned report_len;
} HIDModel;

static const HIDModel *model_of(const USBHid *s)
{
    return (const HIDModel *)s->usb.qdev.info->bus_info;
}

static int kind_of(const USBHid *s)
{
    return model_of(s)->kind;
}

/* ---- events in ----------------------------------------------------------- */

static void hid_changed(USBHid *s)
{
    usb_wakeup(&s->usb, 1);
}

static void pointer_sync(void *opaque)
{
    USBHid *s = opaque;
    HIDPointerEvent *last;
    bool merge;

    if (!s->moved) {
        return;
    }
    s->moved = false;
    last = s->count ? &s->events[(s->first + s->count - 1) % QUEUE] : NULL;
    /* The one before shows the buttons the last one keeps. */
    merge = last && last->buttons == s->now.buttons &&
            (s->count == QUEUE || last->z == 0 || s->now.z == 0);
    if (merge) {
        if (kind_of(s) == KIND_TABLET) {
            last->x = s->now.x;
            last->y = s->now.y;
        } else {
            last->x += s->now.x;
            last->y += s->now.y;
        }
        last->z += s->now.z;
    } else if (s->count < QUEUE) {
        s->events[(s->first + s->count++) % QUEUE] = s->now;
    } else { /* nobody polls: the newest state is what counts */
        *last = s->now;
    }
    if (kind_of(s) != KIND_TABLET) {
        s->now.x = s->now.y = 0;
    }
    s->now.z = 0;
    hid_changed(s);
}

static void pointer_button(void *opaque, InputButton button, bool down)
{
    static const uint8_t bits[INPUT_BUTTON__MAX] = {
        [INPUT_BUTTON_LEFT] = 1, [INPUT_BUTTON_RIGHT] = 2,
        [INPUT_BUTTON_MIDDLE] = 4, [INPUT_BUTTON_SIDE] = 8,
        [INPUT_BUTTON_EXTRA] = 16,
    };
    USBHid *s = opaque;

    if (button == INPUT_BUTTON_WHEEL_UP || button == INPUT_BUTTON_WHEEL_DOWN) {
        s->now.z += !down ? 0 : button == INPUT_BUTTON_WHEEL_UP ? 1 : -1;
    } else if (down) {
        s->now.buttons |= bits[button];
    } else {
        s->now.buttons &= ~bits[button];
    }
    s->moved = true;
}

static void pointer_axis(void *opaque, InputAxis axis, int value)
{
    USBHid *s = opaque;
    int32_t *v = axis == INPUT_AXIS_X ? &s->now.x : &s->now.y;

    *v = kind_of(s) == KIND_TABLET ? value : *v + value;
    s->moved = true;
}

/* Usages of page 7 by key. */
static const uint8_t usages[Q_KEY_CODE__MAX] = {
    [Q_KEY_CODE_A] = 0x04, [Q_KEY_CODE_B] = 0x05, [Q_KEY_CODE_C] = 0x06,
    [Q_KEY_CODE_D] = 0x07, [Q_KEY_CODE_E] = 0x08, [Q_KEY_CODE_F] = 0x09,
    [Q_KEY_CODE_G] = 0x0a, [Q_KEY_CODE_H] = 0x0b, [Q_KEY_CODE_I] = 0x0c,
    [Q_KEY_CODE_J] = 0x0d, [Q_KEY_CODE_K] = 0x0e, [Q_KEY_CODE_L] = 0x0f,
    [Q_KEY_CODE_M] = 0x10, [Q_KEY_CODE_N] = 0x11, [Q_KEY_CODE_O] = 0x12,
    [Q_KEY_CODE_P] = 0x13, [Q_KEY_CODE_Q] = 0x14, [Q_KEY_CODE_R] = 0x15,
    [Q_KEY_CODE_S] = 0x16, [Q_KEY_CODE_T] = 0x17, [Q_KEY_CODE_U] = 0x18,
    [Q_KEY_CODE_V] = 0x19, [Q_KEY_CODE_W] = 0x1a, [Q_KEY_CODE_X] = 0x1b,
    [Q_KEY_CODE_Y] = 0x1c, [Q_KEY_CODE_Z] = 0x1d, [Q_KEY_CODE_1] = 0x1e,
    [Q_KEY_CODE_2] = 0x1f, [Q_KEY_CODE_3] = 0x20, [Q_KEY_CODE_4] = 0x21,
    [Q_KEY_CODE_5] = 0x22, [Q_KEY_CODE_6] = 0x23, [Q_KEY_CODE_7] = 0x24,
    [Q_KEY_CODE_8] = 0x25, [Q_KEY_CODE_9] = 0x26, [Q_KEY_CODE_0] = 0x27,
    [Q_KEY_CODE_RET] = 0x28, [Q_KEY_CODE_ESC] = 0x29,
    [Q_KEY_CODE_BACKSPACE] = 0x2a, [Q_KEY_CODE_TAB] = 0x2b,
    [Q_KEY_CODE_SPC] = 0x2c, [Q_KEY_CODE_MINUS] = 0x2d,
    [Q_KEY_CODE_EQUAL] = 0x2e, [Q_KEY_CODE_BRACKET_LEFT] = 0x2f,
    [Q_KEY_CODE_BRACKET_RIGHT] = 0x30, [Q_KEY_CODE_BACKSLASH] = 0x31,
    [Q_KEY_CODE_SEMICOLON] = 0x33, [Q_KEY_CODE_APOSTROPHE] = 0x34,
    [Q_KEY_CODE_GRAVE_ACCENT] = 0x35, [Q_KEY_CODE_COMMA] = 0x36,
    [Q_KEY_CODE_DOT] = 0x37, [Q_KEY_CODE_SLASH] = 0x38,
    [Q_KEY_CODE_CAPS_LOCK] = 0x39, [Q_KEY_CODE_F1] = 0x3a,
    [Q_KEY_CODE_F2] = 0x3b, [Q_KEY_CODE_F3] = 0x3c, [Q_KEY_CODE_F4] = 0x3d,
    [Q_KEY_CODE_F5] = 0x3e, [Q_KEY_CODE_F6] = 0x3f, [Q_KEY_CODE_F7] = 0x40,
    [Q_KEY_CODE_F8] = 0x41, [Q_KEY_CODE_F9] = 0x42, [Q_KEY_CODE_F10] = 0x43,
    [Q_KEY_CODE_F11] = 0x44, [Q_KEY_CODE_F12] = 0x45,
    [Q_KEY_CODE_PRINT] = 0x46, [Q_KEY_CODE_SYSRQ] = 0x46,
    [Q_KEY_CODE_SCROLL_LOCK] = 0x47, [Q_KEY_CODE_PAUSE] = 0x48,
    [Q_KEY_CODE_INSERT] = 0x49, [Q_KEY_CODE_HOME] = 0x4a,
    [Q_KEY_CODE_PGUP] = 0x4b, [Q_KEY_CODE_DELETE] = 0x4c,
    [Q_KEY_CODE_END] = 0x4d, [Q_KEY_CODE_PGDN] = 0x4e,
    [Q_KEY_CODE_RIGHT] = 0x4f, [Q_KEY_CODE_LEFT] = 0x50,
    [Q_KEY_CODE_DOWN] = 0x51, [Q_KEY_CODE_UP] = 0x52,
    [Q_KEY_CODE_NUM_LOCK] = 0x53, [Q_KEY_CODE_KP_DIVIDE] = 0x54,
    [Q_KEY_CODE_KP_MULTIPLY] = 0x55, [Q_KEY_CODE_ASTERISK] = 0x55,
    [Q_KEY_CODE_KP_SUBTRACT] = 0x56, [Q_KEY_CODE_KP_ADD] = 0x57,
    [Q_KEY_CODE_KP_ENTER] = 0x58, [Q_KEY_CODE_KP_1] = 0x59,
    [Q_KEY_CODE_KP_2] = 0x5a, [Q_KEY_CODE_KP_3] = 0x5b,
    [Q_KEY_CODE_KP_4] = 0x5c, [Q_KEY_CODE_KP_5] = 0x5d,
    [Q_KEY_CODE_KP_6] = 0x5e, [Q_KEY_CODE_KP_7] = 0x5f,
    [Q_KEY_CODE_KP_8] = 0x60, [Q_KEY_CODE_KP_9] = 0x61,
    [Q_KEY_CODE_KP_0] = 0x62, [Q_KEY_CODE_KP_DECIMAL] = 0x63,
    [Q_KEY_CODE_LESS] = 0x64, [Q_KEY_CODE_COMPOSE] = 0x65,
    [Q_KEY_CODE_MENU] = 0x65, [Q_KEY_CODE_POWER] = 0x66,
    [Q_KEY_CODE_KP_EQUALS] = 0x67, [Q_KEY_CODE_HELP] = 0x75,
    [Q_KEY_CODE_PROPS] = 0x76, [Q_KEY_CODE_FRONT] = 0x77,
    [Q_KEY_CODE_STOP] = 0x78, [Q_KEY_CODE_AGAIN] = 0x79,
    [Q_KEY_CODE_UNDO] = 0x7a, [Q_KEY_CODE_CUT] = 0x7b,
    [Q_KEY_CODE_COPY] = 0x7c, [Q_KEY_CODE_PASTE] = 0x7d,
    [Q_KEY_CODE_FIND] = 0x7e, [Q_KEY_CODE_AUDIOMUTE] = 0x7f,
    [Q_KEY_CODE_VOLUMEUP] = 0x80, [Q_KEY_CODE_VOLUMEDOWN] = 0x81,
    [Q_KEY_CODE_KP_COMMA] = 0x85, [Q_KEY_CODE_RO] = 0x87,
    [Q_KEY_CODE_HIRAGANA] = 0x88, [Q_KEY_CODE_KATAKANAHIRAGANA] = 0x88,
    [Q_KEY_CODE_YEN] = 0x89, [Q_KEY_CODE_HENKAN] = 0x8a,
    [Q_KEY_CODE_MUHENKAN] = 0x8b, [Q_KEY_CODE_LANG1] = 0x90,
    [Q_KEY_CODE_LANG2] = 0x91, [Q_KEY_CODE_CTRL] = 0xe0,
    [Q_KEY_CODE_SHIFT] = 0xe1, [Q_KEY_CODE_ALT] = 0xe2,
    [Q_KEY_CODE_META_L] = 0xe3, [Q_KEY_CODE_CTRL_R] = 0xe4,
    [Q_KEY_CODE_SHIFT_R] = 0xe5, [Q_KEY_CODE_ALT_R] = 0xe6,
    [Q_KEY_CODE_META_R] = 0xe7,
};

static void kbd_key(void *opaque, QKeyCode code, bool down)
{
    USBHid *s = opaque;

    if (!usages[code] || s->count == QUEUE) {
        return;
    }
    s->keys_queue[(s->first + s->count++) % QUEUE] =
        usages[code] | (down ? 0x8000 : 0);
    hid_changed(s);
}

static bool kbd_room(void *opaque)
{
    return ((USBHid *)opaque)->count < QUEUE;
}

static const InputHandlerOps pointer_ops[] = {
    [KIND_MOUSE] = {
        .name = "QEMU HID Mouse", .mask = INPUT_BUTTON | INPUT_REL,
        .button = pointer_button, .rel = pointer_axis, .sync = pointer_sync,
    },
    [KIND_TABLET] = {
        .name = "QEMU HID Tablet", .mask = INPUT_BUTTON | INPUT_ABS,
        .button = pointer_button, .abs = pointer_axis, .sync = pointer_sync,
    },
    [KIND_KBD] = {
        .name = "QEMU HID Keyboard", .mask = INPUT_KEY, .key = kbd_key,
        .key_room = kbd_room,
    },
};

/* ---- reports out --------------------------------------------------------- */

static int clamp_step(int32_t *v)
{
    int step = CLAMP(*v, -127, 127);

    *v -= step;
    return step;
}

static unsigned pointer_report(USBHid *s, uint8_t *r)
{
    HIDPointerEvent still = { s->now.x, s->now.y, 0, s->now.buttons };
    HIDPointerEvent *e = s->count ? &s->events[s->first] : &still;
    bool more = false;

    r[0] = e->buttons;
    if (kind_of(s) == KIND_TABLET) {
        r[1] = e->x;
        r[2] = e->x >> 8;
        r[3] = e->y;
        r[4] = e->y >> 8;
        r[5] = clamp_step(&e->z);
        more = e->z != 0;
    } else {
        if (!s->count) {
            still.x = still.y = 0;
        }
        r[1] = clamp_step(&e->x);
        r[2] = clamp_step(&e->y);
        r[3] = clamp_step(&e->z);
        more = e->x || e->y || e->z;
    }
    if (s->count && !more) {
        s->first = (s->first + 1) % QUEUE;
        s->count--;
    }
    return kind_of(s) == KIND_TABLET ? 6 : 4;
}

static void kbd_apply(USBHid *s, uint16_t key)
{
    uint8_t usage = key;
    bool down = key & 0x8000;

    if (usage >= 0xe0) {
        s->modifiers = down ? s->modifiers | 1u << (usage - 0xe0)
                            : s->modifiers & ~(1u << (usage - 0xe0));
        return;
    }
    for (unsigned i = 0; i < 6; i++) {
        if (s->keys[i] == usage) {
            if (!down) {
                memmove(s->keys + i, s->keys + i + 1, 5 - i);
                s->keys[5] = 0;
            }
            return;
        }
    }
    for (unsigned i = 0; down && i < 6; i++) {
        if (!s->keys[i]) {
            s->keys[i] = usage;
            return;
        }
    }
}

static unsigned kbd_report(USBHid *s, uint8_t *r)
{
    if (s->count) {
        kbd_apply(s, s->keys_queue[s->first]);
        s->first = (s->first + 1) % QUEUE;
        s->count--;
        input_handler_ready(s->input);
    }
    r[0] = s->modifiers;
    r[1] = 0;
    memcpy(r + 2, s->keys, 6);
    return 8;
}

static unsigned make_report(USBHid *s, uint8_t *r)
{
    return kind_of(s) == KIND_KBD ? kbd_report(s, r) : pointer_report(s, r);
}

static void hid_data(USBDevice *d, USBPacket *p)
{
    USBHid *s = (USBHid *)d;
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    uint8_t r[8];

    if (p->pid != USB_PID_IN || p->ep != 1) {
        p->status = USB_STALL;
        return;
    }
    if (!s->polled) { /* a driver is there: input goes here from now on */
        s->polled = true;
        input_handler_activate(s->input);
    }
    if (!s->count && !(s->idle && now - s->sent_at >=
                                      s->idle * INT64_C(4000000))) {
        p->status = USB_NAK;
        return;
    }
    s->sent_at = now;
    p->actual = MIN(make_report(s, r), p->size);
    memcpy(p->data, r, p->actual);
}

static int hid_descriptor(USBHid *s, uint16_t value, uint16_t length,
                          uint8_t *data)
{
    const HIDModel *m = model_of(s);
    const USBDescIface *f = usb_desc(&s->usb)->ifaces;
    unsigned len;

    if (value >> 8 == USB_DT_REPORT) {
        len = MIN(m->report_len, length);
        memcpy(data, m->report, len);
        return len;
    }
    if (value >> 8 == USB_DT_HID) {
        len = MIN(f->extra_len, length);
        memcpy(data, f->extra, len);
        return len;
    }
    return -1;
}

static int hid_control(USBDevice *d, uint8_t type, uint8_t request,
                       uint16_t value, uint16_t index, uint16_t length,
                       uint8_t *data)
{
    USBHid *s = (USBHid *)d;
    unsigned leds;

    if ((type & USB_RECIP_MASK) != USB_RECIP_INTERFACE || index != 0) {
        return -1;
    }
    if (!(type & USB_TYPE_MASK)) {
        return request == USB_REQ_GET_DESCRIPTOR && type & USB_DIR_IN
                   ? hid_descriptor(s, value, length, data) : -1;
    }
    if ((type & USB_TYPE_MASK) != USB_TYPE_CLASS) {
        return -1;
    }
    switch (request) {
    case REQ_GET_REPORT: {
        uint8_t r[8];
        unsigned len = MIN(make_report(s, r), length);

        memcpy(data, r, len);
        return len;
    }
    case REQ_SET_REPORT:
        if (kind_of(s) != KIND_KBD || length < 1) {
            return -1;
        }
        s->leds = data[0] & 0x1f;
        leds = (s->leds & 1 ? INPUT_LED_NUM : 0) |
               (s->leds & 2 ? INPUT_LED_CAPS : 0) |
               (s->leds & 4 ? INPUT_LED_SCROLL : 0);
        input_handler_set_leds(s->input, leds);
        return 0;
    case REQ_GET_IDLE:
        data[0] = s->idle;
        return 1;
    case REQ_SET_IDLE:
        s->idle = value >> 8;
        return 0;
    case REQ_GET_PROTOCOL:
        data[0] = s->protocol;
        return kind_of(s) == KIND_TABLET ? -1 : 1;
    case REQ_SET_PROTOCOL:
        if (kind_of(s) == KIND_TABLET || value > 1) {
            return -1;
        }
        s->protocol = value;
        return 0;
    }
    return -1;
}

static void hid_bus_reset(USBDevice *d)
{
    USBHid *s = (USBHid *)d;

    s->first = s->count = 0;
    input_handler_ready(s->input);
    memset(&s->now, 0, sizeof(s->now));
    memset(s->keys, 0, sizeof(s->keys));
    s->modifiers = s->leds = s->idle = 0;
    s->protocol = 1;
    s->polled = s->moved = false;
}

static bool hid_realize(DeviceState *dev, Error **errp)
{
    USBHid *s = (USBHid *)dev;

    s->input = input_handler_new(&pointer_ops[kind_of(s)], s);
    hid_bus_reset(&s->usb);
    return true;
}

static void hid_unrealize(DeviceState *dev)
{
    input_handler_free(((USBHid *)dev)->input);
}

/* ---- descriptors --------------------------------------------------------- */

/* clang-format off */
static const uint8_t mouse_report[] = {
    0x05, 0x01, 0x09, 0x02,             /* page desktop, usage mouse */
    0xa1, 0x01,                         /* collection: application */
    0x09, 0x01, 0xa1, 0x00,             /*   pointer, physical */
    0x05, 0x09, 0x19, 1, 0x29, 5,       /*     buttons 1 to 5 */
    0x15, 0, 0x25, 1, 0x95, 5, 0x75, 1, 0x81, 0x02, /* 5 bits, variable */
    0x95, 1, 0x75, 3, 0x81, 0x01,       /*     3 bits of padding */
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x09, 0x38, /* X, Y, wheel */
    0x15, 0x81, 0x25, 0x7f,             /*     -127 to 127 */
    0x75, 8, 0x95, 3, 0x81, 0x06,       /*     3 bytes, relative */
    0xc0, 0xc0,
};
static const uint8_t tablet_report[] = {
    0x05, 0x01, 0x09, 0x02,             /* page desktop, usage mouse */
    0xa1, 0x01,                         /* collection: application */
    0x09, 0x01, 0xa1, 0x00,             /*   pointer, physical */
    0x05, 0x09, 0x19, 1, 0x29, 3,       /*     buttons 1 to 3 */
    0x15, 0, 0x25, 1, 0x95, 3, 0x75, 1, 0x81, 0x02, /* 3 bits, variable */
    0x95, 1, 0x75, 5, 0x81, 0x01,       /*     5 bits of padding */
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, /*     X, Y */
    0x15, 0, 0x26, 0xff, 0x7f,          /*     0 to 32767 */
    0x35, 0, 0x46, 0xff, 0x7f,          /*     the same physically */
    0x75, 16, 0x95, 2, 0x81, 0x02,      /*     2 words, absolute */
    0x05, 0x01, 0x09, 0x38,             /*     wheel */
    0x15, 0x81, 0x25, 0x7f, 0x35, 0, 0x45, 0,
    0x75, 8, 0x95, 1, 0x81, 0x06,       /*     1 byte, relative */
    0xc0, 0xc0,
};
static const uint8_t kbd_report_desc[] = {
    0x05, 0x01, 0x09, 0x06,             /* page desktop, usage keyboard */
    0xa1, 0x01,                         /* collection: application */
    0x75, 1, 0x95, 8, 0x05, 0x07,       /*   8 bits of page keyboard */
    0x19, 0xe0, 0x29, 0xe7,             /*   modifiers */
    0x15, 0, 0x25, 1, 0x81, 0x02,       /*   variable */
    0x95, 1, 0x75, 8, 0x81, 0x01,       /*   a byte that is reserved */
    0x95, 5, 0x75, 1, 0x05, 0x08,       /*   5 bits of page LEDs */
    0x19, 1, 0x29, 5, 0x91, 0x02,       /*   output */
    0x95, 1, 0x75, 3, 0x91, 0x01,       /*   padding */
    0x95, 6, 0x75, 8,                   /*   6 bytes */
    0x15, 0, 0x25, 0xff, 0x05, 0x07,
    0x19, 0, 0x29, 0xff, 0x81, 0x00,    /*   keys, an array */
    0xc0,
};
/* clang-format on */

#define HID_EXTRA(bcd, rep) \
    { 9, USB_DT_HID, (bcd) & 0xff, (bcd) >> 8, 0, 1, USB_DT_REPORT, \
      sizeof(rep), 0 }
static const uint8_t mouse_extra[] = HID_EXTRA(0x0001, mouse_report);
static const uint8_t tablet_extra[] = HID_EXTRA(0x0001, tablet_report);
static const uint8_t kbd_extra[] = HID_EXTRA(0x0111, kbd_report_desc);

enum { S_MANUFACTURER = 1, S_MOUSE, S_TABLET, S_KBD, S_MOUSE_CONFIG = 6,
       S_TABLET_CONFIG, S_KBD_CONFIG, S_MOUSE_SERIAL, S_TABLET_SERIAL,
       S_KBD_SERIAL };

static const char *const hid_strings[USB_MAX_STRINGS] = {
    [S_MANUFACTURER] = "QEMU", [S_MOUSE] = "QEMU USB Mouse",
    [S_TABLET] = "QEMU USB Tablet", [S_KBD] = "QEMU USB Keyboard",
    [S_MOUSE_CONFIG] = "HID Mouse", [S_TABLET_CONFIG] = "HID Tablet",
    [S_KBD_CONFIG] = "HID Keyboard",
};

/* 10 ms at full speed, 2^(@ival - 1) microframes at high speed. */
#define HID_MODEL(n, upper, bytes, ival, sub, proto, rep, knd, prefix) \
    static const USBDescEndpoint n##_ep_full[] = { \
        { .address = 0x81, .attributes = USB_ENDPOINT_INT, \
          .max_packet = (bytes), .interval = 10 }, \
    }; \
    static const USBDescEndpoint n##_ep_high[] = { \
        { .address = 0x81, .attributes = USB_ENDPOINT_INT, \
          .max_packet = (bytes), .interval = (ival) }, \
    }; \
    static const USBDescIface n##_if_full[] = { \
        { .class_id = 3, .subclass = (sub), .protocol = (proto), \
          .n_endpoints = 1, .endpoints = n##_ep_full, \
          .extra = n##_extra, .extra_len = sizeof(n##_extra) }, \
    }; \
    static const USBDescIface n##_if_high[] = { \
        { .class_id = 3, .subclass = (sub), .protocol = (proto), \
          .n_endpoints = 1, .endpoints = n##_ep_high, \
          .extra = n##_extra, .extra_len = sizeof(n##_extra) }, \
    }; \
    static const USBDescDevice n##_full = { \
        .bcd_usb = 0x0200, .max_packet0 = 8, .attributes = 0x20, \
        .config_string = S_##upper##_CONFIG, .max_power = 50, \
        .n_ifaces = 1, .ifaces = n##_if_full, \
    }; \
    static const USBDescDevice n##_high = { \
        .bcd_usb = 0x0200, .max_packet0 = 64, .attributes = 0x20, \
        .config_string = S_##upper##_CONFIG, .max_power = 50, \
        .n_ifaces = 1, .ifaces = n##_if_high, \
    }; \
    static const USBDesc n##_desc = { \
        .vendor = 0x0627, .product = 0x0001, \
        .manufacturer = S_MANUFACTURER, .product_string = S_##upper, \
        .serial_string = S_##upper##_SERIAL, .full = &n##_full, \
        .high = &n##_high, .strings = hid_strings, .serial_prefix = (prefix), \
    }; \
    static const HIDModel n##_model = { \
        .usb = { .product = "QEMU USB " knd, .desc = &n##_desc, \
                 .control = hid_control, .data = hid_data, \
                 .bus_reset = hid_bus_reset }, \
        .kind = KIND_##upper, .report = (rep), .report_len = sizeof(rep), \
    }

HID_MODEL(mouse, MOUSE, 4, 7, 1, 2, mouse_report, "Mouse", "89126");
HID_MODEL(tablet, TABLET, 8, 4, 0, 0, tablet_report, "Tablet", "28754");
HID_MODEL(kbd, KBD, 8, 7, 1, 1, kbd_report_desc, "Keyboard", "68284");

/* ---- state, registration ------------------------------------------------- */

static bool hid_post_load(void *opaque, int version, Error **errp)
{
    USBHid *s = opaque;

    if (s->first >= QUEUE || s->count > QUEUE) {
        error_setg(errp, "usb-hid: queue out of range");
        return false;
    }
    return true;
}

static const VMStateField event_fields[] = {
    VMSTATE_INT32(x, HIDPointerEvent), VMSTATE_INT32(y, HIDPointerEvent),
    VMSTATE_INT32(z, HIDPointerEvent),
    VMSTATE_UINT32(buttons, HIDPointerEvent), VMSTATE_END(),
};

static const VMStateDescription vmstate_event = {
    .name = "usb-hid/event",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = event_fields,
};

static const VMStateField hid_fields[] = {
    VMSTATE_USB_DEVICE(usb, USBHid),
    VMSTATE_UINT8(idle, USBHid),
    VMSTATE_UINT8(protocol, USBHid),
    VMSTATE_UINT32(first, USBHid),
    VMSTATE_UINT32(count, USBHid),
    VMSTATE_STRUCT_ARRAY(events, USBHid, HIDPointerEvent, QUEUE,
                         vmstate_event),
    VMSTATE_STRUCT(now, USBHid, HIDPointerEvent, vmstate_event),
    VMSTATE_UINT16_ARRAY(keys_queue, USBHid, QUEUE),
    VMSTATE_UINT8(modifiers, USBHid),
    VMSTATE_UINT8(leds, USBHid),
    VMSTATE_BUFFER(keys, USBHid),
    VMSTATE_INT64(sent_at, USBHid),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_hid = {
    .name = "usb-hid",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = hid_post_load,
    .fields = hid_fields,
};

#define HID_INFO(nm, ds, mod) \
    { .name = (nm), .desc = (ds), .bus = BUS_USB, \
      .category = DEVICE_CATEGORY_INPUT, .size = sizeof(USBHid), \
      .vmsd = &vmstate_hid, .bus_info = &(mod), \
      .realize = hid_realize, .unrealize = hid_unrealize }

static const DeviceInfo hid_infos[] = {
    HID_INFO("usb-mouse", "USB mouse", mouse_model),
    HID_INFO("usb-tablet", "USB tablet: absolute positions", tablet_model),
    HID_INFO("usb-kbd", "USB keyboard", kbd_model),
};

static void hid_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(hid_infos); i++) {
        device_register(&hid_infos[i]);
    }
}
device_init(hid_register)
