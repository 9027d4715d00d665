/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio keyboard, mouse and tablet: virtio 1.1, section 5.8.  Events are
 * those of Linux's evdev (input-event-codes.h).
 *
 * Events of one moment go out together with their SYN_REPORT, or not at all
 * when the guest has too few buffers: a lost movement is better than half of
 * one.
 */
#include "osdep.h"
#include "hw/virtio/virtio.h"
#include "ui/input.h"
#include "util/log.h"

/* Selectors of the configuration. */
enum { SEL_UNSET = 0x00, SEL_NAME = 0x01, SEL_SERIAL = 0x02, SEL_DEVIDS = 0x03,
       SEL_PROP_BITS = 0x10, SEL_EV_BITS = 0x11, SEL_ABS_INFO = 0x12 };
enum { CFG_SELECT = 0, CFG_SUBSEL = 1, CFG_SIZE = 2, CFG_DATA = 8,
       CFG_LEN = 136 };
#define DATA_LEN (CFG_LEN - CFG_DATA)
/* evdev. */
enum { EV_SYN = 0, EV_KEY = 1, EV_REL = 2, EV_ABS = 3, EV_LED = 0x11,
       EV_REP = 0x14 };
enum { REL_X = 0, REL_Y = 1, REL_HWHEEL = 6, REL_WHEEL = 8, ABS_X = 0,
       ABS_Y = 1 };
enum { EVDEV_LED_NUM = 0, EVDEV_LED_CAPS = 1, EVDEV_LED_SCROLL = 2 };
enum { BTN_LEFT = 0x110, BTN_RIGHT = 0x111, BTN_MIDDLE = 0x112,
       BTN_SIDE = 0x113, BTN_EXTRA = 0x114, BTN_TOUCH = 0x14a };
#define BUS_VIRTUAL 0x06
#define VENDOR      0x0627

enum { KIND_KEYBOARD = 1, KIND_MOUSE = 2, KIND_TABLET = 3 };

typedef struct InputEvent16 {
    uint16_t type, code;
    uint32_t value;
} InputEvent16;

#define QUEUE_MAX 64 /* events of one moment */

typedef struct VirtIOInput {
    VirtIODevice vdev;
    /* Properties. */
    char *serial;
    bool wheel_axis;
    /* Guest-visible state. */
    uint8_t select, subsel;
    /* Host side. */
    unsigned kind;
    VirtQueue *events, *statuses;
    InputHandler *handler;
    InputEvent16 pending[QUEUE_MAX];
    unsigned npending;
    unsigned leds;
} VirtIOInput;

static VirtIOInput *input_of(VirtIODevice *vdev)
{
    return (VirtIOInput *)vdev;
}

/* ---- codes ------------------------------------------------------------------------- */

#define K(name, code) [Q_KEY_CODE_##name] = (code)
/* evdev codes of keys that PC set 1 has behind E0; of the others they are the
 * set 1 numbers. */
static const uint8_t evdev_codes[Q_KEY_CODE__MAX] = {
    /* clang-format off */
    K(KP_ENTER, 96), K(CTRL_R, 97), K(KP_DIVIDE, 98), K(PRINT, 99),
    K(SYSRQ, 99), K(ALT_R, 100), K(LF, 101), K(HOME, 102), K(UP, 103),
    K(PGUP, 104), K(LEFT, 105), K(RIGHT, 106), K(END, 107), K(DOWN, 108),
    K(PGDN, 109), K(INSERT, 110), K(DELETE, 111), K(AUDIOMUTE, 113),
    K(VOLUMEDOWN, 114), K(VOLUMEUP, 115), K(POWER, 116), K(KP_EQUALS, 117),
    K(PAUSE, 119), K(KP_COMMA, 121), K(LANG1, 122), K(LANG2, 123),
    K(YEN, 124), K(META_L, 125), K(META_R, 126), K(COMPOSE, 127),
    K(STOP, 128), K(AGAIN, 129), K(PROPS, 130), K(UNDO, 131), K(FRONT, 132),
    K(COPY, 133), K(OPEN, 134), K(PASTE, 135), K(FIND, 136), K(CUT, 137),
    K(HELP, 138), K(MENU, 139), K(CALCULATOR, 140), K(SLEEP, 142),
    K(WAKE, 143), K(MAIL, 155), K(AC_BOOKMARKS, 156), K(COMPUTER, 157),
    K(AC_BACK, 158), K(AC_FORWARD, 159), K(AUDIONEXT, 163),
    K(AUDIOPLAY, 164), K(AUDIOPREV, 165), K(AUDIOSTOP, 166),
    K(AC_HOME, 172), K(AC_REFRESH, 173), K(MEDIASELECT, 226),
    K(RO, 89), K(KATAKANAHIRAGANA, 93), K(HIRAGANA, 91), K(HENKAN, 92),
    K(MUHENKAN, 94),
    /* clang-format on */
};

static unsigned evdev_code(QKeyCode code)
{
    unsigned n;

    if (code < Q_KEY_CODE__MAX && evdev_codes[code]) {
        return evdev_codes[code];
    }
    n = input_number_of(code);
    return n < 0x59 ? n : 0;
}

static const struct {
    InputButton button;
    uint16_t code;
} buttons[] = {
    { INPUT_BUTTON_LEFT, BTN_LEFT },     { INPUT_BUTTON_RIGHT, BTN_RIGHT },
    { INPUT_BUTTON_MIDDLE, BTN_MIDDLE }, { INPUT_BUTTON_SIDE, BTN_SIDE },
    { INPUT_BUTTON_EXTRA, BTN_EXTRA },
};

/* ---- events -------------------------------------------------------------------------- */

static void add(VirtIOInput *s, uint16_t type, uint16_t code, uint32_t value)
{
    if (s->npending < QUEUE_MAX - 1) {
        s->pending[s->npending++] = (InputEvent16){
            GUINT16_TO_LE(type), GUINT16_TO_LE(code), GUINT32_TO_LE(value),
        };
    }
}

static void flush(void *opaque)
{
    VirtIOInput *s = opaque;
    VirtQueueElement *els[QUEUE_MAX];
    unsigned n = 0, want;

    if (s->npending == 0) {
        return;
    }
    s->pending[s->npending++] = (InputEvent16){ EV_SYN, 0, 0 };
    want = s->npending;
    s->npending = 0;
    if (!s->vdev.vm_running || !virtio_queue_ready(s->events)) {
        return;
    }
    while (n < want && (els[n] = virtqueue_pop(s->events, sizeof(*els[n])))) {
        n++;
    }
    if (n < want) {
        while (n) {
            virtqueue_unpop(els[--n]);
            g_free(els[n]);
        }
        return;
    }
    for (n = 0; n < want; n++) {
        size_t len = virtio_iov_copy_to(els[n]->in, els[n]->in_num, 0,
                                        &s->pending[n],
                                        sizeof(s->pending[n]));

        virtqueue_fill(els[n], len, n);
        g_free(els[n]);
    }
    virtqueue_flush(s->events, want);
    virtio_notify(s->events);
}

static void on_key(void *opaque, QKeyCode code, bool down)
{
    unsigned n = evdev_code(code);

    if (n) {
        add(opaque, EV_KEY, n, down);
    }
}

static void on_button(void *opaque, InputButton button, bool down)
{
    VirtIOInput *s = opaque;

    if ((button == INPUT_BUTTON_WHEEL_UP ||
         button == INPUT_BUTTON_WHEEL_DOWN) && s->wheel_axis) {
        if (down) {
            add(s, EV_REL, REL_WHEEL,
                button == INPUT_BUTTON_WHEEL_UP ? 1 : (uint32_t)-1);
        }
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(buttons); i++) {
        if (buttons[i].button == button) {
            add(s, EV_KEY, buttons[i].code, down);
        }
    }
}

static void on_rel(void *opaque, InputAxis axis, int value)
{
    add(opaque, EV_REL, axis == INPUT_AXIS_X ? REL_X : REL_Y,
        (uint32_t)value);
}

static void on_abs(void *opaque, InputAxis axis, int value)
{
    add(opaque, EV_ABS, axis == INPUT_AXIS_X ? ABS_X : ABS_Y,
        (uint32_t)value);
}

static const InputHandlerOps handler_ops[] = {
    [KIND_KEYBOARD] = { .name = "QEMU Virtio Keyboard", .mask = INPUT_KEY,
                        .key = on_key, .sync = flush },
    [KIND_MOUSE] = { .name = "QEMU Virtio Mouse",
                     .mask = INPUT_BUTTON | INPUT_REL, .button = on_button,
                     .rel = on_rel, .sync = flush },
    [KIND_TABLET] = { .name = "QEMU Virtio Tablet",
                      .mask = INPUT_BUTTON | INPUT_ABS, .button = on_button,
                      .abs = on_abs, .sync = flush },
};

static void handle_events(VirtIODevice *vdev, VirtQueue *vq)
{
    /* Buffers are there: used when something happens. */
}

static void take_status(VirtIOInput *s, const InputEvent16 *ev)
{
    static const unsigned bits[] = {
        [EVDEV_LED_NUM] = INPUT_LED_NUM, [EVDEV_LED_CAPS] = INPUT_LED_CAPS,
        [EVDEV_LED_SCROLL] = INPUT_LED_SCROLL,
    };
    uint16_t code = GUINT16_FROM_LE(ev->code);

    if (GUINT16_FROM_LE(ev->type) != EV_LED || s->kind != KIND_KEYBOARD ||
        code >= ARRAY_SIZE(bits)) {
        return;
    }
    if (ev->value) {
        s->leds |= bits[code];
    } else {
        s->leds &= ~bits[code];
    }
    input_handler_set_leds(s->handler, s->leds);
}

static void handle_status(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOInput *s = input_of(vdev);
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        InputEvent16 ev;

        if (virtio_iov_copy_from(e->out, e->out_num, 0, &ev, sizeof(ev)) ==
            sizeof(ev)) {
            take_status(s, &ev);
        }
        virtqueue_push(e, 0);
        g_free(e);
    }
    virtio_notify(vq);
}

/* ---- configuration ----------------------------------------------------------------------- */

static void set_bit(uint8_t *d, unsigned n, uint8_t *size)
{
    if (n / 8 < DATA_LEN) {
        d[n / 8] |= 1 << (n % 8);
        *size = MAX(*size, n / 8 + 1);
    }
}

static void put16(uint8_t *d, uint16_t v)
{
    d[0] = v;
    d[1] = v >> 8;
}

static uint8_t put_string(uint8_t *d, const char *text)
{
    size_t n = text ? MIN(strlen(text), DATA_LEN) : 0;

    memcpy(d, text ? text : "", n);
    return n;
}

static uint8_t event_bits(VirtIOInput *s, uint8_t *d)
{
    bool keyboard = s->kind == KIND_KEYBOARD;
    uint8_t size = 0;

    switch (s->subsel) {
    case EV_KEY:
        for (unsigned c = 0; keyboard && c < Q_KEY_CODE__MAX; c++) {
            if (evdev_code(c)) {
                set_bit(d, evdev_code(c), &size);
            }
        }
        for (unsigned i = 0; !keyboard && i < ARRAY_SIZE(buttons); i++) {
            set_bit(d, buttons[i].code, &size);
        }
        break;
    case EV_REL:
        if (s->kind == KIND_MOUSE) {
            set_bit(d, REL_X, &size);
            set_bit(d, REL_Y, &size);
        }
        if (!keyboard && s->wheel_axis) {
            set_bit(d, REL_WHEEL, &size);
        }
        break;
    case EV_ABS:
        if (s->kind == KIND_TABLET) {
            set_bit(d, ABS_X, &size);
            set_bit(d, ABS_Y, &size);
        }
        break;
    case EV_LED:
        if (keyboard) {
            set_bit(d, EVDEV_LED_NUM, &size);
            set_bit(d, EVDEV_LED_CAPS, &size);
            set_bit(d, EVDEV_LED_SCROLL, &size);
        }
        break;
    case EV_REP:
        return keyboard; /* no bits, but there */
    }
    return size;
}

static void input_get_config(VirtIODevice *vdev, uint8_t *c)
{
    VirtIOInput *s = input_of(vdev);
    uint8_t *d = c + CFG_DATA, size = 0;

    memset(c, 0, CFG_LEN);
    c[CFG_SELECT] = s->select;
    c[CFG_SUBSEL] = s->subsel;
    switch (s->select) {
    case SEL_NAME:
        size = s->subsel ? 0 : put_string(d, handler_ops[s->kind].name);
        break;
    case SEL_SERIAL:
        size = s->subsel ? 0 : put_string(d, s->serial);
        break;
    case SEL_DEVIDS:
        if (s->subsel == 0) {
            put16(d, BUS_VIRTUAL);
            put16(d + 2, VENDOR);
            put16(d + 4, s->kind);
            put16(d + 6, 1);
            size = 8;
        }
        break;
    case SEL_EV_BITS:
        size = event_bits(s, d);
        break;
    case SEL_ABS_INFO:
        if (s->kind == KIND_TABLET && s->subsel <= ABS_Y) {
            put16(d + 4, INPUT_ABS_MAX);
            size = 20;
        }
        break;
    }
    c[CFG_SIZE] = size;
}

static void input_set_config(VirtIODevice *vdev, const uint8_t *c)
{
    VirtIOInput *s = input_of(vdev);

    s->select = c[CFG_SELECT];
    s->subsel = c[CFG_SUBSEL];
}

/* ---- life --------------------------------------------------------------------------------- */

static void input_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIOInput *s = input_of(vdev);

    if (status & VIRTIO_S_DRIVER_OK) {
        input_handler_activate(s->handler);
    }
}

static void input_reset(VirtIODevice *vdev)
{
    VirtIOInput *s = input_of(vdev);

    s->select = s->subsel = 0;
    s->npending = 0;
    s->leds = 0;
}

static bool input_realize(DeviceState *dev, Error **errp)
{
    VirtIOInput *s = (VirtIOInput *)dev;

    s->kind = device_is_a(dev, "virtio-keyboard-device") ? KIND_KEYBOARD
              : device_is_a(dev, "virtio-mouse-device")  ? KIND_MOUSE
                                                         : KIND_TABLET;
    if (!virtio_init(&s->vdev, errp)) {
        return false;
    }
    s->events = virtio_add_queue(&s->vdev, 64, handle_events);
    s->statuses = virtio_add_queue(&s->vdev, 64, handle_status);
    s->handler = input_handler_new(&handler_ops[s->kind], s);
    return true;
}

static void input_unrealize(DeviceState *dev)
{
    VirtIOInput *s = (VirtIOInput *)dev;

    input_handler_free(s->handler);
    virtio_cleanup(&s->vdev);
}

static const VMStateField input_fields[] = {
    VMSTATE_STRUCT(vdev, VirtIOInput, VirtIODevice, vmstate_virtio),
    VMSTATE_UINT8(select, VirtIOInput),
    VMSTATE_UINT8(subsel, VirtIOInput),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_input = {
    .name = "virtio-input",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = input_fields,
};

static const Property keyboard_props[] = {
    PROP_STR("serial", VirtIOInput, serial),
    PROP_END(),
};

static const Property pointer_props[] = {
    PROP_STR("serial", VirtIOInput, serial),
    PROP_BOOL("wheel-axis", VirtIOInput, wheel_axis, true),
    PROP_END(),
};

#define INPUT_VIRTIO(nm, cls) \
    { .device_id = VIRTIO_ID_INPUT, .pci_name = (nm), .pci_class = (cls), \
      .pci_vectors = 2, .config_len = CFG_LEN, \
      .get_config = input_get_config, .set_config = input_set_config, \
      .set_status = input_set_status, .reset = input_reset }
static const VirtIOInfo virtios[] = {
    INPUT_VIRTIO("virtio-keyboard-pci", 0x0900),
    INPUT_VIRTIO("virtio-mouse-pci", 0x0902),
    INPUT_VIRTIO("virtio-tablet-pci", 0x0980),
};

#define INPUT_DEVICE(nm, prp, vio) \
    { .name = (nm), .bus = BUS_VIRTIO, .category = DEVICE_CATEGORY_INPUT, \
      .size = sizeof(VirtIOInput), .props = (prp), .vmsd = &vmstate_input, \
      .bus_info = &(vio), .realize = input_realize, \
      .unrealize = input_unrealize }
static const DeviceInfo infos[] = {
    INPUT_DEVICE("virtio-keyboard-device", keyboard_props, virtios[0]),
    INPUT_DEVICE("virtio-mouse-device", pointer_props, virtios[1]),
    INPUT_DEVICE("virtio-tablet-device", pointer_props, virtios[2]),
};

static void virtio_input_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(infos); i++) {
        virtio_device_register(&infos[i]);
    }
}
device_init(virtio_input_register)
