#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns the QMP schema into C: types, events, command dispatch, introspection.

usage: qapi-gen.py OUTDIR SCHEMA.json [--depfile FILE]

docs/monitor.md describes the schema language.  The generated code is const
tables that qapi/visit.c walks, so that nothing runs at start-up.
"""
import argparse
import json
import os
import re
import sys

BUILTINS = {
    # name: (C type, kind, width, signed, JSON type)
    'str': ('char *', 'STR', 8, 0, 'string'),
    'int': ('int64_t ', 'INT', 8, 1, 'int'),
    'int8': ('int8_t ', 'INT', 1, 1, 'int'),
    'int16': ('int16_t ', 'INT', 2, 1, 'int'),
    'int32': ('int32_t ', 'INT', 4, 1, 'int'),
    'int64': ('int64_t ', 'INT', 8, 1, 'int'),
    'uint8': ('uint8_t ', 'INT', 1, 0, 'int'),
    'uint16': ('uint16_t ', 'INT', 2, 0, 'int'),
    'uint32': ('uint32_t ', 'INT', 4, 0, 'int'),
    'uint64': ('uint64_t ', 'INT', 8, 0, 'int'),
    'size': ('uint64_t ', 'SIZE', 8, 0, 'int'),
    'number': ('double ', 'NUMBER', 8, 1, 'number'),
    'bool': ('bool ', 'BOOL', 1, 0, 'boolean'),
    'null': ('QObject *', 'NULL', 8, 0, 'null'),
    'any': ('QObject *', 'ANY', 8, 0, 'value'),
}
SCALARS = {'INT', 'SIZE', 'NUMBER', 'BOOL', 'ENUM'}
# C keywords, and what GNU C defines as macros.
RESERVED = set('''auto break case char const continue default do double else
enum extern float for goto if inline int long register restrict return short
signed sizeof static struct switch typedef union unsigned void volatile while
linux unix bool true false errno typeof asm'''.split())
HEAD = '''/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made by scripts/qapi-gen.py from qapi/: do not edit. */
'''


class SchemaError(Exception):
    pass


# ---- Reading -------------------------------------------------------------

TOKEN = re.compile(r'''\s+ | \#[^\n]* | (?P<punct>[{}\[\]:,])
    | '(?P<sq>[^'\n]*)' | "(?P<dq>[^"\n]*)" | (?P<word>true|false)
    | (?P<num>-?\d+)''', re.X)


def tokens(text, name):
    pos, line = 0, 1
    while pos < len(text):
        m = TOKEN.match(text, pos)
        if not m:
            raise SchemaError(f'{name}:{line}: bad character {text[pos]!r}')
        where = f'{name}:{line}'
        line += m.group(0).count('\n')
        pos = m.end()
        kind = m.lastgroup
        if kind == 'punct':
            yield m.group(0), None, where
        elif kind in ('sq', 'dq'):
            yield 'value', m.group(kind), where
        elif kind == 'word':
            yield 'value', m.group(0) == 'true', where
        elif kind == 'num':
            yield 'value', int(m.group(0)), where
    yield 'end', None, f'{name}:{line}'


class Reader:
    def __init__(self, path):
        with open(path, encoding='utf-8') as f:
            self.tok = tokens(f.read(), path)
        self.step()

    def step(self):
        self.kind, self.val, self.where = next(self.tok)

    def expect(self, kind):
        if self.kind != kind:
            raise SchemaError(f'{self.where}: expected {kind}')
        val = self.val
        self.step()
        return val

    def value(self):
        if self.kind == 'value':
            return self.expect('value')
        if self.kind == '[':
            out = []
            self.step()
            while self.kind != ']':
                out.append(self.value())
                if self.kind != ']':
                    self.expect(',')
            self.step()
            return out
        out = {}
        self.expect('{')
        while self.kind != '}':
            where = self.where
            key = self.expect('value')
            self.expect(':')
            if key in out:
                raise SchemaError(f'{where}: {key!r} is there twice')
            out[key] = self.value()
            if self.kind != '}':
                self.expect(',')
        self.step()
        return out


def load(path, seen, out):
    """Appends the (expression, place) pairs of @path and its includes."""
    path = os.path.normpath(path)
    if path in seen:
        return
    seen.append(path)
    r = Reader(path)
    while r.kind != 'end':
        where = r.where
        e = r.value()
        if 'include' in e:
            load(os.path.join(os.path.dirname(path), e['include']), seen, out)
        else:
            out.append((e, where))


# ---- Names ---------------------------------------------------------------

def c_name(name):
    c = re.sub(r'[^A-Za-z0-9_]', '_', name)
    if c in RESERVED or c[0].isdigit():
        return 'q_' + c
    return c


def upper(name):
    """BlockdevOnError -> BLOCKDEV_ON_ERROR"""
    s = re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', name)
    return re.sub(r'[^A-Za-z0-9]', '_', s).upper()


def feature_names(feats):
    return [f['name'] if isinstance(f, dict) else f for f in feats]


def wrap(text, indent='    '):
    """Breaks an argument list so that generated headers can be read."""
    out, line = [], ''
    for word in text.split(', '):
        if line and len(line) + len(word) > 70:
            out.append(line + ',')
            line = indent + word
        else:
            line = f'{line}, {word}' if line else word
    return '\n'.join(out + [line])


# ---- The model -----------------------------------------------------------

class Member:
    def __init__(self, name, spec, schema, where):
        self.optional = name.startswith('*')
        self.name = name.lstrip('*')
        self.c = c_name(self.name)
        self.features = []
        if isinstance(spec, dict):
            self.features = feature_names(spec.get('features', []))
            spec = spec['type']
        self.spec, self.where, self.schema = spec, where, schema

    @property
    def type(self):
        return self.schema.ref(self.spec, self.where)

    @property
    def has(self):
        """Has a has_x beside it (lists too: empty is not absent)."""
        return self.optional and (self.type.kind in SCALARS
                                  or self.type.kind == 'LIST')


class Type:
    """Builtin, enum, list, struct (also: union) or alternate."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.c = c_name(name)
        self.features = []

    @property
    def scalar(self):
        return self.kind in SCALARS

    @property
    def ctype(self):
        if self.name in BUILTINS:
            return BUILTINS[self.name][0]
        return self.c + (' ' if self.kind == 'ENUM' else ' *')

    @property
    def var(self):
        return 'qapi_type_' + re.sub(r'\W', '_', self.name)


class Schema:
    KINDS = {'enum', 'struct', 'union', 'alternate', 'command', 'event'}
    KEYS = {
        'enum': {'data', 'prefix', 'features', 'header'},
        'struct': {'data', 'base', 'features'},
        'union': {'base', 'discriminator', 'data', 'features'},
        'alternate': {'data', 'features'},
        'command': {'data', 'returns', 'features', 'allow-oob', 'boxed',
                    'allow-preconfig', 'gen', 'coroutine'},
        'event': {'data', 'features', 'boxed'},
    }

    def __init__(self, exprs):
        self.types, self.commands, self.events = {}, [], []
        for name, b in BUILTINS.items():
            self.types[name] = Type(name, b[1])
        for name in BUILTINS:
            self.ref([name], 'builtin')
        names = set()
        for e, where in exprs:
            kind = next((k for k in self.KINDS if k in e), None)
            if not kind:
                raise SchemaError(f'{where}: not a definition: {list(e)}')
            name = e[kind]
            bad = set(e) - self.KEYS[kind] - {kind}
            if bad:
                raise SchemaError(f'{where}: {name}: unknown key {bad}')
            if (kind, name) in names or name in self.types:
                raise SchemaError(f'{where}: {name} is defined twice')
            names.add((kind, name))
            getattr(self, 'add_' + kind)(name, e, where)
        for t in list(self.types.values()):
            if t.kind == 'STRUCT':
                self.finish_struct(t)
            elif t.kind == 'ALTERNATE':
                self.finish_alternate(t)
        for x in self.commands + self.events:
            self.finish_call(x)
        self.commands.sort(key=lambda c: c.name)
        self.events.sort(key=lambda c: c.name)

    def ref(self, spec, where):
        if isinstance(spec, list):
            elem = self.ref(spec[0], where)
            name = elem.name + 'List'
            if name not in self.types:
                t = self.types[name] = Type(name, 'LIST')
                t.elem = elem
            return self.types[name]
        if spec not in self.types:
            raise SchemaError(f'{where}: no type {spec!r}')
        return self.types[spec]

    def members(self, data, where):
        return [Member(k, v, self, where) for k, v in data.items()]

    def add_enum(self, name, e, where):
        t = self.types[name] = Type(name, 'ENUM')
        t.values = feature_names(e['data'])
        t.prefix = e.get('prefix') or upper(name)
        t.header = e.get('header')
        t.features = feature_names(e.get('features', []))

    def add_struct(self, name, e, where):
        t = self.types[name] = Type(name, 'STRUCT')
        t.base, t.where, t.tag = e.get('base'), where, None
        t.own = self.members(e['data'], where)
        t.features = feature_names(e.get('features', []))
        t.done = False
        return t

    def add_union(self, name, e, where):
        base = e['base']
        if isinstance(base, dict):
            t = self.add_struct(name, {'data': base}, where)
        else:
            t = self.add_struct(name, {'data': {}, 'base': base}, where)
        t.tag, t.branches = e['discriminator'], e['data']
        t.features = feature_names(e.get('features', []))

    def add_alternate(self, name, e, where):
        t = self.types[name] = Type(name, 'ALTERNATE')
        t.own, t.where = self.members(e['data'], where), where
        t.features = feature_names(e.get('features', []))

    def add_call(self, name, e, where):
        x = Call()
        x.name, x.where, x.c = name, where, c_name(name).lower()
        x.data, x.ret = e.get('data', {}), e.get('returns')
        x.features = feature_names(e.get('features', []))
        x.boxed, x.gen = e.get('boxed', False), e.get('gen', True)
        x.oob = e.get('allow-oob', False)
        x.preconfig = e.get('allow-preconfig', False)
        return x

    def add_command(self, name, e, where):
        self.commands.append(self.add_call(name, e, where))

    def add_event(self, name, e, where):
        self.events.append(self.add_call(name, e, where))

    def finish_struct(self, t):
        if t.done:
            return
        t.done = True
        t.all = list(t.own)
        if t.base:
            base = self.ref(t.base, t.where)
            if base.kind != 'STRUCT' or base.tag:
                raise SchemaError(f'{t.where}: {t.name}: bad base')
            self.finish_struct(base)
            t.all = base.all + t.own
        seen = [m.name for m in t.all]
        if len(set(seen)) != len(seen):
            raise SchemaError(f'{t.where}: {t.name}: a member is there twice')
        for m in t.all:
            m.type  # makes the list types that are mentioned only here
        if t.tag:
            tag = next((m for m in t.all if m.name == t.tag), None)
            if not tag or tag.type.kind != 'ENUM' or tag.optional:
                raise SchemaError(f'{t.where}: {t.name}: bad discriminator')
            t.tag_member = tag
            t.variants = {}
            for k, v in t.branches.items():
                v = self.ref(v['type'] if isinstance(v, dict) else v, t.where)
                if k not in tag.type.values or v.kind != 'STRUCT':
                    raise SchemaError(f'{t.where}: {t.name}: bad branch {k}')
                self.finish_struct(v)
                if {m.name for m in v.all} & set(seen):
                    raise SchemaError(f'{t.where}: {t.name}: branch {k} has '
                                      'a member of the base')
                t.variants[k] = v

    def finish_alternate(self, t):
        used = set()
        for m in t.own:
            q = qtype(m.type)
            if not q or q in used:
                raise SchemaError(f'{t.where}: {t.name}: {m.name} cannot be '
                                  'told from another branch')
            used.add(q)

    def finish_call(self, x):
        where = x.where
        x.ret_type = self.ref(x.ret, where) if x.ret else None
        if isinstance(x.data, str):
            x.arg = self.ref(x.data, where)
            if x.arg.kind != 'STRUCT':
                raise SchemaError(f'{where}: {x.name}: data is no struct')
            if x.arg.tag and not x.boxed and x.gen:
                raise SchemaError(f'{where}: {x.name}: a union must be boxed')
        elif x.data:
            x.arg = self.add_struct(f'q_obj_{x.name}-arg', {'data': x.data},
                                    where)
            self.finish_struct(x.arg)
        else:
            x.arg = None


class Call:
    def params(self):
        """(C type, name) pairs of the unboxed arguments."""
        out = []
        for m in self.arg.all if self.arg else []:
            if m.has and m.type.kind != 'LIST':
                out.append(('bool ', 'has_' + m.c, m))
            const = 'const ' if m.type.name == 'str' else ''
            out.append((const + m.type.ctype, m.c, m))
        return out

    def handler(self):
        if not self.gen:
            return f'QObject *qmp_{self.c}(QObject *args, Error **errp)'
        if self.boxed:
            args = [f'{self.arg.ctype}arg']
        else:
            args = [t + n for t, n, _ in self.params()]
        ret = self.ret_type.ctype if self.ret_type else 'void '
        return f'{ret}qmp_{self.c}({", ".join(args + ["Error **errp"])})'

    def sender(self):
        if self.boxed:
            args = f'const {self.arg.ctype}arg'
        else:
            args = ', '.join(
                ('const ' if t.endswith('*') and not t.startswith('const')
                 else '') + t + n for t, n, _ in self.params())
        return f'void qapi_event_send_{self.c}({args or "void"})'


def qtype(t):
    return {'STR': 'STRING', 'ENUM': 'STRING', 'INT': 'INT', 'SIZE': 'INT',
            'NUMBER': 'FLOAT', 'BOOL': 'BOOL', 'NULL': 'NULL',
            'LIST': 'LIST', 'STRUCT': 'DICT'}.get(t.kind)


# ---- Types ---------------------------------------------------------------

def ordered(types):
    """Structs after those that they embed (as a branch of a union)."""
    out, state = [], {}

    def visit(t):
        if state.get(t.name) == 2:
            return
        if state.get(t.name) == 1:
            raise SchemaError(f'{t.where}: {t.name} contains itself')
        state[t.name] = 1
        if t.kind == 'STRUCT' and t.tag:
            for v in t.variants.values():
                visit(v)
        if t.kind == 'ALTERNATE':
            for m in t.own:
                if m.type.kind == 'STRUCT':
                    visit(m.type)
        state[t.name] = 2
        out.append(t)

    for t in types:
        if t.kind in ('STRUCT', 'ALTERNATE'):
            visit(t)
    return out


def gen_types_h(s, out):
    types = [t for t in s.types.values() if t.name not in BUILTINS]
    p = out.append
    p(HEAD + '#ifndef QAPI_TYPES_H\n#define QAPI_TYPES_H\n')
    p('#include "qapi/visit.h"')
    for h in sorted({t.header for t in types if t.kind == 'ENUM' and t.header}):
        p(f'#include "{h}"')
    p('')
    for t in types:
        if t.kind != 'ENUM':
            continue
        if t.header:
            for i, v in enumerate(t.values):
                p(f'_Static_assert({t.prefix}_{upper(v)} == {i}, '
                  f'"{t.header} and the schema");')
            p(f'#define {t.prefix}__MAX {len(t.values)}')
        else:
            p('typedef enum %s {' % t.c)
            for v in t.values:
                p('    %s_%s,' % (t.prefix, upper(v)))
            p('    %s__MAX' % t.prefix)
            p('} %s;' % t.c)
        p('extern const QapiType %s;' % t.var)
        p('extern const char *const %s_names[]; /* NULL ends it */' % t.c)
        p(f'static inline const char *{t.c}_str({t.c} v)\n{{\n'
          f'    return qapi_enum_str(&{t.var}, v);\n}}')
        p('/* False and an error that names the valid ones if it is none. */')
        p(f'static inline bool {t.c}_parse(const char *name, const char *s,\n'
          f'    {t.c} *v, Error **errp)\n{{\n    int n;\n\n'
          f'    if (!qapi_enum_parse(&{t.var}, name, s, &n, errp)) {{\n'
          f'        return false;\n    }}\n'
          f'    *v = ({t.c})n;\n    return true;\n}}\n')
    for t in types:
        if t.kind != 'ENUM':
            p(f'typedef struct {t.c} {t.c};')
    p('')
    for t in types:
        if t.kind == 'LIST':
            p(f'struct {t.c} {{\n    {t.c} *next;\n'
              f'    {t.elem.ctype}value;\n}};')
    p('')
    for t in ordered(types):
        p(f'struct {t.c} {{')
        if t.kind == 'ALTERNATE':
            p('    QType type;\n    union {')
            for m in t.own:
                star = m.type.c + ' ' if m.type.kind == 'STRUCT' \
                    else m.type.ctype
                p(f'        {star}{m.c};')
            p('    } u;')
        else:
            for m in t.all:
                if m.has:
                    p(f'    bool has_{m.c};')
                p(f'    {m.type.ctype}{m.c};')
            if t.tag and t.variants:
                p(f'    union {{ /* by @{t.tag_member.c} */')
                for k, v in t.variants.items():
                    if v.all:
                        p(f'        {v.c} {c_name(k)};')
                p('        char unused_;\n    } u;')
            elif not t.all:
                p('    char unused_;')
        p('};\n')
    for t in types:
        if t.kind == 'ENUM':
            continue
        p(f'extern const QapiType {t.var};')
        p(f'static inline void qapi_free_{t.c}({t.c} *v)\n{{\n'
          f'    qapi_free(&{t.var}, v);\n}}')
        p(f'G_DEFINE_AUTOPTR_CLEANUP_FUNC({t.c}, qapi_free_{t.c})')
        p(f'static inline QObject *qapi_{t.c}_to_qobject(const {t.c} *v)\n'
          f'{{\n    return qapi_to_qobject(&{t.var}, v);\n}}')
        p(f'static inline {t.c} *qapi_{t.c}_from_qobject(QObject *q,\n'
          f'    Error **errp)\n'
          f'{{\n    return qapi_from_qobject(&{t.var}, q, errp);\n}}')
        p(f'static inline {t.c} *qapi_{t.c}_from_keyval(QObject *q,\n'
          f'    Error **errp)\n'
          f'{{\n    return qapi_from_keyval(&{t.var}, q, errp);\n}}\n')
    p('#endif')


def gen_type_table(t, p):
    if t.kind == 'ENUM':
        p(f'const char *const {t.c}_names[] = {{')
        for v in t.values:
            p(f'    "{v}",')
        p('    NULL\n};')
        p(f'const QapiType {t.var} = {{\n    .name = "{t.name}", '
          f'.kind = QAPI_ENUM, .size = sizeof({t.c}),\n'
          f'    .values = {t.c}_names, .n = {len(t.values)},\n}};\n')
    elif t.kind == 'LIST':
        p(f'const QapiType {t.var} = {{\n    .name = "{t.name}", '
          f'.kind = QAPI_LIST, .size = sizeof(void *),\n'
          f'    .element = &{t.elem.var},\n}};\n')
    elif t.kind in ('STRUCT', 'ALTERNATE'):
        members = t.all if t.kind == 'STRUCT' else t.own
        if members:
            p(f'static const QapiMember members_{t.c}[] = {{')
            for m in members:
                where = ('u.' if t.kind == 'ALTERNATE' else '') + m.c
                has = f'offsetof({t.c}, has_{m.c})' if m.has else '-1'
                p(f'    {{ "{m.name}", &{m.type.var},\n'
                  f'      offsetof({t.c}, {where}), {has}, '
                  f'{"true" if m.optional else "false"} }},')
            p('};')
        extra = ''
        if t.kind == 'STRUCT' and t.tag:
            p(f'static const QapiType *const variants_{t.c}[] = {{')
            for k, v in t.variants.items():
                if v.all:
                    p(f'    [{t.tag_member.type.prefix}_{upper(k)}] = '
                      f'&{v.var},')
            p(f'    [{t.tag_member.type.prefix}__MAX] = NULL,\n}};')
            extra = (f'    .tag = {t.all.index(t.tag_member)}, '
                     f'.variants = variants_{t.c},\n')
            if t.variants:
                extra += f'    .u = offsetof({t.c}, u),\n'
        p(f'const QapiType {t.var} = {{\n    .name = "{t.name}", '
          f'.kind = QAPI_{t.kind}, .size = sizeof({t.c}),')
        if members:
            p(f'    .members = members_{t.c}, .n = {len(members)},')
        p(extra + '};\n')


def gen_types_c(s, out):
    p = out.append
    p(HEAD + '#include "osdep.h"\n#include "qapi-types.h"\n')
    for t in s.types.values():
        if t.name not in BUILTINS:
            gen_type_table(t, p)


# ---- Events --------------------------------------------------------------

def gen_events_h(s, out):
    p = out.append
    p(HEAD + '#ifndef QAPI_EVENTS_H\n#define QAPI_EVENTS_H\n')
    p('#include "qapi-types.h"\n')
    p('typedef enum QAPIEvent {')
    for e in s.events:
        p(f'    QAPI_EVENT_{upper(e.name)},')
    p('    QAPI_EVENT__MAX\n} QAPIEvent;')
    p('extern const char *const QAPIEvent_names[];\n')
    p('/* Gets each event that is sent; NULL (tools, tests): nobody listens.\n'
      ' * @data: borrowed, NULL when the event has none. */')
    p('extern void (*qapi_event_sink)(QAPIEvent event, QObject *data);\n')
    p('/* Any thread that holds the BQL. */')
    for e in s.events:
        p(wrap(e.sender() + ';'))
    p('\n#endif')


def gen_events_c(s, out):
    p = out.append
    p(HEAD + '#include "osdep.h"\n#include "qapi-events.h"\n')
    p('void (*qapi_event_sink)(QAPIEvent event, QObject *data);\n')
    p('const char *const QAPIEvent_names[] = {')
    for e in s.events:
        p(f'    "{e.name}",')
    p('    NULL\n};\n')
    for e in s.events:
        p(wrap(e.sender()) + '\n{')
        p('    if (qapi_event_sink) {')
        if not e.arg:
            p(f'        qapi_event_sink(QAPI_EVENT_{upper(e.name)}, NULL);')
        else:
            ref = 'arg'
            if not e.boxed:
                ref = '&arg'
                p(f'        {e.arg.c} arg = {{')
                for t, n, m in e.params():
                    cast = ''
                    if t.endswith('*'):
                        cast = f'({m.type.ctype.strip()})'
                    p(f'            .{n} = {cast}{n},')
                p('        };')
            p(f'        g_autoptr(QObject) data =\n'
              f'            qapi_to_qobject(&{e.arg.var}, {ref});\n')
            p(f'        qapi_event_sink(QAPI_EVENT_{upper(e.name)}, data);')
        p('    }\n}\n')


# ---- Commands ------------------------------------------------------------

def gen_commands_h(s, out):
    p = out.append
    p(HEAD + '#ifndef QAPI_COMMANDS_H\n#define QAPI_COMMANDS_H\n')
    p('#include "qapi-types.h"\n')
    for c in s.commands:
        p(wrap(c.handler() + ';'))
    p('''
typedef struct QapiCommand {
    const char *name;
    const QapiType *arg;   /* NULL: takes no arguments */
    bool gen;              /* false: run() gets the arguments as they are */
    bool oob;              /* may be run by exec-oob */
    bool preconfig;        /* may be run before the machine is made */
    /* @arg: a struct of the type .arg, or the QObject (borrowed).  Returns a
     * new reference, or NULL: nothing to return, or an error. */
    QObject *(*run)(void *arg, Error **errp);
} QapiCommand;

/* In the order of names. */
extern const QapiCommand qapi_commands[];
extern const int qapi_command_count;
/* What query-qmp-schema returns, as JSON text. */
extern const char qapi_schema_json[];
''')
    p('#endif')


def gen_marshal(c, p):
    p(f'static QObject *run_{c.c}(void *opaque, Error **errp)\n{{')
    if not c.gen:
        p(f'    return qmp_{c.c}(opaque, errp);\n}}\n')
        return
    if c.boxed:
        args = ['opaque']
    else:
        if c.arg:
            p(f'    {c.arg.c} *arg = opaque;')
        args = ['arg->' + n for _, n, _ in c.params()]
    if not c.ret_type:
        p('\n    ' + wrap(f'qmp_{c.c}({", ".join(args + ["errp"])});',
                        '        '))
        p('    return NULL;\n}\n')
        return
    p('    Error *err = NULL;')
    p(f'    QObject *q;')
    p(f'    {c.ret_type.ctype}ret =')
    p('        ' + wrap(f'qmp_{c.c}({", ".join(args + ["&err"])});',
                      '            '))
    p('\n    if (err) {\n        error_propagate(errp, err);\n'
      '        return NULL;\n    }')
    slot = '&ret' if c.ret_type.kind in SCALARS | {'STR', 'ANY', 'NULL'} \
        else 'ret'
    p(f'    q = qapi_to_qobject(&{c.ret_type.var}, {slot});')
    if c.ret_type.kind == 'STR':
        p('    g_free(ret);')
    elif c.ret_type.kind in ('ANY', 'NULL'):
        p('    qobject_unref(ret);')
    elif c.ret_type.kind not in SCALARS:
        p(f'    qapi_free_{c.ret_type.c}(ret);')
    p('    return q;\n}\n')


def gen_commands_c(s, out):
    p = out.append
    p(HEAD + '#include "osdep.h"\n#include "qapi-commands.h"\n')
    for c in s.commands:
        gen_marshal(c, p)
    p('const QapiCommand qapi_commands[] = {')
    for c in s.commands:
        arg = f'&{c.arg.var}' if c.arg and c.gen else 'NULL'
        b = ', '.join('true' if x else 'false'
                      for x in (c.gen, c.oob, c.preconfig))
        p(f'    {{ "{c.name}", {arg}, {b},\n      run_{c.c} }},')
    p('};\n')
    p('const int qapi_command_count = ARRAY_SIZE(qapi_commands);')


# ---- Introspection -------------------------------------------------------

class Introspection:
    """The wire's view: names of types mean nothing there, so that they are
    numbers; all integer types are one."""

    def __init__(self, s):
        self.names, self.out, self.s = {}, [], s
        for c in s.commands:
            e = {'name': c.name, 'meta-type': 'command',
                 'arg-type': self.struct_ref(c.arg),
                 'ret-type': self.ref(c.ret_type) if c.ret_type
                 else self.struct_ref(None)}
            if c.oob:
                e['allow-oob'] = True
            if c.features:
                e['features'] = c.features
            self.out.append(e)
        for v in s.events:
            e = {'name': v.name, 'meta-type': 'event',
                 'arg-type': self.struct_ref(v.arg)}
            if v.features:
                e['features'] = v.features
            self.out.append(e)

    def struct_ref(self, t):
        if t:
            return self.ref(t)
        if '' not in self.names:
            self.names[''] = '0'
            self.out.append({'name': '0', 'meta-type': 'object',
                             'members': []})
        return '0'

    def ref(self, t):
        if t.kind in ('INT', 'SIZE'):
            key = 'int'
        else:
            key = t.name
        if key in self.names:
            return self.names[key]
        if t.name in BUILTINS:
            self.names[key] = key
            self.out.append({'name': key, 'meta-type': 'builtin',
                             'json-type': BUILTINS[key][4]})
            return key
        if t.kind == 'LIST':
            elem = self.ref(t.elem)
            self.names[key] = f'[{elem}]'
            if not any(e['name'] == f'[{elem}]' for e in self.out):
                self.out.append({'name': f'[{elem}]', 'meta-type': 'array',
                                 'element-type': elem})
            return self.names[key]
        self.names[key] = name = str(len(self.names) + 1)
        e = {'name': name}
        self.out.append(e)
        if t.kind == 'ENUM':
            e['meta-type'] = 'enum'
            e['members'] = [{'name': v} for v in t.values]
            e['values'] = t.values
        elif t.kind == 'ALTERNATE':
            e['meta-type'] = 'alternate'
            e['members'] = [{'type': self.ref(m.type)} for m in t.own]
        else:
            e['meta-type'] = 'object'
            e['members'] = [self.member(m) for m in t.all]
            if t.tag:
                e['tag'] = t.tag
                e['variants'] = [
                    {'case': v, 'type': self.struct_ref(t.variants.get(v))}
                    for v in t.tag_member.type.values]
        if t.features:
            e['features'] = t.features
        return name

    def member(self, m):
        e = {'name': m.name, 'type': self.ref(m.type)}
        if m.optional:
            e['default'] = None
        if m.features:
            e['features'] = m.features
        return e


def gen_introspect_c(s, out):
    p = out.append
    p(HEAD + '#include "osdep.h"\n#include "qapi-commands.h"\n')
    p('const char qapi_schema_json[] =')
    rows = [json.dumps(e) for e in Introspection(s).out]
    for i, row in enumerate(rows):
        row = ('[' if i == 0 else ' ') + row + (',' if i < len(rows) - 1
                                                else ']')
        for j in range(0, len(row), 60):
            part = row[j:j + 60].replace('\\', '\\\\').replace('"', '\\"')
            p(f'    "{part}"')
    if not rows:
        p('    "[]"')
    out[-1] += ';'


OUTPUTS = {
    'qapi-types.h': gen_types_h, 'qapi-types.c': gen_types_c,
    'qapi-events.h': gen_events_h, 'qapi-events.c': gen_events_c,
    'qapi-commands.h': gen_commands_h, 'qapi-commands.c': gen_commands_c,
    'qapi-introspect.c': gen_introspect_c,
}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('outdir')
    ap.add_argument('schema')
    ap.add_argument('--depfile')
    args = ap.parse_args()
    files, exprs = [], []
    try:
        load(args.schema, files, exprs)
        s = Schema(exprs)
        for name in OUTPUTS:
            out = []
            OUTPUTS[name](s, out)
            text = '\n'.join(out) + '\n'
            path = os.path.join(args.outdir, name)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
    except (SchemaError, OSError) as e:
        sys.exit(f'qapi-gen: {e}')
    if args.depfile:
        with open(args.depfile, 'w', encoding='utf-8') as f:
            f.write('%s: %s\n' % (os.path.join(args.outdir, 'qapi-types.h'),
                                  ' '.join(files)))


if __name__ == '__main__':
    main()
