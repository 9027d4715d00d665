#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files as C arrays: embed.py FILE... > OUT; `console.js` is console_js."""
import os
import re
import sys

print('/* Made by scripts/embed.py. */\n#include "osdep.h"\n'
      '#include "ui/embed.h"')
for path in sys.argv[1:]:
    name = re.sub(r'\W', '_', os.path.basename(path))
    with open(path, 'rb') as f:
        data = f.read()
    print(f'const unsigned char {name}[] = {{')
    for i in range(0, len(data), 16):
        print(''.join(f'{b},' for b in data[i:i + 16]))
    print(f'}};\nconst size_t {name}_len = {len(data)};')
