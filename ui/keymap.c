/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyboard layouts; include/ui/keymap.h.  Keysyms: the X Protocol, appendix A;
 * those above 0x01000000 are Unicode with that bit set.  The keys of a layout
 * are Linux key codes plus 8 in XKB's "evdev" rules.
 */
#include "osdep.h"
#include "ui/input.h"
#include "ui/keymap.h"
#ifdef CONFIG_XKBCOMMON
#include <xkbcommon/xkbcommon.h>
#endif

struct Keymap {
    char *name;
    GHashTable *keys; /* character -> KeymapKey, owned */
};

const Keymap *keymap_of_user;
static GHashTable *loaded; /* name -> Keymap; BQL */

/* ---- keys without a character -------------------------------------------- */

typedef struct Sym {
    uint16_t sym;
    uint16_t code;
} Sym;

#define S(sym, name) { sym, Q_KEY_CODE_##name }

static const Sym function_keys[] = {
    /* clang-format off */
    S(0xff08, BACKSPACE), S(0xff09, TAB), S(0xfe20, TAB), S(0xff0a, RET),
    S(0xff0d, RET), S(0xff13, PAUSE), S(0xff14, SCROLL_LOCK),
    S(0xff15, SYSRQ), S(0xff1b, ESC), S(0xff21, MUHENKAN),
    S(0xff22, MUHENKAN), S(0xff23, HENKAN), S(0xff25, HIRAGANA),
    S(0xff26, KATAKANAHIRAGANA), S(0xff27, KATAKANAHIRAGANA),
    S(0xff31, LANG1), S(0xff34, LANG2),
    S(0xff50, HOME), S(0xff51, LEFT), S(0xff52, UP), S(0xff53, RIGHT),
    S(0xff54, DOWN), S(0xff55, PGUP), S(0xff56, PGDN), S(0xff57, END),
    S(0xff61, PRINT), S(0xff63, INSERT), S(0xff65, UNDO), S(0xff66, AGAIN),
    S(0xff67, MENU), S(0xff68, FIND), S(0xff69, STOP), S(0xff6a, HELP),
    S(0xff6b, PAUSE), S(0xff7e, ALT_R), S(0xff7f, NUM_LOCK),
    S(0xff80, SPC), S(0xff89, TAB), S(0xff8d, KP_ENTER), S(0xff95, KP_7),
    S(0xff96, KP_4), S(0xff97, KP_8), S(0xff98, KP_6), S(0xff99, KP_2),
    S(0xff9a, KP_9), S(0xff9b, KP_3), S(0xff9c, KP_1), S(0xff9d, KP_5),
    S(0xff9e, KP_0), S(0xff9f, KP_DECIMAL), S(0xffaa, KP_MULTIPLY),
    S(0xffab, KP_ADD), S(0xffac, KP_COMMA), S(0xffad, KP_SUBTRACT),
    S(0xffae, KP_DECIMAL), S(0xffaf, KP_DIVIDE), S(0xffb0, KP_0),
    S(0xffb1, KP_1), S(0xffb2, KP_2), S(0xffb3, KP_3), S(0xffb4, KP_4),
    S(0xffb5, KP_5), S(0xffb6, KP_6), S(0xffb7, KP_7), S(0xffb8, KP_8),
    S(0xffb9, KP_9), S(0xffbd, KP_EQUALS),
    S(0xffbe, F1), S(0xffbf, F2), S(0xffc0, F3), S(0xffc1, F4),
    S(0xffc2, F5), S(0xffc3, F6), S(0xffc4, F7), S(0xffc5, F8),
    S(0xffc6, F9), S(0xffc7, F10), S(0xffc8, F11), S(0xffc9, F12),
    S(0xffe1, SHIFT), S(0xffe2, SHIFT_R), S(0xffe3, CTRL),
    S(0xffe4, CTRL_R), S(0xffe5, CAPS_LOCK), S(0xffe6, CAPS_LOCK),
    S(0xffe7, META_L), S(0xffe8, META_R), S(0xffe9, ALT), S(0xffea, ALT_R),
    S(0xffeb, META_L), S(0xffec, META_R), S(0xfe03, ALT_R),
    S(0xffff, DELETE),
    /* clang-format on */
};

static bool find_function(uint32_t sym, KeymapKey *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(function_keys); i++) {
        if (function_keys[i].sym == sym) {
            *out = (KeymapKey){ .code = function_keys[i].code };
            return true;
        }
    }
    return false;
}

/* ---- building ------------------------------------------------------------ */

/* Dead keys are kept by keysym, beyond all characters. */
#define DEAD_ID(sym) (0x40000000u + (sym))
#define SYM_DEAD_FIRST 0xfe50
#define SYM_DEAD_LAST  0xfe93

static void add_key(Keymap *km, uint32_t id, const KeymapKey *add)
{
    KeymapKey *have = g_hash_table_lookup(km->keys, GUINT_TO_POINTER(id));

    /* The one with fewer modifiers is what people press. */
    if (!have || (have->dead && !add->dead) ||
        (have->dead == add->dead && have->mods > add->mods)) {
        g_hash_table_insert(km->keys, GUINT_TO_POINTER(id),
                            g_memdup2(add, sizeof(*add)));
    }
}

static void add_char(Keymap *km, gunichar ch, QKeyCode code, unsigned mods,
                     bool letter)
{
    KeymapKey key = { .code = code, .mods = mods, .letter = letter };

    add_key(km, ch, &key);
}

/* The US keyboard, row by row: plain characters, then those with Shift. */
static void build_us(Keymap *km)
{
    static const struct {
        uint8_t first; /* set 1 code of the first key */
        const char *plain, *shifted;
    } rows[] = {
        { 0x02, "1234567890-=", "!@#$%^&*()_+" },
        { 0x10, "qwertyuiop[]", "QWERTYUIOP{}" },
        { 0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~" },
        { 0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?" },
        { 0x39, " ", " " },
    };

    for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
        for (int i = 0; rows[r].plain[i]; i++) {
            QKeyCode code = input_code_of(rows[r].first + i);
            char plain = rows[r].plain[i];
            bool letter = g_ascii_isalpha(plain);

            add_char(km, plain, code, 0, letter);
            add_char(km, rows[r].shifted[i], code, KEYMAP_SHIFT, letter);
        }
    }
}

#ifdef CONFIG_XKBCOMMON
/* Linux key codes (input-event-codes.h) that type: up to 83 they are set 1
 * codes; 86 is the key beside the left Shift, 89 and 124 the Japanese and
 * 121 the Brazilian ones. */
static QKeyCode code_of_evdev(unsigned n)
{
    if (n <= 0x53) {
        return input_code_of(n);
    }
    switch (n) {
    case 86:
        return Q_KEY_CODE_LESS;
    case 89:
        return Q_KEY_CODE_RO;
    case 121:
        return Q_KEY_CODE_KP_COMMA;
    case 124:
        return Q_KEY_CODE_YEN;
    default:
        return Q_KEY_CODE_UNMAPPED;
    }
}

static bool is_keypad(unsigned n)
{
    return n == 55 || (n >= 71 && n <= 83) || n == 121;
}

typedef struct XkbBuild {
    Keymap *km;
    xkb_mod_mask_t shift, altgr;
} XkbBuild;

/* The modifiers of a level as ours; false: it needs others (Caps Lock). */
static bool level_mods(const XkbBuild *b, struct xkb_keymap *map,
                       xkb_keycode_t key, xkb_level_index_t level,
                       unsigned *mods)
{
    xkb_mod_mask_t masks[16];
    size_t n = xkb_keymap_key_get_mods_for_level(map, key, 0, level, masks,
                                                 ARRAY_SIZE(masks));

    for (size_t i = 0; i < n; i++) {
        if (!(masks[i] & ~(b->shift | b->altgr))) {
            *mods = (masks[i] & b->shift ? KEYMAP_SHIFT : 0) |
                    (masks[i] & b->altgr ? KEYMAP_ALTGR : 0);
            return true;
        }
    }
    return false;
}

/* A dead key by itself, and with a space what it types then. */
static void add_dead(Keymap *km, uint32_t sym, QKeyCode code, unsigned mods)
{
    static const struct {
        uint32_t sym;
        gunichar ch;
    } spaced[] = {
        { XKB_KEY_dead_grave, '`' }, { XKB_KEY_dead_acute, '\'' },
        { XKB_KEY_dead_circumflex, '^' }, { XKB_KEY_dead_tilde, '~' },
        { XKB_KEY_dead_diaeresis, '"' },
    };
    KeymapKey key = { .code = code, .mods = mods };

    add_key(km, DEAD_ID(sym), &key);
    key.dead = true;
    for (size_t i = 0; i < ARRAY_SIZE(spaced); i++) {
        if (spaced[i].sym == sym) {
            add_key(km, spaced[i].ch, &key);
        }
    }
}

static void add_xkb_key(struct xkb_keymap *map, xkb_keycode_t key, void *opaque)
{
    XkbBuild *b = opaque;
    QKeyCode code = key >= 8 ? code_of_evdev(key - 8) : Q_KEY_CODE_UNMAPPED;

    if (code == Q_KEY_CODE_UNMAPPED || is_keypad(key - 8)) {
        return;
    }
    for (xkb_level_index_t level = 0;
         level < xkb_keymap_num_levels_for_key(map, key, 0); level++) {
        const xkb_keysym_t *syms;
        int n = xkb_keymap_key_get_syms_by_level(map, key, 0, level, &syms);
        gunichar ch = n == 1 ? xkb_keysym_to_utf32(syms[0]) : 0;
        unsigned mods;

        if (n == 1 && syms[0] >= SYM_DEAD_FIRST && syms[0] <= SYM_DEAD_LAST &&
            level_mods(b, map, key, level, &mods)) {
            add_dead(b->km, syms[0], code, mods);
        } else if (ch >= 0x20 && ch != 0x7f &&
                   level_mods(b, map, key, level, &mods)) {
            add_char(b->km, ch, code, mods, g_unichar_isalpha(ch));
        }
    }
}

typedef struct LayoutName {
    const char *name, *layout, *variant;
} LayoutName;

/* QEMU's names; NULL: the layout's name is the same. */
static const LayoutName layout_names[] = {
    { "ar", "ara" }, { "bepo", "fr", "bepo" }, { "cz" }, { "da", "dk" },
    { "de" }, { "de-ch", "ch" }, { "en-gb", "gb" }, { "en-us", "us" },
    { "es" }, { "et", "ee" }, { "fi" }, { "fo" }, { "fr", "fr", "nodeadkeys" },
    { "fr-be", "be" }, { "fr-ca", "ca" }, { "fr-ch", "ch", "fr" }, { "hr" },
    { "hu" }, { "is" }, { "it" }, { "ja", "jp" }, { "lt" }, { "lv" },
    { "mk" }, { "nl" }, { "no" }, { "pl" }, { "pt" }, { "pt-br", "br" },
    { "ru" }, { "sl", "si" }, { "sv", "se" }, { "th" }, { "tr" },
};

static bool build_xkb(Keymap *km, Error **errp)
{
    const LayoutName *ln = NULL;
    struct xkb_rule_names names = { .rules = "evdev", .model = "pc105" };
    struct xkb_context *ctx;
    struct xkb_keymap *map;
    XkbBuild b = { .km = km };

    for (size_t i = 0; i < ARRAY_SIZE(layout_names); i++) {
        if (!strcmp(layout_names[i].name, km->name)) {
            ln = &layout_names[i];
        }
    }
    if (!ln) {
        g_autoptr(GString) all = g_string_new(NULL);

        for (size_t i = 0; i < ARRAY_SIZE(layout_names); i++) {
            g_string_append_printf(all, "%s%s", i ? ", " : "",
                                   layout_names[i].name);
        }
        error_setg(errp, "there is no keyboard layout '%s'; there are %s",
                   km->name, all->str);
        return false;
    }
    names.layout = ln->layout ? ln->layout : ln->name;
    names.variant = ln->variant;
    ctx = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
    map = ctx ? xkb_keymap_new_from_names(ctx, &names,
                                          XKB_KEYMAP_COMPILE_NO_FLAGS)
              : NULL;
    if (!map) {
        xkb_context_unref(ctx);
        error_setg(errp, "libxkbcommon cannot make the keyboard layout '%s'; "
                   "is xkb-data installed?", km->name);
        return false;
    }
    b.shift = (xkb_mod_mask_t)1 << xkb_keymap_mod_get_index(map, "Shift");
    b.altgr = (xkb_mod_mask_t)1 << xkb_keymap_mod_get_index(map, "Mod5");
    xkb_keymap_key_for_each(map, add_xkb_key, &b);
    xkb_keymap_unref(map);
    xkb_context_unref(ctx);
    return true;
}
#else
static bool build_xkb(Keymap *km, Error **errp)
{
    error_setg(errp, "keyboard layout '%s': this build has no libxkbcommon, "
               "only en-us is there", km->name);
    return false;
}
#endif

static void keymap_free(void *opaque)
{
    Keymap *km = opaque;

    g_hash_table_unref(km->keys);
    g_free(km->name);
    g_free(km);
}

const Keymap *keymap_get(const char *name, Error **errp)
{
    Keymap *km;

    if (!loaded) {
        loaded = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                       keymap_free);
    }
    km = g_hash_table_lookup(loaded, name);
    if (km) {
        return km;
    }
    km = g_new0(Keymap, 1);
    km->name = g_strdup(name);
    km->keys = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    if (!strcmp(name, "en-us")) {
        build_us(km);
    } else if (!build_xkb(km, errp)) {
        keymap_free(km);
        return NULL;
    }
    g_hash_table_insert(loaded, km->name, km);
    return km;
}

/* ---- looking up ---------------------------------------------------------- */

/* Latin-1 keysyms are the characters; the rest of the first sets have tables,
 * which libxkbcommon knows. */
static gunichar char_of(uint32_t sym)
{
    if ((sym >= 0x20 && sym <= 0x7e) || (sym >= 0xa0 && sym <= 0xff)) {
        return sym;
    }
    if (sym >= 0x01000100 && sym <= 0x0110ffff) {
        return sym - 0x01000000;
    }
#ifdef CONFIG_XKBCOMMON
    return sym < 0xff00 ? xkb_keysym_to_utf32(sym) : 0;
#else
    return 0;
#endif
}

bool keymap_find_char(const Keymap *km, gunichar ch, KeymapKey *out)
{
    const KeymapKey *key;

    if (ch == '\n' || ch == '\r') {
        *out = (KeymapKey){ .code = Q_KEY_CODE_RET };
        return true;
    }
    if (ch == '\t') {
        *out = (KeymapKey){ .code = Q_KEY_CODE_TAB };
        return true;
    }
    key = g_hash_table_lookup(km->keys, GUINT_TO_POINTER(ch));
    if (!key) {
        return false;
    }
    *out = *key;
    return true;
}

bool keymap_find(const Keymap *km, uint32_t keysym, KeymapKey *out)
{
    gunichar ch = char_of(keysym);
    const KeymapKey *dead = NULL;

    if (keysym >= SYM_DEAD_FIRST && keysym <= SYM_DEAD_LAST) {
        dead = g_hash_table_lookup(km->keys,
                                   GUINT_TO_POINTER(DEAD_ID(keysym)));
    }
    if (dead) {
        *out = *dead;
        return true;
    }
    return (ch >= 0x20 && keymap_find_char(km, ch, out)) ||
           find_function(keysym, out);
}
