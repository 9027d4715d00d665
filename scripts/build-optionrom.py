#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Assembles an option ROM: build-optionrom.py SOURCE OUTPUT CC...

The image is padded to the size its third byte states (512-byte units), and
the Plug and Play header and the whole image get their checksums.
"""
import os
import subprocess
import sys
import tempfile

source, output, cc = sys.argv[1], sys.argv[2], sys.argv[3:]
with tempfile.TemporaryDirectory() as tmp:
    obj, elf, raw = (os.path.join(tmp, n) for n in ('o', 'elf', 'bin'))
    subprocess.run(cc + ['-m32', '-c', '-x', 'assembler-with-cpp', source,
                         '-o', obj], check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext', '0', '-e', '_start',
                    '-o', elf, obj], check=True)
    subprocess.run(['objcopy', '-O', 'binary', '-j', '.text', elf, raw],
                   check=True)
    with open(raw, 'rb') as f:
        image = bytearray(f.read())

size = image[2] * 512
if len(image) > size:
    sys.exit(f'{source}: {len(image)} bytes, its header says {size}')
image += bytes(size - len(image))
pnp = image[0x1a] | image[0x1b] << 8
image[pnp + 9] = -sum(image[pnp:pnp + image[pnp + 5] * 16]) & 0xff
image[size - 1] = -sum(image[:size - 1]) & 0xff
with open(output, 'wb') as f:
    f.write(image)
