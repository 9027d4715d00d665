/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VNC client's keys and pointer become the guest's.  Main thread.
 *
 * Clients that know QEMU's extended key event send the code of the key; that
 * is passed on, unless -k says that keys are to be understood as characters.
 * Other clients send what a key types: the layout tells which key of the
 * guest types that, and Shift and AltGr are set for that one key when the
 * client holds others.  Caps Lock and Num Lock follow the client's
 * (lock-key-sync=).
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "vnc-int.h"

#define SYM_KP_0   0xffb0
#define SYM_KP_9   0xffb9
#define SYM_KP_DEC 0xffae
#define ALT_1      0x02 /* set 1 code of "1" */

static bool held(const VncClient *c, QKeyCode code)
{
    unsigned n = input_number_of(code);

    return c->keys[n / 64] >> (n % 64) & 1;
}

static void send(VncClient *c, QKeyCode code, bool down)
{
    input_queue_key(vnc_view_console(&c->look), code, down,
                    c->server->key_delay);
}

/* A key that the client holds itself. */
static void press(VncClient *c, QKeyCode code, bool down)
{
    unsigned n = input_number_of(code);

    if (!n) {
        return;
    }
    if (down) {
        c->keys[n / 64] |= BIT(n % 64);
    } else if (!held(c, code)) {
        return;
    } else {
        c->keys[n / 64] &= ~BIT(n % 64);
    }
    send(c, code, down);
}

static void tap(VncClient *c, QKeyCode code)
{
    send(c, code, true);
    send(c, code, false);
}

void vnc_input_release_all(VncClient *c)
{
    for (unsigned n = 1; n < 256; n++) {
        if (c->keys[n / 64] >> (n % 64) & 1) {
            press(c, input_code_of(n), false);
        }
    }
    memset(c->syms, 0, sizeof(c->syms));
    if (c->last_buttons) {
        input_send_buttons(vnc_view_console(&c->look), &c->last_buttons, 0);
        input_sync(vnc_view_console(&c->look));
    }
}

/* ---- locks --------------------------------------------------------------- */

static bool is_letter(uint32_t sym)
{
    return (sym >= 'A' && sym <= 'Z') || (sym >= 'a' && sym <= 'z');
}

/* What the client's key means tells how its locks stand. */
static void sync_locks(VncClient *c, uint32_t sym, bool by_code)
{
    unsigned leds = input_leds();

    if (!c->server->lock_key_sync) {
        return;
    }
    if ((sym >= SYM_KP_0 && sym <= SYM_KP_9) || sym == SYM_KP_DEC) {
        if (!(leds & INPUT_LED_NUM)) {
            tap(c, Q_KEY_CODE_NUM_LOCK);
        }
    } else if (by_code && is_letter(sym)) {
        bool shift = held(c, Q_KEY_CODE_SHIFT) || held(c, Q_KEY_CODE_SHIFT_R);
        bool caps = leds & INPUT_LED_CAPS, upper = sym <= 'Z';

        if (upper != (shift != caps)) {
            tap(c, Q_KEY_CODE_CAPS_LOCK);
        }
    }
}

/* ---- characters ---------------------------------------------------------- */

static bool is_modifier(QKeyCode code)
{
    return code == Q_KEY_CODE_SHIFT || code == Q_KEY_CODE_SHIFT_R ||
           code == Q_KEY_CODE_CTRL || code == Q_KEY_CODE_CTRL_R ||
           code == Q_KEY_CODE_ALT || code == Q_KEY_CODE_ALT_R ||
           code == Q_KEY_CODE_META_L || code == Q_KEY_CODE_META_R;
}

/* Presses @key with the modifiers it needs, whatever is held. */
static void press_with(VncClient *c, const KeymapKey *key)
{
    static const QKeyCode shifts[] = { Q_KEY_CODE_SHIFT, Q_KEY_CODE_SHIFT_R };
    bool shift = held(c, shifts[0]) || held(c, shifts[1]);
    bool altgr = held(c, Q_KEY_CODE_ALT_R);
    bool caps = key->letter && (input_leds() & INPUT_LED_CAPS);
    bool want_shift = !!(key->mods & KEYMAP_SHIFT) != caps;
    bool want_altgr = key->mods & KEYMAP_ALTGR;

    for (int i = 0; i < 2; i++) {
        if (!want_shift && held(c, shifts[i])) {
            send(c, shifts[i], false);
        }
    }
    if (want_shift && !shift) {
        send(c, Q_KEY_CODE_SHIFT, true);
    }
    if (want_altgr != altgr) {
        send(c, Q_KEY_CODE_ALT_R, want_altgr);
    }
    press(c, key->code, true);
    if (want_altgr != altgr) {
        send(c, Q_KEY_CODE_ALT_R, altgr);
    }
    if (want_shift && !shift) {
        send(c, Q_KEY_CODE_SHIFT, false);
    }
    for (int i = 0; i < 2; i++) {
        if (!want_shift && held(c, shifts[i])) {
            send(c, shifts[i], true);
        }
    }
}

/* Which key a keysym pressed: it may come up under another name (Shift was
 * let go first). */
static void remember(VncClient *c, uint32_t sym, QKeyCode code)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->syms); i++) {
        if (!c->syms[i] || c->syms[i] == sym) {
            c->syms[i] = sym;
            c->by_sym[i] = code;
            return;
        }
    }
}

static bool forget(VncClient *c, uint32_t sym, QKeyCode *code)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->syms); i++) {
        if (c->syms[i] == sym) {
            c->syms[i] = 0;
            *code = c->by_sym[i];
            return true;
        }
    }
    return false;
}

static void key_by_sym(VncClient *c, const VncInputEvent *e)
{
    const Keymap *km = keymap_of_user ? keymap_of_user : keymap_get("en-us", NULL);
    KeymapKey key;
    QKeyCode code;

    if (!e->down) {
        if (forget(c, e->keysym, &code)) {
            press(c, code, false);
        }
        return;
    }
    if (!keymap_find(km, e->keysym, &key)) {
        return;
    }
    if (key.dead) {
        press_with(c, &key);
        press(c, key.code, false);
        key = (KeymapKey){ .code = Q_KEY_CODE_SPC };
    }
    remember(c, e->keysym, key.code);
    if (is_modifier(key.code) || input_number_of(key.code) >= 0x80 ||
        !(e->keysym < 0xff00 || e->keysym >= 0x01000000)) {
        press(c, key.code, true);
    } else {
        press_with(c, &key);
    }
}

/* ---- events -------------------------------------------------------------- */

/* Ctrl-Alt-1 to 9 show another console. */
static bool switches_console(VncClient *c, const VncInputEvent *e)
{
    unsigned by_code = e->code - ALT_1, by_sym = e->keysym - '1';
    unsigned n = e->code ? by_code : by_sym;
    bool ctrl = held(c, Q_KEY_CODE_CTRL) || held(c, Q_KEY_CODE_CTRL_R);
    bool alt = held(c, Q_KEY_CODE_ALT) || held(c, Q_KEY_CODE_ALT_R);

    if (!e->down || n >= 9 || !ctrl || !alt || c->server->display ||
        !console_by_index(n)) {
        return false;
    }
    vnc_input_release_all(c);
    vnc_client_show(c, console_by_index(n));
    return true;
}

static void key_event(VncClient *c, const VncInputEvent *e)
{
    Console *con = vnc_view_console(&c->look);
    bool by_code = e->code && !keymap_of_user;
    QKeyCode code;

    if (switches_console(c, e)) {
        return;
    }
    if (con && !console_is_graphic(con)) {
        /* Modifiers are tracked for the switch; text comes as keysyms. */
        unsigned n = e->code ? e->code : 0;
        KeymapKey key;

        if (!n && keymap_find(keymap_get("en-us", NULL), e->keysym, &key) &&
            is_modifier(key.code)) {
            n = input_number_of(key.code);
        }
        if (n && n < 256) {
            c->keys[n / 64] = e->down ? c->keys[n / 64] | BIT(n % 64)
                                      : c->keys[n / 64] & ~BIT(n % 64);
        }
        if (e->down && !(e->keysym & CONSOLE_KEY_CTRL)) {
            bool ctrl = held(c, Q_KEY_CODE_CTRL) || held(c, Q_KEY_CODE_CTRL_R);

            console_send_keysym(con, e->keysym |
                                         (ctrl ? CONSOLE_KEY_CTRL : 0));
        }
        return;
    }
    if (!runstate_is_running() && !runstate_check(RUN_STATE_SUSPENDED)) {
        return; /* nor would they wait for it to run */
    }
    if (e->down) {
        sync_locks(c, e->keysym, by_code);
    }
    if (by_code) {
        code = input_code_of(e->code);
        press(c, code, e->down);
    } else {
        key_by_sym(c, e);
    }
}

static unsigned buttons_of(uint8_t mask)
{
    static const uint8_t map[8] = {
        INPUT_BUTTON_LEFT, INPUT_BUTTON_MIDDLE, INPUT_BUTTON_RIGHT,
        INPUT_BUTTON_WHEEL_UP, INPUT_BUTTON_WHEEL_DOWN,
        INPUT_BUTTON_WHEEL_LEFT, INPUT_BUTTON_WHEEL_RIGHT, INPUT_BUTTON_SIDE,
    };
    unsigned buttons = 0;

    for (int i = 0; i < 8; i++) {
        buttons |= (mask >> i & 1u) << map[i];
    }
    return buttons;
}

static void pointer_event(VncClient *c, const VncInputEvent *e)
{
    Console *con = vnc_view_console(&c->look);
    bool told;

    if (!con) {
        return;
    }
    mutex_lock(&c->lock);
    told = c->relative;
    mutex_unlock(&c->lock);
    if (input_is_absolute(con)) {
        input_send_abs(con, INPUT_AXIS_X, e->x, console_width(con));
        input_send_abs(con, INPUT_AXIS_Y, e->y, console_height(con));
    } else if (told) {
        /* It was told to send differences, around the middle. */
        input_send_rel(con, INPUT_AXIS_X, e->x - VNC_REL_ZERO);
        input_send_rel(con, INPUT_AXIS_Y, e->y - VNC_REL_ZERO);
    } else if (c->last_x >= 0) {
        input_send_rel(con, INPUT_AXIS_X, e->x - c->last_x);
        input_send_rel(con, INPUT_AXIS_Y, e->y - c->last_y);
    }
    c->last_x = e->x;
    c->last_y = e->y;
    input_send_buttons(con, &c->last_buttons, buttons_of(e->buttons));
    input_sync(con);
}

void vnc_input_event(VncClient *c, const VncInputEvent *e)
{
    if (e->is_key) {
        key_event(c, e);
    } else {
        pointer_event(c, e);
    }
}
