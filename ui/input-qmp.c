/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Monitor commands about keys and pointers. */
#include "osdep.h"
#include "exec/runstate.h"
#include "input-int.h"
#include "qapi/qapi-commands.h"
#include "ui/keymap.h"

#define HOLD_MS     100
#define HOLD_MAX_MS 100000

static QKeyCode code_of(const KeyValue *v)
{
    if (v->type == KEY_VALUE_KIND_QCODE) {
        return v->u.qcode.data;
    }
    return v->u.number.data > 0 && v->u.number.data <= 0xff
               ? input_code_of(v->u.number.data)
               : Q_KEY_CODE_UNMAPPED;
}

void qmp_send_key(KeyValueList *keys, bool has_hold_time, int64_t hold_time,
                  Error **errp)
{
    int hold = has_hold_time ? CLAMP(hold_time, 1, HOLD_MAX_MS) : HOLD_MS;
    GArray *codes = g_array_new(false, false, sizeof(QKeyCode));
    bool room = true;

    for (KeyValueList *k = keys; k; k = k->next) {
        QKeyCode code = code_of(k->value);

        g_array_append_val(codes, code);
    }
    /* All go down together, and up in the reverse order after a while. */
    for (guint i = 0; i < codes->len && room; i++) {
        bool last = i + 1 == codes->len;

        room = input_queue_key(NULL, g_array_index(codes, QKeyCode, i), true,
                               last ? hold : 0);
    }
    for (guint i = codes->len; i > 0 && room; i--) {
        /* A guest needs to see the key go up before the next press. */
        room = input_queue_key(NULL, g_array_index(codes, QKeyCode, i - 1),
                               false, i == 1 ? hold : 0);
    }
    g_array_free(codes, true);
    if (!room) {
        error_setg(errp, "too many keys are waiting to be sent");
    }
}

/* ---- input-send-event ---- */

static unsigned kind_of(const InputEvent *e)
{
    switch (e->type) {
    case INPUT_EVENT_KIND_KEY:
        return INPUT_KEY;
    case INPUT_EVENT_KIND_BTN:
        return INPUT_BUTTON;
    case INPUT_EVENT_KIND_REL:
        return INPUT_REL;
    default:
        return INPUT_ABS;
    }
}

static void send_event(Console *c, const InputEvent *e)
{
    const InputMoveEvent *move = e->type == INPUT_EVENT_KIND_REL
                                     ? e->u.rel.data
                                     : e->u.abs.data;

    switch (e->type) {
    case INPUT_EVENT_KIND_KEY:
        input_queue_key(c, code_of(e->u.key.data->key), e->u.key.data->down,
                        0);
        break;
    case INPUT_EVENT_KIND_BTN:
        input_send_button(c, e->u.btn.data->button, e->u.btn.data->down);
        break;
    case INPUT_EVENT_KIND_REL:
        input_send_rel(c, move->axis, CLAMP(move->value, -65535, 65535));
        break;
    default:
        input_send_abs(c, move->axis, CLAMP(move->value, 0, INPUT_ABS_MAX),
                       INPUT_ABS_MAX + 1);
        break;
    }
}

void qmp_input_send_event(const char *device, bool has_head, int64_t head,
                          InputEventList *events, Error **errp)
{
    Console *c = NULL;

    if (device) {
        c = console_find(device, has_head ? CLAMP(head, 0, INT_MAX) : 0, errp);
        if (!c) {
            return;
        }
    }
    if (!runstate_is_running() && !runstate_check(RUN_STATE_SUSPENDED)) {
        error_setg(errp, "VM not running");
        return;
    }
    /* All or nothing. */
    for (InputEventList *e = events; e; e = e->next) {
        if (!input_console_takes(c, kind_of(e->value))) {
            error_setg(errp, "Input handler not found for event type %s",
                       InputEventKind_str(e->value->type));
            return;
        }
    }
    for (InputEventList *e = events; e; e = e->next) {
        send_event(c, e->value);
    }
    input_sync(c);
}

/* ---- input-send-text ---- */

#define TEXT_MAX      8192 /* characters; each takes up to eight keys */
#define TEXT_DELAY_MS 10

static void type_key(const KeymapKey *key, bool caps, int delay)
{
    bool shift = !!(key->mods & KEYMAP_SHIFT) != (key->letter && caps);
    bool altgr = key->mods & KEYMAP_ALTGR;

    if (shift) {
        input_queue_key(NULL, Q_KEY_CODE_SHIFT, true, delay);
    }
    if (altgr) {
        input_queue_key(NULL, Q_KEY_CODE_ALT_R, true, delay);
    }
    input_queue_key(NULL, key->code, true, delay);
    input_queue_key(NULL, key->code, false, delay);
    if (altgr) {
        input_queue_key(NULL, Q_KEY_CODE_ALT_R, false, delay);
    }
    if (shift) {
        input_queue_key(NULL, Q_KEY_CODE_SHIFT, false, delay);
    }
    if (key->dead) {
        input_queue_key(NULL, Q_KEY_CODE_SPC, true, delay);
        input_queue_key(NULL, Q_KEY_CODE_SPC, false, delay);
    }
}

void qmp_input_send_text(const char *text, bool has_delay, int64_t delay,
                         Error **errp)
{
    const Keymap *km = keymap_of_user ? keymap_of_user : keymap_get("en-us", errp);
    bool caps = input_leds() & INPUT_LED_CAPS;
    int ms = has_delay ? CLAMP(delay, 0, 1000) : TEXT_DELAY_MS;
    glong n = g_utf8_strlen(text, -1);
    KeymapKey key;

    if (!km) {
        return;
    }
    if (!runstate_is_running() && !runstate_check(RUN_STATE_SUSPENDED)) {
        error_setg(errp, "VM not running");
        return;
    }
    if (!input_has_keyboard()) {
        error_setg(errp, "the guest has no keyboard");
        return;
    }
    if (n > TEXT_MAX) {
        error_setg(errp, "the text has %ld characters, at most %d can be typed "
                   "at once", n, TEXT_MAX);
        return;
    }
    if (input_queue_busy()) {
        error_setg(errp, "an earlier text is still being typed");
        return;
    }
    /* All or nothing. */
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        if (!keymap_find_char(km, g_utf8_get_char(p), &key)) {
            error_setg(errp, "the keyboard layout has no key for U+%04X",
                       g_utf8_get_char(p));
            return;
        }
    }
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        keymap_find_char(km, g_utf8_get_char(p), &key);
        type_key(&key, caps, ms);
    }
}

MouseInfoList *qmp_query_mice(Error **errp)
{
    return input_list_mice();
}
