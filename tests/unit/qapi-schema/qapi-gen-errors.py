# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad schemas: each is refused with one line that names the fault."""
import os
import subprocess
import sys
import tempfile

CASES = [
    ("{ 'enum': 'E', 'data': [ 'a' ] } $", "bad character '$'"),
    ("{ 'enum': 'E' 'data': [] }", 'expected ,'),
    ("{ 'enum': 'E', 'enum': 'F', 'data': [] }", "'enum' is there twice"),
    ("{ 'thing': 'E' }", 'not a definition'),
    ("{ 'enum': 'E', 'data': [], 'dta': 1 }", "unknown key {'dta'}"),
    ("{ 'enum': 'E', 'data': [] } { 'enum': 'E', 'data': [] }",
     'E is defined twice'),
    ("{ 'enum': 'int', 'data': [] }", 'int is defined twice'),
    ("{ 'struct': 'S', 'data': { 'a': 'Nope' } }", "no type 'Nope'"),
    ("{ 'command': 'c', 'data': 'str' }", 'c: data is no struct'),
    ("{ 'command': 'c', 'returns': 'Nope' }", "no type 'Nope'"),
    ("{ 'struct': 'S', 'data': { 'a': 'int' } }"
     "{ 'struct': 'T', 'base': 'S', 'data': { 'a': 'int' } }",
     'T: a member is there twice'),
    ("{ 'enum': 'E', 'data': [ 'a' ] } { 'struct': 'S', 'data': {} }"
     "{ 'union': 'U', 'base': { 'k': 'E' }, 'discriminator': 'k',"
     "  'data': { 'b': 'S' } }", 'U: bad branch b'),
    ("{ 'struct': 'S', 'data': {} }"
     "{ 'union': 'U', 'base': { 'k': 'str' }, 'discriminator': 'k',"
     "  'data': {} }", 'U: bad discriminator'),
    ("{ 'alternate': 'A', 'data': { 'a': 'int', 'b': 'size' } }",
     'b cannot be told from another branch'),
    ("{ 'include': 'missing.json' }", 'missing.json'),
]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as tmp:
        schema = os.path.join(tmp, 's.json')
        for text, want in CASES:
            with open(schema, 'w', encoding='utf-8') as f:
                f.write(text)
            r = subprocess.run([sys.executable, sys.argv[1], tmp, schema],
                               capture_output=True, text=True, check=False)
            lines = r.stderr.splitlines()
            if r.returncode != 1 or len(lines) != 1 or want not in lines[0]:
                failed += 1
                print(f'{text}\n  wanted {want!r}, got {r.stderr!r}')
    print(f'{len(CASES) - failed} passed, {failed} failed')
    return failed != 0


sys.exit(main())
