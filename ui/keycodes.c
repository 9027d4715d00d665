/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key codes and PC set 1 scan codes (IBM PS/2 Technical Reference, keyboard
 * section; the multimedia keys from Microsoft's "Keyboard Scan Code
 * Specification", 2000).  E0 xx is written xx + 80h.
 */
#include "osdep.h"
#include "ui/input.h"

#define K(name, number) [Q_KEY_CODE_##name] = (number)

static const uint8_t numbers[Q_KEY_CODE__MAX] = {
    /* clang-format off */
    K(ESC, 0x01), K(1, 0x02), K(2, 0x03), K(3, 0x04), K(4, 0x05),
    K(5, 0x06), K(6, 0x07), K(7, 0x08), K(8, 0x09), K(9, 0x0a), K(0, 0x0b),
    K(MINUS, 0x0c), K(EQUAL, 0x0d), K(BACKSPACE, 0x0e), K(TAB, 0x0f),
    K(Q, 0x10), K(W, 0x11), K(E, 0x12), K(R, 0x13), K(T, 0x14), K(Y, 0x15),
    K(U, 0x16), K(I, 0x17), K(O, 0x18), K(P, 0x19),
    K(BRACKET_LEFT, 0x1a), K(BRACKET_RIGHT, 0x1b), K(RET, 0x1c),
    K(CTRL, 0x1d), K(A, 0x1e), K(S, 0x1f), K(D, 0x20), K(F, 0x21),
    K(G, 0x22), K(H, 0x23), K(J, 0x24), K(K, 0x25), K(L, 0x26),
    K(SEMICOLON, 0x27), K(APOSTROPHE, 0x28), K(GRAVE_ACCENT, 0x29),
    K(SHIFT, 0x2a), K(BACKSLASH, 0x2b), K(Z, 0x2c), K(X, 0x2d), K(C, 0x2e),
    K(V, 0x2f), K(B, 0x30), K(N, 0x31), K(M, 0x32), K(COMMA, 0x33),
    K(DOT, 0x34), K(SLASH, 0x35), K(SHIFT_R, 0x36),
    K(KP_MULTIPLY, 0x37), K(ASTERISK, 0x37), K(ALT, 0x38), K(SPC, 0x39),
    K(CAPS_LOCK, 0x3a), K(F1, 0x3b), K(F2, 0x3c), K(F3, 0x3d), K(F4, 0x3e),
    K(F5, 0x3f), K(F6, 0x40), K(F7, 0x41), K(F8, 0x42), K(F9, 0x43),
    K(F10, 0x44), K(NUM_LOCK, 0x45), K(SCROLL_LOCK, 0x46),
    K(KP_7, 0x47), K(KP_8, 0x48), K(KP_9, 0x49), K(KP_SUBTRACT, 0x4a),
    K(KP_4, 0x4b), K(KP_5, 0x4c), K(KP_6, 0x4d), K(KP_ADD, 0x4e),
    K(KP_1, 0x4f), K(KP_2, 0x50), K(KP_3, 0x51), K(KP_0, 0x52),
    K(KP_DECIMAL, 0x53), K(SYSRQ, 0x54), K(LESS, 0x56), K(F11, 0x57),
    K(F12, 0x58), K(KP_EQUALS, 0x59), K(LF, 0x5b), K(OPEN, 0x64),
    K(PASTE, 0x65), K(KATAKANAHIRAGANA, 0x70), K(LANG2, 0x71),
    K(LANG1, 0x72), K(RO, 0x73), K(HIRAGANA, 0x77), K(HENKAN, 0x79),
    K(MUHENKAN, 0x7b), K(YEN, 0x7d), K(KP_COMMA, 0x7e),

    K(AGAIN, 0x85), K(PROPS, 0x86), K(UNDO, 0x87), K(FRONT, 0x8c),
    K(AUDIOPREV, 0x90), K(AUDIONEXT, 0x99), K(KP_ENTER, 0x9c),
    K(CTRL_R, 0x9d), K(MENU, 0x9e), K(AUDIOMUTE, 0xa0), K(CALCULATOR, 0xa1),
    K(AUDIOPLAY, 0xa2), K(AUDIOSTOP, 0xa4), K(VOLUMEDOWN, 0xae),
    K(VOLUMEUP, 0xb0), K(AC_HOME, 0xb2), K(KP_DIVIDE, 0xb5), K(PRINT, 0xb7),
    K(ALT_R, 0xb8), K(CUT, 0xbc), K(FIND, 0xc1), K(PAUSE, 0xc6),
    K(HOME, 0xc7), K(UP, 0xc8), K(PGUP, 0xc9), K(LEFT, 0xcb),
    K(RIGHT, 0xcd), K(END, 0xcf), K(DOWN, 0xd0), K(PGDN, 0xd1),
    K(INSERT, 0xd2), K(DELETE, 0xd3), K(META_L, 0xdb), K(META_R, 0xdc),
    K(COMPOSE, 0xdd), K(POWER, 0xde), K(SLEEP, 0xdf), K(WAKE, 0xe3),
    K(AC_BOOKMARKS, 0xe6), K(AC_REFRESH, 0xe7), K(STOP, 0xe8),
    K(AC_FORWARD, 0xe9), K(AC_BACK, 0xea), K(COMPUTER, 0xeb), K(MAIL, 0xec),
    K(MEDIASELECT, 0xed), K(HELP, 0xf5), K(COPY, 0xf8),
    /* clang-format on */
};

unsigned input_number_of(QKeyCode code)
{
    return code < Q_KEY_CODE__MAX ? numbers[code] : 0;
}

QKeyCode input_code_of(unsigned number)
{
    /* ASTERISK and KP_MULTIPLY share one; the first found is the keypad's. */
    if (number == 0x37) {
        return Q_KEY_CODE_KP_MULTIPLY;
    }
    for (unsigned code = 0; number && code < Q_KEY_CODE__MAX; code++) {
        if (numbers[code] == number) {
            return code;
        }
    }
    return Q_KEY_CODE_UNMAPPED;
}
