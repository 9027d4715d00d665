/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb's remote serial protocol (GDB manual, appendix "GDB Remote Serial
 * Protocol"), one client at a time on a character device.
 *
 * The machine is one process (1), each CPU a thread (its index + 1).  A
 * client that connects stops the machine.  Running commands start it; a stop
 * of the run state "debug" (breakpoint, watchpoint, step) or by Ctrl-C is
 * told from the listener of run state changes.
 *
 *   idle --'$'--> payload --'#'--> sum 1 --> sum 2 --> idle, packet handled
 *
 * Everything here is on the main thread with the BQL.
 */
#include "osdep.h"
#include "chardev/char.h"
#include "exec/accel.h"
#include "exec/cpu-debug.h"
#include "exec/runstate.h"
#include "monitor/gdbstub.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"

#define PACKET_MAX 16384  /* said in qSupported */

enum { IDLE, PAYLOAD, SUM1, SUM2 };

typedef struct GdbPoint {
    int type;
    vaddr addr, len;
} GdbPoint;

typedef struct GdbStub {
    CharFrontend fe;
    char *own_chardev;     /* label of the back end we made, or NULL */
    bool connected;
    int state;
    GString *in;
    uint8_t sum, want;
    bool no_ack, multiprocess, phys, told_stop;
    GByteArray *last;      /* packet to repeat at '-' */
    CPUState *c, *g;       /* CPUs of Hc and Hg; NULL: any */
    CPUState *stopped_on;  /* of the last stop */
    int signal;
    unsigned step_flags;   /* STEP_* */
    CPUState *next_thread; /* of qsThreadInfo */
    GArray *points;        /* GdbPoint */
    VMChangeListener listener;
} GdbStub;

enum { STEP_ENABLE = 1, STEP_NOIRQ = 2 };

static GdbStub *stub;

/* ---- packets out ---- */

static void put_packet(GdbStub *s, const char *data, size_t len)
{
    uint8_t sum = 0;
    char tail[4];

    g_byte_array_set_size(s->last, 0);
    g_byte_array_append(s->last, (const uint8_t *)"$", 1);
    g_byte_array_append(s->last, (const uint8_t *)data, len);
    for (size_t i = 0; i < len; i++) {
        sum += data[i];
    }
    snprintf(tail, sizeof(tail), "#%02x", sum);
    g_byte_array_append(s->last, (const uint8_t *)tail, 3);
    chr_fe_write_all(&s->fe, s->last->data, s->last->len);
}

static void put_text(GdbStub *s, const char *text)
{
    put_packet(s, text, strlen(text));
}

static void put_error(GdbStub *s, int n)
{
    g_autofree char *text = g_strdup_printf("E%02x", n);

    put_text(s, text);
}

static void add_hex(GString *out, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(out, "%02x", buf[i]);
    }
}

/* Binary data: '#', '$', '}' and '*' are escaped. */
static void add_binary(GString *out, const char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr("#$}*", buf[i]) && buf[i]) {
            g_string_append_c(out, '}');
            g_string_append_c(out, buf[i] ^ 0x20);
        } else {
            g_string_append_c(out, buf[i]);
        }
    }
}

static void add_thread(GdbStub *s, GString *out, CPUState *cpu)
{
    g_string_append_printf(out, s->multiprocess ? "p01.%02x" : "%02x",
                           cpu->cpu_index + 1);
}

/* ---- parsing ---- */

static bool get_hex(const char **p, uint64_t *v)
{
    char *end;

    if (!g_ascii_isxdigit(**p)) {
        return false;
    }
    *v = g_ascii_strtoull(*p, &end, 16);
    *p = end;
    return true;
}

/* @n bytes of hex digits; false at the first that is none. */
static bool get_bytes(const char *p, uint8_t *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int hi = g_ascii_xdigit_value(p[2 * i]), lo;

        if (hi < 0 || (lo = g_ascii_xdigit_value(p[2 * i + 1])) < 0) {
            return false;
        }
        buf[i] = hi << 4 | lo;
    }
    return true;
}

/* "p1.2", "2", "-1": false: nonsense or gone.  *cpu NULL: all or any. */
static bool get_thread(const char **p, CPUState **cpu)
{
    uint64_t v = 0;

    *cpu = NULL;
    if (**p == 'p') {
        ++*p;
        if (g_str_has_prefix(*p, "-1")) {
            *p += 2;
        } else if (!get_hex(p, &v) || v > 1) {
            return false;
        }
        if (**p != '.') {
            return true;
        }
        ++*p;
    }
    if (g_str_has_prefix(*p, "-1")) {
        *p += 2;
        return true;
    }
    if (!get_hex(p, &v) || v > INT_MAX) {
        return false;
    }
    if (v) {
        *cpu = cpu_by_index(v - 1);
    }
    return v == 0 || *cpu;
}

static CPUState *alive(CPUState *cpu)
{
    CPUState *c;

    CPU_FOREACH(c) {
        if (c == cpu) {
            return c;
        }
    }
    return NULL;
}

static CPUState *cpu_or_first(CPUState *cpu)
{
    cpu = alive(cpu);
    return cpu ? cpu : cpu_first();
}

/* ---- stops ---- */

static void add_stop_reply(GdbStub *s, GString *out)
{
    CPUState *cpu = cpu_or_first(s->stopped_on);
    static const char *const kinds[] = { [2] = "watch", [3] = "rwatch",
                                         [4] = "awatch" };
    vaddr addr;
    int type;

    g_string_append_printf(out, "T%02xthread:", s->signal);
    add_thread(s, out, cpu);
    g_string_append_c(out, ';');
    if (cpu_gdb_watch_hit(cpu, &addr, &type) && type >= 2 && type <= 4) {
        g_string_append_printf(out, "%s:%" PRIx64 ";", kinds[type],
                               (uint64_t)addr);
    }
}

static void put_stop_reply(GdbStub *s)
{
    g_autoptr(GString) out = g_string_new(NULL);

    add_stop_reply(s, out);
    put_packet(s, out->str, out->len);
}

static void steps_off(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        cpu->held = false;
        cpu_gdb_single_step(cpu, false, false);
    }
}

/* The run state changed. */
static void on_change(void *opaque, bool running, RunState state)
{
    GdbStub *s = opaque;
    CPUState *cpu, *found = NULL;

    if (running || !s->connected || s->told_stop) {
        return;
    }
    s->signal = state == RUN_STATE_DEBUG             ? 5  /* SIGTRAP */
              : state == RUN_STATE_PAUSED            ? 2  /* SIGINT */
              : state == RUN_STATE_SHUTDOWN          ? 3  /* SIGQUIT */
              : state == RUN_STATE_IO_ERROR          ? 23 /* SIGIO */
              : state == RUN_STATE_WATCHDOG          ? 14 /* SIGALRM */
              : state == RUN_STATE_INTERNAL_ERROR    ? 6  /* SIGABRT */
              : state == RUN_STATE_GUEST_PANICKED    ? 6
                                                     : 0;
    if (state == RUN_STATE_SAVE_VM || state == RUN_STATE_RESTORE_VM) {
        return; /* goes on at once */
    }
    CPU_FOREACH(cpu) {
        if (state == RUN_STATE_DEBUG && cpu->debug_stop && !found) {
            found = s->stopped_on = s->c = s->g = cpu;
        }
        /* The others' breakpoints are met again. */
        cpu->bp_pass = cpu->bp_pass && cpu == s->stopped_on;
        cpu->debug_stop = false;
    }
    if (!alive(s->stopped_on)) {
        s->stopped_on = cpu_first();
    }
    s->told_stop = true;
    put_stop_reply(s);
    steps_off();
}

static void run(GdbStub *s)
{
    Error *err = NULL;

    s->told_stop = false;
    qmp_cont(&err);
    if (err) { /* it cannot go on: it needs a reset */
        error_free(err);
        s->told_stop = true;
        steps_off();
        put_stop_reply(s);
    }
}

/* ---- breakpoints ---- */

static int each_cpu_point(GdbPoint *p, bool add)
{
    CPUState *cpu;
    int ret = 0;

    CPU_FOREACH(cpu) {
        int r = accel && accel->breakpoint
                    ? accel->breakpoint(cpu, p->type, p->addr, p->len, add)
                    : -ENOSYS;

        ret = r ? r : ret;
    }
    return ret;
}

static void points_clear(GdbStub *s)
{
    for (guint i = 0; i < s->points->len; i++) {
        each_cpu_point(&g_array_index(s->points, GdbPoint, i), false);
    }
    g_array_set_size(s->points, 0);
}

/* Z and z: type,addr,kind. */
static void do_point(GdbStub *s, const char *p, bool add)
{
    GdbPoint pt;
    uint64_t type, addr, len = 0;

    if (!get_hex(&p, &type) || *p++ != ',' || !get_hex(&p, &addr) ||
        *p++ != ',' || !get_hex(&p, &len)) {
        put_error(s, 22);
        return;
    }
    if (type > 4 || !accel || !accel->breakpoint) {
        put_text(s, "");
        return;
    }
    /* Of a breakpoint the length is a kind of instruction: none here. */
    pt = (GdbPoint) { type, addr, type >= 2 ? MAX(len, 1) : 1 };
    for (guint i = 0; i < s->points->len; i++) {
        GdbPoint *o = &g_array_index(s->points, GdbPoint, i);

        if (o->type == pt.type && o->addr == pt.addr && o->len == pt.len) {
            if (!add) {
                each_cpu_point(&pt, false);
                g_array_remove_index_fast(s->points, i);
            }
            put_text(s, "OK");
            return;
        }
    }
    if (!add || each_cpu_point(&pt, true)) {
        put_error(s, 22);
        return;
    }
    g_array_append_val(s->points, pt);
    put_text(s, "OK");
}

/* ---- registers and memory ---- */

static void do_read_all(GdbStub *s)
{
    CPUState *cpu = cpu_or_first(s->g);
    unsigned n = cpu_gdb_core_regs(cpu);
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t buf[16];

    for (unsigned i = 0; i < n; i++) {
        add_hex(out, buf, cpu_gdb_read(cpu, i, buf));
    }
    put_packet(s, out->str, out->len);
}

static void do_write_all(GdbStub *s, const char *p)
{
    CPUState *cpu = cpu_or_first(s->g);
    size_t len = strlen(p) / 2, at = 0, n = 0;
    g_autofree uint8_t *buf = g_malloc(len + 1);

    if (!get_bytes(p, buf, len)) {
        put_error(s, 22);
        return;
    }
    for (unsigned i = 0; at < len; i++, at += n) {
        n = cpu_gdb_write(cpu, i, buf + at, len - at);
        if (!n) {
            break;
        }
    }
    put_text(s, "OK");
}

static void do_read_reg(GdbStub *s, const char *p)
{
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t buf[16];
    uint64_t n;
    size_t size;

    if (!get_hex(&p, &n) || n > INT_MAX ||
        !(size = cpu_gdb_read(cpu_or_first(s->g), n, buf))) {
        put_error(s, 14);
        return;
    }
    add_hex(out, buf, size);
    put_packet(s, out->str, out->len);
}

static void do_write_reg(GdbStub *s, const char *p)
{
    uint8_t buf[16];
    uint64_t n;
    size_t len;

    if (!get_hex(&p, &n) || n > INT_MAX || *p++ != '=') {
        put_error(s, 22);
        return;
    }
    len = MIN(strlen(p) / 2, sizeof(buf));
    put_text(s, get_bytes(p, buf, len) &&
                cpu_gdb_write(cpu_or_first(s->g), n, buf, len) ? "OK" : "E0e");
}

static bool memory(GdbStub *s, uint64_t addr, uint8_t *buf, size_t len,
                   bool write)
{
    CPUState *cpu = cpu_or_first(s->g);

    if (!s->phys) {
        return cpu_memory_rw(cpu, addr, buf, len, write);
    }
    return (write ? address_space_write_rom(cpu->as, addr, buf, len)
                  : address_space_read(cpu->as, addr, MEMTXATTRS_UNSPECIFIED,
                                       buf, len)) == MEMTX_OK;
}

static bool get_range(const char **p, uint64_t *addr, uint64_t *len)
{
    return get_hex(p, addr) && *(*p)++ == ',' && get_hex(p, len) &&
           *len <= PACKET_MAX / 2;
}

static void do_read_mem(GdbStub *s, const char *p)
{
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t buf[PACKET_MAX / 2];
    uint64_t addr, len;

    if (!get_range(&p, &addr, &len)) {
        put_error(s, 22);
    } else if (!memory(s, addr, buf, len, false)) {
        put_error(s, 14);
    } else {
        add_hex(out, buf, len);
        put_packet(s, out->str, out->len);
    }
}

/* M in hex, X in binary (unescaped by the reader of packets). */
static void do_write_mem(GdbStub *s, const char *p, const char *end,
                         bool binary)
{
    uint8_t buf[PACKET_MAX];
    uint64_t addr, len;

    if (!get_range(&p, &addr, &len) || *p++ != ':') {
        put_error(s, 22);
        return;
    }
    if (binary ? (size_t)(end - p) < len
               : (size_t)(end - p) < 2 * len || !get_bytes(p, buf, len)) {
        put_error(s, 22);
        return;
    }
    if (binary) {
        memcpy(buf, p, len);
    }
    put_text(s, memory(s, addr, buf, len, true) ? "OK" : "E0e");
}

/* ---- going on ---- */

static void step_one(GdbStub *s, CPUState *cpu)
{
    cpu_gdb_single_step(cpu, true, s->step_flags & STEP_NOIRQ);
}

/* c, s, C, S: [signal] [;] [address]. */
static void do_resume(GdbStub *s, char kind, const char *p)
{
    CPUState *cpu = cpu_or_first(s->c);
    uint64_t v;

    if (kind == 'C' || kind == 'S') {
        get_hex(&p, &v);
        p += *p == ';';
    }
    if (get_hex(&p, &v)) {
        cpu_gdb_set_pc(cpu, v);
    }
    if (kind == 's' || kind == 'S') {
        step_one(s, cpu);
    }
    run(s);
}

/* vCont;action[:thread]...  The leftmost that fits a thread counts. */
static void do_vcont(GdbStub *s, const char *p)
{
    CPUState *cpu, *which;

    CPU_FOREACH(cpu) {
        cpu->held = true;
    }
    while (*p == ';') {
        char kind = *++p;
        uint64_t v;

        p += *p != 0;
        if (!kind || !strchr("cCsS", kind) ||
            ((kind == 'C' || kind == 'S') && !get_hex(&p, &v))) {
            goto bad;
        }
        which = NULL;
        if (*p == ':') {
            p++;
            if (!get_thread(&p, &which)) {
                goto bad;
            }
        }
        CPU_FOREACH(cpu) {
            if (cpu->held && (!which || cpu == which)) {
                cpu->held = false;
                if (kind == 's' || kind == 'S') {
                    step_one(s, cpu);
                }
            }
        }
    }
    if (*p) {
        goto bad;
    }
    run(s);
    return;
bad:
    steps_off();
    put_error(s, 22);
}

/* ---- queries ---- */

static void put_slice(GdbStub *s, const char *text, const char *range)
{
    g_autoptr(GString) out = g_string_new(NULL);
    uint64_t from, len, total = strlen(text);

    if (!get_hex(&range, &from) || *range++ != ',' || !get_hex(&range, &len) ||
        from > total) {
        put_text(s, "E00");
        return;
    }
    len = MIN(len, (PACKET_MAX - 5) / 2);
    len = MIN(len, total - from);
    g_string_append_c(out, from + len < total ? 'm' : 'l');
    add_binary(out, text + from, len);
    put_packet(s, out->str, out->len);
}

static void put_thread_info(GdbStub *s)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (!alive(s->next_thread)) {
        put_text(s, "l");
        return;
    }
    while (s->next_thread && out->len < PACKET_MAX / 4) {
        g_string_append_c(out, out->len ? ',' : 'm');
        add_thread(s, out, s->next_thread);
        s->next_thread = cpu_next(s->next_thread);
    }
    put_packet(s, out->str, out->len);
}

static void put_extra_info(GdbStub *s, const char *p)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *text = NULL;
    CPUState *cpu;

    if (!get_thread(&p, &cpu) || !cpu) {
        put_error(s, 22);
        return;
    }
    text = g_strdup_printf("CPU#%d [%s]", cpu->cpu_index,
                           cpu->halted ? "halted " : "running");
    add_hex(out, (const uint8_t *)text, strlen(text));
    put_packet(s, out->str, out->len);
}

/* `monitor ...`: a line for the human monitor. */
static void do_monitor(GdbStub *s, const char *p)
{
    size_t n = strlen(p) / 2;
    g_autofree char *line = g_malloc0(n + 1), *reply = NULL;
    g_autoptr(GString) out = g_string_new(NULL);

    if (!get_bytes(p, (uint8_t *)line, n)) {
        put_error(s, 22);
        return;
    }
    reply = hmp_run(line, cpu_or_first(s->g)->cpu_index, NULL);
    for (char *c = reply; c && *c; c++) {
        if (*c != '\r') {
            g_string_append_printf(out, "%02x", (uint8_t)*c);
        }
        if (out->len > PACKET_MAX - 16) {
            g_autofree char *part = g_strconcat("O", out->str, NULL);

            put_text(s, part);
            g_string_truncate(out, 0);
        }
    }
    if (out->len) {
        g_autofree char *part = g_strconcat("O", out->str, NULL);

        put_text(s, part);
    }
    put_text(s, "OK");
}

static void do_supported(GdbStub *s, const char *p)
{
    s->multiprocess = strstr(p, "multiprocess+");
    g_autofree char *text =
        g_strdup_printf("PacketSize=%x;qXfer:features:read+;multiprocess+;"
                        "vContSupported+;QStartNoAckMode+", PACKET_MAX);
    put_text(s, text);
}

static const char *after(const char *p, const char *prefix)
{
    return g_str_has_prefix(p, prefix) ? p + strlen(prefix) : NULL;
}

static void do_query(GdbStub *s, const char *p)
{
    const char *r;

    if ((r = after(p, "qSupported"))) {
        do_supported(s, r);
    } else if ((r = after(p, "qXfer:features:read:target.xml:"))) {
        put_slice(s, cpu_gdb_xml(cpu_or_first(s->g)), r);
    } else if (after(p, "qXfer:features:read:")) {
        put_text(s, "E00");
    } else if (!strcmp(p, "qC")) {
        g_autoptr(GString) out = g_string_new("QC");

        add_thread(s, out, cpu_or_first(s->g));
        put_packet(s, out->str, out->len);
    } else if (!strcmp(p, "qfThreadInfo")) {
        s->next_thread = cpu_first();
        put_thread_info(s);
    } else if (!strcmp(p, "qsThreadInfo")) {
        put_thread_info(s);
    } else if ((r = after(p, "qThreadExtraInfo,"))) {
        put_extra_info(s, r);
    } else if ((r = after(p, "qRcmd,"))) {
        do_monitor(s, r);
    } else if (after(p, "qAttached")) {
        put_text(s, "1");
    } else if (!strcmp(p, "QStartNoAckMode")) {
        put_text(s, "OK");
        s->no_ack = true;
    } else if (!strcmp(p, "qqemu.sstepbits")) {
        put_text(s, "ENABLE=1,NOIRQ=2");
    } else if (!strcmp(p, "qqemu.sstep")) {
        g_autofree char *text = g_strdup_printf("0x%x", s->step_flags);

        put_text(s, text);
    } else if ((r = after(p, "Qqemu.sstep="))) {
        uint64_t v;

        r = after(r, "0x") ? r + 2 : r;
        if (!get_hex(&r, &v) || (v & ~(uint64_t)(STEP_ENABLE | STEP_NOIRQ))) {
            put_error(s, 22);
        } else {
            s->step_flags = v;
            put_text(s, "OK");
        }
    } else if (!strcmp(p, "qqemu.PhyMemMode")) {
        put_text(s, s->phys ? "1" : "0");
    } else if ((r = after(p, "Qqemu.PhyMemMode:"))) {
        s->phys = strcmp(r, "0");
        put_text(s, "OK");
    } else {
        put_text(s, "");
    }
}

static void do_set_thread(GdbStub *s, const char *p)
{
    char op = *p;
    CPUState *cpu;

    p += op != 0;
    if ((op != 'c' && op != 'g') || !get_thread(&p, &cpu)) {
        put_error(s, 22);
        return;
    }
    *(op == 'c' ? &s->c : &s->g) = cpu;
    put_text(s, "OK");
}

static void detach(GdbStub *s)
{
    points_clear(s);
    steps_off();
    s->c = s->g = NULL;
    s->no_ack = s->phys = s->multiprocess = false;
    s->step_flags = STEP_ENABLE | STEP_NOIRQ;
}

static void do_v(GdbStub *s, const char *p)
{
    if (!strcmp(p, "vCont?")) {
        put_text(s, "vCont;c;C;s;S");
    } else if (g_str_has_prefix(p, "vCont")) {
        do_vcont(s, p + 5);
    } else if (g_str_has_prefix(p, "vAttach;")) {
        put_stop_reply(s);
    } else if (g_str_has_prefix(p, "vKill;")) {
        put_text(s, "OK");
        qmp_quit(NULL);
    } else {
        put_text(s, "");
    }
}

static void handle(GdbStub *s, const char *p, size_t len)
{
    CPUState *cpu;

    if (!cpu_first()) {
        put_text(s, "E01"); /* a machine without CPUs */
        return;
    }
    switch (*p) {
    case '!':
        put_text(s, "OK");
        break;
    case '?':
        s->signal = s->signal ? s->signal : 5;
        put_stop_reply(s);
        break;
    case 'c':
    case 's':
    case 'C':
    case 'S':
        do_resume(s, *p, p + 1);
        break;
    case 'D':
        detach(s);
        put_text(s, "OK");
        run(s);
        break;
    case 'g':
        do_read_all(s);
        break;
    case 'G':
        do_write_all(s, p + 1);
        break;
    case 'p':
        do_read_reg(s, p + 1);
        break;
    case 'P':
        do_write_reg(s, p + 1);
        break;
    case 'm':
        do_read_mem(s, p + 1);
        break;
    case 'M':
    case 'X':
        do_write_mem(s, p + 1, p + len, *p == 'X');
        break;
    case 'H':
        do_set_thread(s, p + 1);
        break;
    case 'T':
        p++;
        put_text(s, get_thread(&p, &cpu) && cpu ? "OK" : "E16");
        break;
    case 'z':
    case 'Z':
        do_point(s, p + 1, *p == 'Z');
        break;
    case 'k':
        qmp_quit(NULL);
        break;
    case 'q':
    case 'Q':
        do_query(s, p);
        break;
    case 'v':
        do_v(s, p);
        break;
    default:
        put_text(s, "");
        break;
    }
}

/* ---- packets in ---- */

/* "}" and the next character: that XOR 20h. */
static void unescape(GString *in)
{
    size_t to = 0;

    for (size_t i = 0; i < in->len; i++) {
        char c = in->str[i];

        if (c == '}' && i + 1 < in->len) {
            c = in->str[++i] ^ 0x20;
        }
        in->str[to++] = c;
    }
    g_string_truncate(in, to);
}

static void end_of_packet(GdbStub *s)
{
    if (s->sum != s->want) {
        chr_fe_write_all(&s->fe, (const uint8_t *)"-", 1);
        return;
    }
    if (!s->no_ack) {
        chr_fe_write_all(&s->fe, (const uint8_t *)"+", 1);
    }
    if (runstate_is_running()) {
        return; /* nobody asks a running machine anything */
    }
    unescape(s->in);
    handle(s, s->in->str, s->in->len);
}

static void take_byte(GdbStub *s, uint8_t c)
{
    int digit;

    switch (s->state) {
    case IDLE:
        if (c == '$') {
            g_string_truncate(s->in, 0);
            s->sum = 0;
            s->state = PAYLOAD;
        } else if (c == 3) {
            vm_stop(RUN_STATE_PAUSED);
        } else if (c == '-' && s->last->len) {
            chr_fe_write_all(&s->fe, s->last->data, s->last->len);
        }
        break;
    case PAYLOAD:
        if (c == '#') {
            s->state = SUM1;
        } else if (c == '$' || s->in->len >= PACKET_MAX) {
            s->state = IDLE; /* cut off, or no client of ours */
        } else {
            g_string_append_c(s->in, c);
            s->sum += c;
        }
        break;
    case SUM1:
    case SUM2:
        digit = g_ascii_xdigit_value(c);
        if (digit < 0) {
            s->state = IDLE;
            break;
        }
        s->want = s->want << 4 | digit;
        if (s->state++ == SUM2) {
            s->state = IDLE;
            end_of_packet(s);
        }
        break;
    }
}

static int can_read(void *opaque)
{
    return PACKET_MAX;
}

static void read_bytes(void *opaque, const uint8_t *buf, int len)
{
    for (int i = 0; i < len && stub == opaque; i++) {
        take_byte(opaque, buf[i]);
    }
}

static void chr_event(void *opaque, ChrEvent ev)
{
    GdbStub *s = opaque;

    if (ev == CHR_EVENT_OPENED) {
        s->connected = true;
        s->state = IDLE;
        s->told_stop = true; /* the client asks with `?` */
        detach(s);
        vm_stop(RUN_STATE_PAUSED);
        s->stopped_on = cpu_first();
        s->signal = 5;
    } else if (ev == CHR_EVENT_CLOSED) {
        s->connected = false;
        detach(s);
    }
}

/* ---- set-up ---- */

static void stub_free(void)
{
    if (!stub) {
        return;
    }
    points_clear(stub);
    vm_change_remove(&stub->listener);
    chr_fe_deinit(&stub->fe);
    if (stub->own_chardev) {
        chr_remove(stub->own_chardev, NULL);
        g_free(stub->own_chardev);
    }
    g_string_free(stub->in, TRUE);
    g_byte_array_unref(stub->last);
    g_array_free(stub->points, TRUE);
    g_free(stub);
    stub = NULL;
}

/* A debugger's socket listens, and does not hold the start up. */
static char *with_defaults(const char *device)
{
    bool sock = g_str_has_prefix(device, "tcp:") ||
                g_str_has_prefix(device, "unix:");
    bool tcp = g_str_has_prefix(device, "tcp:");

    return !sock || strstr(device, "server")
               ? g_strdup(device)
               : g_strdup_printf("%s,server=on,wait=off%s", device,
                                 tcp ? ",nodelay=on" : "");
}

bool gdbstub_start(const char *device, Error **errp)
{
    Chardev *chr = NULL;
    const char *id = after(device, "chardev:");
    bool none = false;

    stub_free();
    if (!strcmp(device, "none")) {
        return true;
    }
    if (id) {
        chr = chr_find(id);
        if (!chr) {
            error_setg(errp, "gdbstub: there is no chardev '%s'", id);
            return false;
        }
    } else {
        g_autofree char *text = with_defaults(device);

        chr = chr_new_from_text("gdb", text, &none, errp);
        if (!chr) {
            if (none) {
                return true;
            }
            error_prepend(errp, "gdbstub: ");
            return false;
        }
    }
    stub = g_new0(GdbStub, 1);
    stub->own_chardev = id ? NULL : g_strdup("gdb");
    stub->in = g_string_new(NULL);
    stub->last = g_byte_array_new();
    stub->points = g_array_new(FALSE, FALSE, sizeof(GdbPoint));
    stub->step_flags = STEP_ENABLE | STEP_NOIRQ;
    stub->listener = (VMChangeListener) {
        .prio = VM_PRIO_BACKEND - 10, .fn = on_change, .opaque = stub,
    };
    vm_change_add(&stub->listener);
    if (!chr_fe_init(&stub->fe, chr, errp)) {
        stub_free();
        return false;
    }
    chr_fe_set_handlers(&stub->fe, can_read, read_bytes, chr_event, stub);
    return true;
}

void gdbstub_stop(int status)
{
    if (stub && stub->connected) {
        g_autofree char *text = g_strdup_printf("W%02x", status & 0xff);

        put_text(stub, text);
    }
    stub_free();
}
