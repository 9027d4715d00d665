/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 8042 keyboard controller, ports 60h and 64h, IRQ 1 and 12.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary
 * Device Controller": command byte, controller commands, input and output
 * ports.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/input/i8042.h"
#include "hw/input/ps2.h"
#include "hw/isa.h"
#include "ui/input.h"
#include "util/log.h"

/* Status. */
#define ST_OBF     0x01
#define ST_SYS     0x04
#define ST_CMD     0x08
#define ST_UNLOCK  0x10
#define ST_AUX_OBF 0x20
/* Command byte. */
#define CB_KBD_INT 0x01
#define CB_AUX_INT 0x02
#define CB_SYS     0x04
#define CB_KBD_OFF 0x10
#define CB_AUX_OFF 0x20
#define CB_XLATE   0x40
/* Output port. */
#define OUT_RESET  0x01 /* 0 resets */
#define OUT_A20    0x02
#define OUT_ONES   0xcc /* clock and data lines at rest, spare ones */

typedef struct I8042State {
    ISADevice isa;
    /* Guest-visible state. */
    uint8_t status;
    uint8_t command;      /* the command byte */
    uint8_t pending_cmd;  /* controller command that waits for its byte */
    uint8_t outport;
    uint8_t obdata;
    uint8_t reply;        /* the controller's own byte, to be put out first */
    bool reply_waits, reply_aux;
    bool break_next;      /* F0h was translated away: the next is a break */
    PS2Keyboard kbd;
    PS2Mouse mouse;
    /* Host side. */
    IRQ *irq_kbd, *irq_mouse, *a20;
    MemoryRegion data_io, cmd_io;
    InputHandler *key_input, *mouse_input;
    int dx, dy, dz;       /* movement since the last sync */
    uint8_t buttons;
} I8042State;

static I8042State *the_i8042;

PS2Keyboard *i8042_keyboard(void)
{
    return the_i8042 ? &the_i8042->kbd : NULL;
}

PS2Mouse *i8042_mouse(void)
{
    return the_i8042 ? &the_i8042->mouse : NULL;
}

static void i8042_update_irq(I8042State *s)
{
    bool full = s->status & ST_OBF, aux = s->status & ST_AUX_OBF;

    irq_set(s->irq_kbd, full && !aux && (s->command & CB_KBD_INT));
    irq_set(s->irq_mouse, full && aux && (s->command & CB_AUX_INT));
}

static void put_out(I8042State *s, uint8_t val, bool aux)
{
    s->obdata = val;
    s->status = (s->status & ~ST_AUX_OBF) | ST_OBF | (aux ? ST_AUX_OBF : 0);
}

/* The next byte of the keyboard, translated; false: nothing to show. */
static bool take_kbd(I8042State *s, uint8_t *out)
{
    while (!ps2_queue_empty(&s->kbd.queue)) {
        uint8_t v = ps2_queue_get(&s->kbd.queue);

        if (!(s->command & CB_XLATE)) {
            *out = v;
            return true;
        }
        if (v == 0xf0) {
            s->break_next = true;
            continue;
        }
        *out = ps2_translate(v) | (s->break_next ? 0x80 : 0);
        s->break_next = false;
        return true;
    }
    return false;
}

/* Fills the output buffer from whoever has something. */
static void i8042_update(void *opaque)
{
    I8042State *s = opaque;
    uint8_t v;

    if (!(s->status & ST_OBF)) {
        if (s->reply_waits) {
            s->reply_waits = false;
            put_out(s, s->reply, s->reply_aux);
        } else if (!(s->command & CB_KBD_OFF) && take_kbd(s, &v)) {
            put_out(s, v, false);
        } else if (!(s->command & CB_AUX_OFF) &&
                   !ps2_queue_empty(&s->mouse.queue)) {
            put_out(s, ps2_queue_get(&s->mouse.queue), true);
        }
    }
    if (ps2_keyboard_room(&s->kbd)) {
        input_handler_ready(s->key_input);
    }
    input_handler_set_leds(s->key_input, s->kbd.leds);
    i8042_update_irq(s);
}

static void controller_reply(I8042State *s, uint8_t val, bool aux)
{
    s->reply = val;
    s->reply_aux = aux;
    s->reply_waits = true;
    i8042_update(s);
}

static void write_outport(I8042State *s, uint8_t val)
{
    s->outport = val;
    irq_set(s->a20, (val & OUT_A20) != 0);
    if (!(val & OUT_RESET)) {
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static void cmd_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    I8042State *s = opaque;

    s->status |= ST_CMD;
    s->pending_cmd = 0;
    switch (val) {
    case 0x20:
        controller_reply(s, s->command, false);
        break;
    case 0x60:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xd4:
        s->pending_cmd = val;
        break;
    case 0xa7:
        s->command |= CB_AUX_OFF;
        break;
    case 0xa8:
        s->command &= ~CB_AUX_OFF;
        break;
    case 0xa9:
    case 0xab: /* interface tests */
        controller_reply(s, 0, false);
        break;
    case 0xaa:
        s->status |= ST_SYS;
        controller_reply(s, 0x55, false);
        break;
    case 0xad:
        s->command |= CB_KBD_OFF;
        break;
    case 0xae:
        s->command &= ~CB_KBD_OFF;
        break;
    case 0xc0:
        controller_reply(s, 0x80, false); /* keyboard not locked */
        break;
    case 0xd0:
        controller_reply(s, s->outport | OUT_ONES |
                                (s->status & ST_OBF
                                     ? s->status & ST_AUX_OBF ? 0x20 : 0x10
                                     : 0), false);
        break;
    case 0xdd:
        write_outport(s, s->outport & ~OUT_A20);
        break;
    case 0xdf:
        write_outport(s, s->outport | OUT_A20);
        break;
    case 0xf0 ... 0xff: /* pulse the output bits that are 0 here */
        if (!(val & OUT_RESET)) {
            system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        }
        break;
    default:
        log_guest_error("i8042: unknown command 0x%02x\n", (unsigned)val);
        break;
    }
    i8042_update(s);
}

static uint64_t cmd_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((I8042State *)opaque)->status;
}

static void data_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    I8042State *s = opaque;
    uint8_t cmd = s->pending_cmd;

    s->status &= ~ST_CMD;
    s->pending_cmd = 0;
    switch (cmd) {
    case 0: /* to the keyboard, which this switches on */
        s->command &= ~CB_KBD_OFF;
        ps2_keyboard_write(&s->kbd, val);
        break;
    case 0x60:
        s->command = val;
        s->status = (s->status & ~ST_SYS) | (val & CB_SYS);
        break;
    case 0xd1:
        write_outport(s, val);
        break;
    case 0xd2:
    case 0xd3:
        controller_reply(s, val, cmd == 0xd3);
        break;
    case 0xd4:
        ps2_mouse_write(&s->mouse, val);
        s->command &= ~CB_AUX_OFF;
        break;
    }
    i8042_update(s);
}

static uint64_t data_read(void *opaque, hwaddr addr, unsigned size)
{
    I8042State *s = opaque;
    uint8_t val = s->obdata;

    if (s->status & ST_OBF) {
        s->status &= ~(ST_OBF | ST_AUX_OBF);
        i8042_update_irq(s); /* an edge between two bytes */
        i8042_update(s);
    }
    return val;
}

static const MemoryRegionOps data_ops = {
    .read = data_read, .write = data_write, .access = { .min = 1, .max = 1 },
};
static const MemoryRegionOps cmd_ops = {
    .read = cmd_read, .write = cmd_write, .access = { .min = 1, .max = 1 },
};

/* --- from the user --- */

static void key_event(void *opaque, QKeyCode code, bool down)
{
    I8042State *s = opaque;

    ps2_keyboard_key(&s->kbd, input_number_of(code), down);
}

static bool key_room(void *opaque)
{
    return ps2_keyboard_room(&((I8042State *)opaque)->kbd);
}

static void mouse_rel(void *opaque, InputAxis axis, int value)
{
    I8042State *s = opaque;
    int *sum = axis == INPUT_AXIS_X ? &s->dx : &s->dy;

    *sum = CLAMP((int64_t)*sum + value, -65536, 65536);
}

static void mouse_button(void *opaque, InputButton button, bool down)
{
    static const uint8_t bits[INPUT_BUTTON__MAX] = {
        [INPUT_BUTTON_LEFT] = 1, [INPUT_BUTTON_RIGHT] = 2,
        [INPUT_BUTTON_MIDDLE] = 4, [INPUT_BUTTON_SIDE] = 8,
        [INPUT_BUTTON_EXTRA] = 16,
    };
    I8042State *s = opaque;

    if (down && button == INPUT_BUTTON_WHEEL_UP) {
        s->dz--;
    } else if (down && button == INPUT_BUTTON_WHEEL_DOWN) {
        s->dz++;
    }
    s->buttons = down ? s->buttons | bits[button] : s->buttons & ~bits[button];
}

static void mouse_sync(void *opaque)
{
    I8042State *s = opaque;

    if (s->buttons != s->mouse.buttons) {
        ps2_mouse_buttons(&s->mouse, s->buttons);
    }
    if (s->dx || s->dy || s->dz) {
        ps2_mouse_move(&s->mouse, s->dx, s->dy, s->dz);
    }
    s->dx = s->dy = s->dz = 0;
}

void i8042_mouse_nudge(DeviceState *dev)
{
    ps2_mouse_move(&((I8042State *)dev)->mouse, 1, 0, 0);
}

static const InputHandlerOps key_input_ops = {
    .name = "QEMU PS/2 Keyboard",
    .mask = INPUT_KEY,
    .key = key_event,
    .key_room = key_room,
};
static const InputHandlerOps mouse_input_ops = {
    .name = "QEMU PS/2 Mouse",
    .mask = INPUT_BUTTON | INPUT_REL,
    .button = mouse_button,
    .rel = mouse_rel,
    .sync = mouse_sync,
};

static void i8042_reset(DeviceState *dev)
{
    I8042State *s = (I8042State *)dev;

    s->status = ST_CMD | ST_UNLOCK;
    s->command = CB_KBD_INT | CB_AUX_INT;
    s->outport = OUT_RESET | OUT_A20;
    s->pending_cmd = 0;
    s->obdata = 0;
    s->reply_waits = s->break_next = false;
    ps2_keyboard_reset(&s->kbd);
    ps2_mouse_reset(&s->mouse);
    irq_set(s->a20, 1);
    i8042_update(s);
}

static bool i8042_realize(DeviceState *dev, Error **errp)
{
    I8042State *s = (I8042State *)dev;

    device_init_out(dev, "a20", &s->a20, 1);
    s->irq_kbd = isa_get_irq(&s->isa, 1, errp);
    s->irq_mouse = isa_get_irq(&s->isa, 12, errp);
    s->kbd.update = s->mouse.update = i8042_update;
    s->kbd.opaque = s->mouse.opaque = s;
    if (!isa_add_io(&s->isa, &s->data_io, &data_ops, s, 0x60, 1, errp) ||
        !isa_add_io(&s->isa, &s->cmd_io, &cmd_ops, s, 0x64, 1, errp)) {
        return false;
    }
    s->key_input = input_handler_new(&key_input_ops, s);
    s->mouse_input = input_handler_new(&mouse_input_ops, s);
    the_i8042 = s;
    return true;
}

static void i8042_unrealize(DeviceState *dev)
{
    I8042State *s = (I8042State *)dev;

    the_i8042 = NULL;
    input_handler_free(s->key_input);
    input_handler_free(s->mouse_input);
    isa_del_io(&s->isa, &s->data_io);
    isa_del_io(&s->isa, &s->cmd_io);
}

static const VMStateField i8042_fields[] = {
    VMSTATE_UINT8(status, I8042State),
    VMSTATE_UINT8(command, I8042State),
    VMSTATE_UINT8(pending_cmd, I8042State),
    VMSTATE_UINT8(outport, I8042State),
    VMSTATE_UINT8(obdata, I8042State),
    VMSTATE_UINT8(reply, I8042State),
    VMSTATE_BOOL(reply_waits, I8042State),
    VMSTATE_BOOL(reply_aux, I8042State),
    VMSTATE_BOOL(break_next, I8042State),
    VMSTATE_STRUCT(kbd, I8042State, PS2Keyboard, vmstate_ps2_keyboard),
    VMSTATE_STRUCT(mouse, I8042State, PS2Mouse, vmstate_ps2_mouse),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_i8042 = {
    .name = "pckbd",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = i8042_fields,
};

static const DeviceInfo i8042_info = {
    .name = "i8042",
    .desc = "keyboard controller with PS/2 keyboard and mouse",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_INPUT,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(I8042State),
    .vmsd = &vmstate_i8042,
    .realize = i8042_realize,
    .unrealize = i8042_unrealize,
    .reset = i8042_reset,
};

static void i8042_register(void)
{
    device_register(&i8042_info);
}
device_init(i8042_register)
