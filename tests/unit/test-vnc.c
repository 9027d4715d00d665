/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VNC clients say, and keyboard layouts. */
#include "osdep.h"
#include "ui/keymap.h"
#include "ui/vnc-int.h"

static int parse(const void *bytes, size_t len, VncMsg *m)
{
    /* Of its own size, so that a sanitizer sees a byte too many. */
    g_autofree uint8_t *copy = g_memdup2(bytes, len);

    return vnc_msg_parse(copy, len, m);
}

static void test_fixed(void)
{
    VncMsg m;

    g_assert_cmpint(parse("\4\1\0\0\0\0\xff\x0d", 8, &m), ==, 8);
    g_assert(m.type == VNC_MSG_KEY && m.key.down && m.key.keysym == 0xff0d &&
             m.key.code == 0);
    g_assert_cmpint(parse("\5\4\1\2\3\4", 6, &m), ==, 6);
    g_assert(m.type == VNC_MSG_POINTER && m.pointer.buttons == 4 &&
             m.pointer.x == 0x102 && m.pointer.y == 0x304);
    g_assert_cmpint(parse("\3\1\0\1\0\2\0\3\0\4", 10, &m), ==, 10);
    g_assert(m.type == VNC_MSG_UPDATE_REQUEST && m.request.incremental &&
             m.request.x == 1 && m.request.h == 4);
    g_assert_cmpint(parse("\xff\0\0\1\0\0\0\x61\0\0\0\x9d", 12, &m), ==, 12);
    g_assert(m.type == VNC_MSG_KEY && m.key.keysym == 'a' &&
             m.key.code == 0x9d);
    g_assert_cmpint(parse("\xff\0\0\1\0\0\0\x61\0\1\0\x9d", 12, &m), ==, 12);
    g_assert_cmpint(m.key.code, ==, 0);
    g_assert_cmpint(parse("\xfa\0\1\2", 4, &m), ==, 4);
    g_assert(m.type == VNC_MSG_XVP && m.xvp == 2);
    g_assert_cmpint(parse("\xfb\0\1\2\3\4\0\0", 8, &m), ==, 8);
    g_assert(m.type == VNC_MSG_SET_SIZE && m.size.w == 0x102);
}

/* Every message, cut anywhere, asks for more. */
static void test_cut_off(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } all[] = {
        { "\0\0\0\0\x20\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0", 20 },
        { "\2\0\0\2\0\0\0\7\xff\xff\xff\x11", 12 },
        { "\3\1\0\1\0\2\0\3\0\4", 10 },
        { "\4\1\0\0\0\0\xff\x0d", 8 },
        { "\5\4\1\2\3\4", 6 },
        { "\6\0\0\0\0\0\0\4text", 12 },
        { "\xfa\0\1\2", 4 },
        { "\xfb\0\1\2\3\4\1\0" "0123456789abcdef", 24 },
        { "\xff\0\0\1\0\0\0\x61\0\0\0\x9d", 12 },
        { "\xff\1\0\1", 4 },
        { "\xff\1\0\2\1\2\0\0\xac\x44", 10 },
    };
    VncMsg m;

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        for (size_t n = 0; n < all[i].len; n++) {
            g_assert_cmpint(parse(all[i].bytes, n, &m), ==, 0);
        }
        g_assert_cmpint(parse(all[i].bytes, all[i].len, &m), ==, all[i].len);
        g_assert_cmpint(m.skip, ==, 0);
    }
}

static void test_encodings(void)
{
    static const char bytes[] = "\2\0\0\12"
        "\0\0\0\1" "\0\0\0\5" "\0\0\0\7"    /* CopyRect, Hextile, Tight */
        "\xff\xff\xff\xe6" "\xff\xff\xff\x03" /* quality 6, compression 3 */
        "\xff\xff\xff\x21" "\xff\xff\xfe\xcc" /* DesktopSize, Extended */
        "\xff\xff\xfe\xfe" "\xff\xff\xfe\xff" "\xff\xff\xfe\xfb";
    VncMsg m;

    g_assert_cmpint(parse(bytes, 44, &m), ==, 44);
    g_assert(m.type == VNC_MSG_ENCODINGS);
    g_assert_cmpint(m.encodings.preferred, ==, 5);
    g_assert_cmpint(m.encodings.quality, ==, 6);
    g_assert_cmpint(m.encodings.compress, ==, 3);
    g_assert(m.encodings.resize && m.encodings.ext_resize &&
             m.encodings.ext_key && m.encodings.pointer_type &&
             m.encodings.leds && !m.encodings.xvp);
    g_assert_cmpint(parse("\2\0\0\0", 4, &m), ==, 4);
    g_assert_cmpint(m.encodings.preferred, ==, 0);
    g_assert_cmpint(m.encodings.quality, ==, -1);
}

static void test_refused(void)
{
    static const char *const formats[] = {
        "\0\0\0\0\x18\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0", /* 24 bpp */
        "\0\0\0\0\x20\x18\0\1\0\0\0\xff\0\xff\x10\x08\0\0\0\0",   /* no red */
        "\0\0\0\0\x20\x18\0\1\0\xff\0\xff\0\xff\x20\x08\0\0\0\0", /* shift */
        "\0\0\0\0\x20\x18\0\1\xff\xff\0\xff\0\xff\x18\x08\0\0\0\0",
        "\0\0\0\0\x10\x10\0\0\0\xff\0\xff\0\xff\x10\x08\0\0\0\0", /* map */
    };
    VncMsg m;

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        g_assert_cmpint(parse(formats[i], 20, &m), ==, -1);
    }
    g_assert_cmpint(parse("\1", 1, &m), ==, -1);
    g_assert_cmpint(parse("\7", 1, &m), ==, -1);
    g_assert_cmpint(parse("\xff\7", 2, &m), ==, -1);
    /* Extended clipboard: a length below 0, of the flags and the data. */
    g_assert_cmpint(parse("\6\0\0\0\xff\xff\xff\xfd", 8, &m), ==, -1);
    g_assert_cmpint(parse("\6\0\0\0\xff\xff\xff\xfc", 8, &m), ==, 0);
    g_assert_cmpint(parse("\6\0\0\0\xff\xff\xff\xfb\2\0\0\1x", 13, &m),
                    ==, 13);
    g_assert(m.type == VNC_MSG_CUT_TEXT && m.cut.extended &&
             m.cut.flags == 0x2000001 && m.cut.len == 1);
    g_assert_cmpint(parse("\6\0\0\0\x80\0\0\0", 8, &m), ==, 8);
    g_assert(m.type == VNC_MSG_IGNORE && m.skip == 0x80000000);
    /* Too long a text is skipped, not kept. */
    g_assert_cmpint(parse("\6\0\0\0\0\x10\0\1", 8, &m), ==, 8);
    g_assert(m.type == VNC_MSG_IGNORE && m.skip == 0x100001);
}

/* ---- layouts ---- */

static void check(const Keymap *km, uint32_t sym, QKeyCode code, unsigned mods)
{
    KeymapKey k = { 0 };

    g_assert(keymap_find(km, sym, &k));
    g_assert_cmpint(k.code, ==, code);
    g_assert_cmpint(k.mods, ==, mods);
}

static void test_us(void)
{
    const Keymap *km = keymap_get("en-us", NULL);
    KeymapKey k;

    for (gunichar c = 0x20; c < 0x7f; c++) {
        g_assert(keymap_find_char(km, c, &k));
    }
    check(km, '@', Q_KEY_CODE_2, KEYMAP_SHIFT);
    check(km, 'z', Q_KEY_CODE_Z, 0);
    check(km, 0xff52, Q_KEY_CODE_UP, 0);
    check(km, 0xffb5, Q_KEY_CODE_KP_5, 0);
    g_assert(!keymap_find(km, 0xe4, &k));
    g_assert(keymap_find_char(km, '\n', &k) && k.code == Q_KEY_CODE_RET);
}

static void test_others(void)
{
    static const char *const names[] = {
        "ar", "bepo", "cz", "da", "de", "de-ch", "en-gb", "es", "et", "fi",
        "fo", "fr", "fr-be", "fr-ca", "fr-ch", "hr", "hu", "is", "it", "ja",
        "lt", "lv", "mk", "nl", "no", "pl", "pt", "pt-br", "ru", "sl", "sv",
        "th", "tr",
    };
    Error *err = NULL;
    const Keymap *km = keymap_get("de", &err);

    if (!km) {
        g_test_skip(error_get_pretty(err));
        error_free(err);
        return;
    }
    check(km, '@', Q_KEY_CODE_Q, KEYMAP_ALTGR);
    check(km, 'z', Q_KEY_CODE_Y, 0);
    check(km, 'Y', Q_KEY_CODE_Z, KEYMAP_SHIFT);
    check(km, 0xe4, Q_KEY_CODE_APOSTROPHE, 0);
    check(km, '|', Q_KEY_CODE_LESS, KEYMAP_ALTGR);
    check(km, 0x010020ac, Q_KEY_CODE_E, KEYMAP_ALTGR); /* the euro sign */
    check(km, 0x20ac, Q_KEY_CODE_E, KEYMAP_ALTGR);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        KeymapKey k;

        km = keymap_get(names[i], &error_abort);
        g_assert(keymap_find_char(km, ' ', &k) && k.code == Q_KEY_CODE_SPC);
    }
    g_assert(!keymap_get("klingon", &err));
    g_assert(strstr(error_get_pretty(err), "'klingon'"));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vnc/fixed", test_fixed);
    g_test_add_func("/vnc/cut-off", test_cut_off);
    g_test_add_func("/vnc/encodings", test_encodings);
    g_test_add_func("/vnc/refused", test_refused);
    g_test_add_func("/keymap/us", test_us);
    g_test_add_func("/keymap/others", test_others);
    return g_test_run();
}
