/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "vmmouse": VMware's absolute pointer behind the back door, as Linux's
 * drivers/input/mouse/vmmouse.c uses it.
 *
 * The guest enables it and reads packets of four words (buttons and flags, x,
 * y, wheel) from a queue.  That there is something to read is told by a packet
 * of the PS/2 mouse.
 */
#include "osdep.h"
#include "hw/i386/vmport.h"
#include "hw/input/i8042.h"
#include "ui/input.h"

#define QUEUE_WORDS 1024
#define VERSION_ID  0x3442554a

/* Commands. */
#define CMD_ENABLE       0x45414552
#define CMD_DISABLE      0x000000f5
#define CMD_ASK_RELATIVE 0x4c455252
#define CMD_ASK_ABSOLUTE 0x53424152
/* Status. */
#define STATUS_ERROR 0xffff0000
/* First word of a packet. */
#define PKT_LEFT     0x20
#define PKT_RIGHT    0x10
#define PKT_MIDDLE   0x08
#define PKT_RELATIVE 0x00010000

typedef struct VMMouse {
    ISADevice isa;
    /* Guest-visible state. */
    uint32_t queue[QUEUE_WORDS];
    uint16_t count;
    uint16_t status;   /* 0, or FFFFh: must be enabled first */
    bool absolute;
    uint8_t buttons;   /* as in packets */
    /* Host side. */
    int32_t x, y, dx, dy, dz;
    InputHandler *abs_input, *rel_input;
    DeviceState *i8042;
} VMMouse;

/* --- events --- */

static void vmmouse_abs(void *opaque, InputAxis axis, int value)
{
    VMMouse *s = opaque;

    *(axis == INPUT_AXIS_X ? &s->x : &s->y) = CLAMP(value, 0, INPUT_ABS_MAX);
}

static void vmmouse_rel(void *opaque, InputAxis axis, int value)
{
    VMMouse *s = opaque;
    int32_t *sum = axis == INPUT_AXIS_X ? &s->dx : &s->dy;

    *sum = CLAMP((int64_t)*sum + value, -32768, 32767);
}

static void vmmouse_button(void *opaque, InputButton button, bool down)
{
    VMMouse *s = opaque;
    uint8_t bit = button == INPUT_BUTTON_LEFT     ? PKT_LEFT
                  : button == INPUT_BUTTON_RIGHT  ? PKT_RIGHT
                  : button == INPUT_BUTTON_MIDDLE ? PKT_MIDDLE
                                                  : 0;

    if (down && button == INPUT_BUTTON_WHEEL_UP) {
        s->dz--;
    } else if (down && button == INPUT_BUTTON_WHEEL_DOWN) {
        s->dz++;
    }
    s->buttons = down ? s->buttons | bit : s->buttons & ~bit;
}

static void vmmouse_sync(void *opaque)
{
    VMMouse *s = opaque;

    if (s->status == 0 && s->count + 4 <= QUEUE_WORDS) {
        uint32_t *p = s->queue + s->count;

        p[0] = s->buttons | (s->absolute ? 0 : PKT_RELATIVE);
        p[1] = s->absolute ? (uint32_t)s->x << 1 : (uint32_t)s->dx;
        p[2] = s->absolute ? (uint32_t)s->y << 1 : (uint32_t)-s->dy;
        p[3] = s->dz;
        s->count += 4;
    }
    s->dx = s->dy = s->dz = 0;
    i8042_mouse_nudge(s->i8042);
}

static const InputHandlerOps abs_ops = {
    .name = "vmmouse", .mask = INPUT_BUTTON | INPUT_ABS,
    .button = vmmouse_button, .abs = vmmouse_abs, .sync = vmmouse_sync,
};
static const InputHandlerOps rel_ops = {
    .name = "vmmouse", .mask = INPUT_BUTTON | INPUT_REL,
    .button = vmmouse_button, .rel = vmmouse_rel, .sync = vmmouse_sync,
};

static void remove_handlers(VMMouse *s)
{
    input_handler_free(g_steal_pointer(&s->abs_input));
    input_handler_free(g_steal_pointer(&s->rel_input));
}

static void update_handlers(VMMouse *s)
{
    remove_handlers(s);
    if (s->status) {
        return;
    }
    if (s->absolute) {
        s->abs_input = input_handler_new(&abs_ops, s);
        input_handler_activate(s->abs_input);
    } else {
        s->rel_input = input_handler_new(&rel_ops, s);
        input_handler_activate(s->rel_input);
    }
}

/* --- commands --- */

static void vmmouse_disable(VMMouse *s)
{
    s->status = 0xffff;
    s->count = 0;
    update_handlers(s);
}

static void cmd_data(void *opaque, VMPortRegs *r)
{
    VMMouse *s = opaque;
    unsigned n = r->ebx;
    uint32_t out[4] = { 0 };

    if (n == 0 || n > 4 || n > s->count) {
        vmmouse_disable(s);
        r->eax = STATUS_ERROR;
        return;
    }
    memcpy(out, s->queue, n * 4);
    s->count -= n;
    memmove(s->queue, s->queue + n, s->count * 4u);
    r->eax = out[0];
    r->ebx = n > 1 ? out[1] : r->ebx;
    r->ecx = n > 2 ? out[2] : r->ecx;
    r->edx = n > 3 ? out[3] : r->edx;
}

static void cmd_status(void *opaque, VMPortRegs *r)
{
    const VMMouse *s = opaque;

    r->eax = (uint32_t)s->status << 16 | s->count;
}

static void cmd_command(void *opaque, VMPortRegs *r)
{
    VMMouse *s = opaque;

    switch (r->ebx) {
    case CMD_ENABLE:
        s->status = 0;
        s->queue[0] = VERSION_ID;
        s->count = 1;
        s->absolute = false;
        break;
    case CMD_DISABLE:
        vmmouse_disable(s);
        return;
    case CMD_ASK_RELATIVE:
        s->absolute = false;
        break;
    case CMD_ASK_ABSOLUTE:
        s->absolute = true;
        break;
    default:
        return;
    }
    update_handlers(s);
}

/* --- the device --- */

static void vmmouse_reset(DeviceState *dev)
{
    VMMouse *s = (VMMouse *)dev;

    s->absolute = false;
    s->buttons = 0;
    vmmouse_disable(s);
}

static bool find_i8042(DeviceState *dev, void *opaque)
{
    if (device_is_a(dev, "i8042")) {
        *(DeviceState **)opaque = dev;
    }
    return true;
}

static bool vmmouse_realize(DeviceState *dev, Error **errp)
{
    VMMouse *s = (VMMouse *)dev;

    device_foreach(find_i8042, &s->i8042);
    if (!s->i8042) {
        error_setg(errp, "'i8042' link is not set");
        return false;
    }
    vmport_register(VMPORT_ABS_STATUS, cmd_status, s);
    vmport_register(VMPORT_ABS_COMMAND, cmd_command, s);
    vmport_register(VMPORT_ABS_DATA, cmd_data, s);
    return true;
}

static bool vmmouse_post_load(void *opaque, int version, Error **errp)
{
    VMMouse *s = opaque;

    if (s->count > QUEUE_WORDS) {
        error_setg(errp, "vmmouse: %u words do not fit the queue", s->count);
        return false;
    }
    update_handlers(s);
    return true;
}

static const VMStateField vmmouse_fields[] = {
    VMSTATE_UINT32_ARRAY(queue, VMMouse, QUEUE_WORDS),
    VMSTATE_UINT16(count, VMMouse),
    VMSTATE_UINT16(status, VMMouse),
    VMSTATE_BOOL(absolute, VMMouse),
    VMSTATE_UINT8(buttons, VMMouse),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_vmmouse = {
    .name = "vmmouse",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = vmmouse_post_load,
    .fields = vmmouse_fields,
};

static const DeviceInfo vmmouse_info = {
    .name = "vmmouse",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .category = DEVICE_CATEGORY_INPUT,
    .size = sizeof(VMMouse),
    .vmsd = &vmstate_vmmouse,
    .realize = vmmouse_realize,
    .reset = vmmouse_reset,
};

static void vmmouse_register(void)
{
    device_register(&vmmouse_info);
}
device_init(vmmouse_register)
