#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""gen-man.py options.def > qemu-kvm.1: the manual page from the table."""
import re
import sys

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Macro -> positions of form and help among its arguments; -1: none.
KINDS = {"FLAG": (-1, 1), "STR": (1, 2), "TEXT": (1, 2), "DICT": (1, 2),
         "JSON": (1, 2), "MERGE": (1, 2), "MPROP": (1, 2), "CALL": (1, 2)}


def rows(text):
    """Yields (macro, [argument, ...]); strings joined, NULL as None."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    pos = 0
    while True:
        m = re.compile(r"\b([A-Z]+)\(").search(text, pos)
        if not m:
            return
        pos = m.end()
        args, parts, bare = [], [], ""
        while True:
            s = STRING.match(text, pos)
            if s:
                parts.append(s.group(1).encode().decode("unicode_escape"))
                pos = s.end()
                continue
            c = text[pos]
            pos += 1
            if c in ",)":
                bare = bare.strip()
                args.append("".join(parts) if parts
                            else None if bare == "NULL" else bare)
                parts, bare = [], ""
                if c == ")":
                    break
            else:
                bare += c
        yield m.group(1), args


def roff(text):
    return text.replace("\\", "\\\\").replace("-", "\\-").replace("\n", " ")


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        table = list(rows(f.read()))
    print('.TH QEMU-KVM 1\n.SH NAME\nqemu\\-kvm \\- PC emulator\n'
          '.SH SYNOPSIS\n.B qemu\\-kvm\n[option]... [disk image]\n'
          '.SH DESCRIPTION\nRuns a PC: with KVM where the host has it, with a '
          'CPU in software elsewhere.\nWhen no accelerator is asked for, a '
          'program name that ends in kvm means kvm:tcg, any other tcg.\n'
          'An option may begin with one dash or two. A comma in a value is '
          'written twice.\n.SH OPTIONS')
    for macro, args in table:
        if macro == "SECTION":
            print(".SS " + roff(args[0]))
        elif macro in KINDS:
            form, help_ = KINDS[macro]
            if not args[help_]:
                continue
            print(".TP\n.B \\-" + roff(args[0]) +
                  (" " + roff(args[form]) if form > 0 and args[form] else ""))
            print(roff(args[help_]))
    print(".SS Not supported")
    for macro, args in table:
        if macro in ("LATER", "NEVER"):
            why = args[2] + (": not in this version" if macro == "LATER"
                             else "")
            print(".TP\n.B \\-" + roff(args[0]) + "\n" + roff(why))


if __name__ == "__main__":
    main()
