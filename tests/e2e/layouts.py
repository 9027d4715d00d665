# SPDX-License-Identifier: GPL-2.0-or-later
"""What the keys of two layouts type; for tests that type."""

# What the keys of a PC type, by set 1 code: plain, Shift, AltGr.
US = {}
for first, plain, shifted in ((2, '1234567890-=', '!@#$%^&*()_+'),
                              (16, 'qwertyuiop[]', 'QWERTYUIOP{}'),
                              (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
                              (43, '\\zxcvbnm,./', '|ZXCVBNM<>?'),
                              (57, ' ', ' ')):
    for i, (a, b) in enumerate(zip(plain, shifted)):
        US[first + i] = (a, b, '')
DE = {}
for first, plain, shifted, altgr in (
        (2, '1234567890ß', '!"§$%&/()=?', '_____' + '_{[]}\\'),
        (16, 'qwertzuiopü+', 'QWERTZUIOPÜ*', '@' + '_' * 10 + '~'),
        (30, 'asdfghjklöä', 'ASDFGHJKLÖÄ', '_' * 11),
        (43, '#yxcvbnm,.-', "'YXCVBNM;:_", '_' * 11),
        (86, '<', '>', '|'), (57, ' ', ' ', '_')):
    for i, (a, b, c) in enumerate(zip(plain, shifted, altgr)):
        DE[first + i] = (a, b, c if c != '_' else '')
# Dead keys, by code and level: they wait for a space.
DE[41] = ('^', '°', '')
DE[13] = ('´', '`', '')
DE_DEAD = {(41, 0), (13, 0), (13, 1)}
PRINTABLE = ''.join(chr(i) for i in range(0x20, 0x7f))
