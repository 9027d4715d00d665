/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI Machine Language from text.  ACPI specification 6.4: chapter 20 for the
 * byte stream, 6.4 for resource descriptors.
 *
 * Prefix text is AML's own order, so terms are emitted as they are read.  Only
 * the length of what stands in braces is not known in advance: it is inserted
 * when the brace closes.
 */
#include "osdep.h"
#include "hw/acpi/aml.h"

/*
 * Operands that are no terms, in their order: p PkgLength, n NameString,
 * b byte, w word, d double word, m method flags, f field flags.
 */
typedef struct Op {
    const char *name;
    uint16_t code;       /* 5Bxxh: extended */
    const char *fixed;
} Op;

static const Op ops[] = {
    /* clang-format off */
    { "Zero", 0x00, "" }, { "One", 0x01, "" }, { "Ones", 0xff, "" },
    { "-", 0x00, "" },
    { "Name", 0x08, "n" }, { "Scope", 0x10, "pn" }, { "Buffer", 0x11, "p" },
    { "Package", 0x12, "pb" }, { "Method", 0x14, "pnm" },
    { "Mutex", 0x5b01, "nb" }, { "Acquire", 0x5b23, "nw" },
    { "Release", 0x5b27, "" }, { "Debug", 0x5b31, "" },
    { "OperationRegion", 0x5b80, "nb" }, { "Field", 0x5b81, "pnf" },
    { "Device", 0x5b82, "pn" }, { "Processor", 0x5b83, "pnbdb" },
    { "Local0", 0x60, "" }, { "Local1", 0x61, "" }, { "Local2", 0x62, "" },
    { "Local3", 0x63, "" }, { "Local4", 0x64, "" }, { "Local5", 0x65, "" },
    { "Arg0", 0x68, "" }, { "Arg1", 0x69, "" }, { "Arg2", 0x6a, "" },
    { "Arg3", 0x6b, "" }, { "Arg4", 0x6c, "" },
    { "Store", 0x70, "" }, { "Add", 0x72, "" }, { "Subtract", 0x74, "" },
    { "Increment", 0x75, "" }, { "Decrement", 0x76, "" },
    { "ShiftLeft", 0x79, "" }, { "ShiftRight", 0x7a, "" },
    { "And", 0x7b, "" }, { "Or", 0x7d, "" }, { "Not", 0x80, "" },
    { "DerefOf", 0x83, "" }, { "Notify", 0x86, "" }, { "SizeOf", 0x87, "" },
    { "Index", 0x88, "" }, { "CreateDWordField", 0x8a, "" },
    { "CreateQWordField", 0x8f, "" },
    { "LAnd", 0x90, "" }, { "LOr", 0x91, "" }, { "LNot", 0x92, "" },
    { "LEqual", 0x93, "" }, { "LGreater", 0x94, "" }, { "LLess", 0x95, "" },
    { "ToBuffer", 0x96, "" }, { "ToHexString", 0x98, "" },
    { "ToInteger", 0x99, "" },
    { "If", 0xa0, "p" }, { "Else", 0xa1, "p" }, { "While", 0xa2, "p" },
    { "Return", 0xa4, "" }, { "Break", 0xa5, "" },
    /* clang-format on */
};

typedef struct Brace {
    size_t at;       /* where PkgLength, or a resource buffer's size, goes */
    bool resources;
} Brace;

void aml_init(Aml *a)
{
    a->buf = g_byte_array_new();
    a->open = g_array_new(FALSE, FALSE, sizeof(Brace));
}

void aml_free(Aml *a)
{
    assert(a->open->len == 0);
    g_byte_array_unref(a->buf);
    g_array_unref(a->open);
}

static void put(Aml *a, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t b = v >> (8 * i);

        g_byte_array_append(a->buf, &b, 1);
    }
}

/* --- names, integers, strings --- */

static void put_segment(Aml *a, const char *s, size_t len)
{
    assert(len >= 1 && len <= 4);
    for (size_t i = 0; i < 4; i++) {
        put(a, i < len ? s[i] : '_', 1);
    }
}

static void put_name(Aml *a, const char *s)
{
    g_auto(GStrv) seg = NULL;
    guint n;

    while (*s == '\\' || *s == '^') {
        put(a, *s++, 1);
    }
    if (!*s) {
        put(a, 0, 1);
        return;
    }
    seg = g_strsplit(s, ".", -1);
    n = g_strv_length(seg);
    if (n == 2) {
        put(a, 0x2e, 1);
    } else if (n > 2) {
        put(a, 0x2f, 1);
        put(a, n, 1);
    }
    for (guint i = 0; i < n; i++) {
        put_segment(a, seg[i], strlen(seg[i]));
    }
}

static void put_integer(Aml *a, uint64_t v)
{
    if (v <= 1) {
        put(a, v, 1);
    } else if (v <= UINT8_MAX) {
        put(a, 0x0a, 1);
        put(a, v, 1);
    } else if (v <= UINT16_MAX) {
        put(a, 0x0b, 1);
        put(a, v, 2);
    } else if (v <= UINT32_MAX) {
        put(a, 0x0c, 1);
        put(a, v, 4);
    } else {
        put(a, 0x0e, 1);
        put(a, v, 8);
    }
}

static void put_eisa_id(Aml *a, const char *id)
{
    unsigned v = strtoul(id + 3, NULL, 16);
    unsigned c = (id[0] & 31) << 10 | (id[1] & 31) << 5 | (id[2] & 31);

    assert(strlen(id) == 7);
    put(a, 0x0c, 1);
    put(a, c >> 8, 1);
    put(a, c, 1);
    put(a, v >> 8, 1);
    put(a, v, 1);
}

static void put_hex(Aml *a, const char *digits)
{
    for (; *digits; digits += 2) {
        assert(g_ascii_isxdigit(digits[0]) && g_ascii_isxdigit(digits[1]));
        put(a, g_ascii_xdigit_value(digits[0]) << 4 |
                   g_ascii_xdigit_value(digits[1]), 1);
    }
}

/* ToUUID: the first three parts are little endian. */
static void put_uuid(Aml *a, const char *uuid)
{
    static const uint8_t order[16] = { 6, 4, 2, 0, 11, 9, 16, 14,
                                       19, 21, 24, 26, 28, 30, 32, 34 };

    assert(strlen(uuid) == 36);
    put_hex(a, "1113"); /* Buffer of 16 bytes */
    put_integer(a, 16);
    for (unsigned i = 0; i < 16; i++) {
        char digits[3] = { uuid[order[i]], uuid[order[i] + 1] };

        put_hex(a, digits);
    }
}

/* --- braces --- */

/* Length of @n bytes and of itself; in field lists of @n bits alone. */
static unsigned encode_length(uint8_t out[4], size_t n, bool with_itself)
{
    unsigned bytes = 1;
    size_t total;

    while (total = n + (with_itself ? bytes : 0),
           total >= (bytes == 1 ? 0x40u : 1u << (8 * bytes - 4))) {
        bytes++;
    }
    assert(bytes <= 4);
    if (bytes == 1) {
        out[0] = total;
        return 1;
    }
    out[0] = (bytes - 1) << 6 | (total & 15);
    for (unsigned i = 1; i < bytes; i++) {
        out[i] = total >> (8 * i - 4);
    }
    return bytes;
}

static void insert(Aml *a, size_t at, const uint8_t *data, size_t n)
{
    size_t tail = a->buf->len - at;

    g_byte_array_set_size(a->buf, a->buf->len + n);
    memmove(a->buf->data + at + n, a->buf->data + at, tail);
    memcpy(a->buf->data + at, data, n);
}

static void open_brace(Aml *a, bool resources)
{
    Brace b = { a->buf->len, resources };

    g_array_append_val(a->open, b);
}

static void close_brace(Aml *a)
{
    uint8_t enc[4];
    Brace b;

    assert(a->open->len);
    b = g_array_index(a->open, Brace, a->open->len - 1);
    g_array_set_size(a->open, a->open->len - 1);
    if (b.resources) {
        Aml size;

        put(a, 0x0079, 2); /* end tag, no checksum */
        aml_init(&size);
        put_integer(&size, a->buf->len - b.at);
        insert(a, b.at, size.buf->data, size.buf->len);
        aml_free(&size);
    }
    insert(a, b.at, enc, encode_length(enc, a->buf->len - b.at, true));
}

/* --- tokens --- */

static char *next_token(const char **p)
{
    const char *s = *p, *e;

    while (*s == ' ' || *s == '\n') {
        s++;
    }
    if (!*s) {
        return NULL;
    }
    if (*s == '"') {
        e = strchr(s + 1, '"');
        assert(e);
        e++;
    } else {
        e = s + strcspn(s, " \n");
    }
    *p = e;
    return g_strndup(s, e - s);
}

static uint64_t next_number(const char **p)
{
    g_autofree char *t = next_token(p);
    char *end;
    uint64_t v;

    assert(t);
    v = g_ascii_strtoull(t, &end, 0);
    assert(end != t && !*end);
    return v;
}

static bool next_is(const char **p, const char *yes, const char *no)
{
    g_autofree char *t = next_token(p);

    assert(t && (!strcmp(t, yes) || !strcmp(t, no)));
    return !strcmp(t, yes);
}

/* "Byte:NoLock:Zeros": access width, lock rule, update rule. */
static uint8_t field_flags(const char *t)
{
    static const char *const width[] = { "Any", "Byte", "Word", "DWord" };
    g_auto(GStrv) part = g_strsplit(t, ":", 3);
    uint8_t flags = 0;
    unsigned i;

    assert(g_strv_length(part) == 3);
    for (i = 0; strcmp(part[0], width[i]); i++) {
        assert(i + 1 < ARRAY_SIZE(width));
    }
    flags = i | (strcmp(part[1], "Lock") ? 0 : 0x10);
    return flags | (strcmp(part[2], "Zeros") ? 0 : 0x40);
}

static void put_fixed(Aml *a, char kind, const char **p)
{
    g_autofree char *t = kind == 'p' ? NULL : next_token(p);

    assert(kind == 'p' || t);
    switch (kind) {
    case 'p':
        open_brace(a, false);
        break;
    case 'n':
        put_name(a, t);
        break;
    case 'b':
        put(a, g_ascii_strtoull(t, NULL, 0), 1);
        break;
    case 'w':
        put(a, g_ascii_strtoull(t, NULL, 0), 2);
        break;
    case 'd':
        put(a, g_ascii_strtoull(t, NULL, 0), 4);
        break;
    case 'm':
        put(a, (t[0] - '0') | (t[1] == 'S' ? 8 : 0), 1);
        break;
    case 'f':
        put(a, field_flags(t), 1);
        break;
    }
}

/* --- resource descriptors (6.4) --- */

static void put_window(Aml *a, uint8_t type, uint8_t flags, unsigned width,
                       const char **p)
{
    uint64_t min = next_number(p), max = next_number(p);

    put(a, width == 2 ? 0x88 : width == 4 ? 0x87 : 0x8a, 1);
    put(a, 3 + 5 * width, 2);
    put(a, type, 1);
    put(a, 0x0c, 1); /* producer, positive decode, both ends fixed */
    put(a, flags, 1);
    put(a, 0, width); /* granularity */
    put(a, min, width);
    put(a, max, width);
    put(a, 0, width); /* translation */
    put(a, max - min + 1, width);
}

static bool put_resource(Aml *a, const char *t, const char **p)
{
    if (!strcmp(t, "io")) {
        put(a, 0x0147, 2); /* 16 address lines are decoded */
        put(a, next_number(p), 2);
        put(a, next_number(p), 2);
        put(a, next_number(p), 1);
        put(a, next_number(p), 1);
    } else if (!strcmp(t, "irq")) {
        put(a, 0x22, 1);
        put(a, 1u << next_number(p), 2);
    } else if (!strcmp(t, "dma")) {
        put(a, 0x2a, 1);
        put(a, 1u << next_number(p), 1);
        put(a, 0, 1); /* 8 bits, compatible timing, no bus master */
    } else if (!strcmp(t, "mem32")) {
        put(a, 0x000986, 3);
        put(a, next_is(p, "rw", "ro"), 1);
        put(a, next_number(p), 4);
        put(a, next_number(p), 4);
    } else if (!strcmp(t, "intr")) {
        unsigned n = next_number(p);

        put(a, 0x89, 1);
        put(a, 2 + 4 * n, 2);
        put(a, 0x09, 1); /* consumer, level, active high, shared */
        put(a, n, 1);
        while (n--) {
            put(a, next_number(p), 4);
        }
    } else if (!strcmp(t, "busno")) {
        put_window(a, 2, 0, 2, p);
    } else if (!strcmp(t, "wordio")) {
        put_window(a, 1, 3, 2, p); /* ISA and other ranges */
    } else if (!strcmp(t, "dwordmem")) {
        put_window(a, 0, next_is(p, "cached", "uncached") ? 3 : 1, 4, p);
    } else if (!strcmp(t, "qwordmem")) {
        put_window(a, 0, next_is(p, "cached", "uncached") ? 3 : 1, 8, p);
    } else {
        return false;
    }
    return true;
}

/* --- text --- */

/* "NAME:bits" or ":bits" of a field list. */
static void put_field(Aml *a, const char *t)
{
    const char *colon = strchr(t, ':');
    uint8_t enc[4];

    if (colon == t) {
        put(a, 0, 1);
    } else {
        put_segment(a, t, colon - t);
    }
    g_byte_array_append(a->buf, enc,
                        encode_length(enc, strtoul(colon + 1, NULL, 0), false));
}

static bool put_op(Aml *a, const char *t, const char **p)
{
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (!strcmp(ops[i].name, t)) {
            if (ops[i].code > 0xff) {
                put(a, ops[i].code >> 8, 1);
            }
            put(a, ops[i].code, 1);
            for (const char *f = ops[i].fixed; *f; f++) {
                put_fixed(a, *f, p);
            }
            return true;
        }
    }
    return false;
}

void aml_put(Aml *a, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    const char *p;
    va_list ap;
    char *t;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    for (p = text; (t = next_token(&p)); g_free(t)) {
        g_autofree char *arg = NULL;

        if (!strcmp(t, "{")) {
            assert(a->open->len); /* the operator has opened it */
        } else if (!strcmp(t, "}")) {
            close_brace(a);
        } else if (*t == '"') {
            put(a, 0x0d, 1);
            g_byte_array_append(a->buf, (uint8_t *)t + 1, strlen(t) - 2);
            put(a, 0, 1);
        } else if (*t == '#') {
            put_hex(a, t + 1);
        } else if (g_ascii_isdigit(*t)) {
            put_integer(a, g_ascii_strtoull(t, NULL, 0));
        } else if (!strcmp(t, "Resources")) {
            put(a, 0x11, 1);
            open_brace(a, true);
        } else if (!strcmp(t, "EisaId")) {
            arg = next_token(&p);
            put_eisa_id(a, arg);
        } else if (!strcmp(t, "ToUUID")) {
            arg = next_token(&p);
            put_uuid(a, arg);
        } else if (strchr(t, ':')) {
            put_field(a, t);
        } else if (!put_op(a, t, &p) && !put_resource(a, t, &p)) {
            put_name(a, t);
        }
    }
}
