/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump-guest-memory: guest memory and vCPU registers as an ELF core.
 *
 *     ELF header | program headers | notes | memory, range after range
 *
 * The machine stands while it is written; with detach a worker writes, and
 * the monitor stays usable.  The target may be a pipe: written front to back.
 */
#include "osdep.h"
#include "exec/cpu.h"
#include "exec/runstate.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/fdset.h"
#include "util/pool.h"
#include <elf.h>

#define CHUNK (1 * MiB)

typedef struct DumpRange {
    uint64_t addr, size;
    const uint8_t *host;
    bool copy;             /* ROM; RAM is mapped, so that it stays */
} DumpRange;

typedef struct Dump {
    DumpStatus status;
    bool resume;           /* the machine ran before */
    int fd;
    GArray *ranges;        /* DumpRange */
    GByteArray *head;      /* all before the memory */
    uint64_t begin, end;   /* what is asked for */
    uint64_t total;
    atomic_ullong written; /* of the memory; the worker counts */
} Dump;

static Dump dump = { .status = DUMP_STATUS_NONE };

bool dump_in_progress(void)
{
    return dump.status == DUMP_STATUS_ACTIVE;
}

/* --- what there is to write --- */

static void add_range(MemoryListener *l, const MemorySection *s)
{
    uint64_t first = MAX(s->addr, dump.begin);
    uint64_t end = MIN(s->addr + s->size, dump.end);
    DumpRange r;

    if (!memory_section_is_ram(s) || s->mr->ram_device || first >= end) {
        return;
    }
    while (first < end) {
        hwaddr len = end - first;

        r.addr = first;
        r.copy = false;
        r.host = address_space_map(&address_space_memory, first, &len, false,
                                   MEMTXATTRS_UNSPECIFIED);
        if (!r.host) {
            r.copy = true;
            r.host = g_memdup2((const uint8_t *)memory_region_ram_ptr(s->mr) +
                                   s->offset_in_region + (first - s->addr),
                               len);
        }
        r.size = len;
        g_array_append_val(dump.ranges, r);
        dump.total += len;
        first += len;
    }
}

static void free_ranges(void)
{
    for (guint i = 0; i < dump.ranges->len; i++) {
        DumpRange *r = &g_array_index(dump.ranges, DumpRange, i);

        if (r->copy) {
            g_free((void *)r->host);
        } else {
            address_space_unmap(&address_space_memory, (void *)r->host,
                                r->size, false, 0);
        }
    }
    g_array_free(dump.ranges, TRUE);
}

static void collect_ranges(void)
{
    MemoryListener l = { .region_add = add_range };

    dump.ranges = g_array_new(FALSE, FALSE, sizeof(DumpRange));
    dump.total = 0;
    memory_listener_register(&l, &address_space_memory);
    memory_listener_unregister(&l);
}

static void make_head(void)
{
    g_autoptr(GByteArray) notes = g_byte_array_new();
    uint16_t machine = cpu_dump_notes(notes);
    unsigned n = dump.ranges->len + 1;
    uint64_t offset = sizeof(Elf64_Ehdr) + n * sizeof(Elf64_Phdr);
    Elf64_Ehdr h = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                     ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_CORE, .e_machine = machine, .e_version = EV_CURRENT,
        .e_phoff = sizeof(h), .e_ehsize = sizeof(h),
        .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = n,
    };
    Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = offset,
                     .p_filesz = notes->len, .p_memsz = notes->len };

    dump.head = g_byte_array_new();
    g_byte_array_append(dump.head, (const uint8_t *)&h, sizeof(h));
    g_byte_array_append(dump.head, (const uint8_t *)&p, sizeof(p));
    offset += notes->len;
    for (guint i = 0; i < dump.ranges->len; i++) {
        const DumpRange *r = &g_array_index(dump.ranges, DumpRange, i);

        p = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = offset,
                          .p_vaddr = r->addr, .p_paddr = r->addr,
                          .p_filesz = r->size, .p_memsz = r->size };
        g_byte_array_append(dump.head, (const uint8_t *)&p, sizeof(p));
        offset += r->size;
    }
    g_byte_array_append(dump.head, notes->data, notes->len);
}

/* --- writing; on a worker, or the main thread --- */

static int write_all(int fd, const uint8_t *buf, uint64_t len,
                     atomic_ullong *count)
{
    while (len) {
        ssize_t n = RETRY_ON_EINTR(write(fd, buf, MIN(len, CHUNK)));

        if (n < 0) {
            return -errno;
        }
        buf += n;
        len -= n;
        if (count) {
            atomic_fetch_add(count, n);
        }
    }
    return 0;
}

static int write_dump(void *opaque)
{
    int ret = write_all(dump.fd, dump.head->data, dump.head->len, NULL);

    for (guint i = 0; ret == 0 && i < dump.ranges->len; i++) {
        const DumpRange *r = &g_array_index(dump.ranges, DumpRange, i);

        ret = write_all(dump.fd, r->host, r->size, &dump.written);
    }
    return ret;
}

static DumpQueryResult result(void)
{
    return (DumpQueryResult){ .status = dump.status,
                              .completed = atomic_load(&dump.written),
                              .total = dump.total };
}

static void finish(void *opaque, int ret)
{
    DumpQueryResult r;

    if (close(dump.fd) < 0 && ret == 0) {
        ret = -errno;
    }
    g_byte_array_free(dump.head, TRUE);
    free_ranges();
    dump.status = ret ? DUMP_STATUS_FAILED : DUMP_STATUS_COMPLETED;
    if (dump.resume) {
        vm_start();
    }
    r = result();
    qapi_event_send_dump_completed(&r, ret ? strerror(-ret) : NULL);
}

/* --- the commands --- */

static int open_target(const char *protocol, Error **errp)
{
    int fd;

    if (g_str_has_prefix(protocol, "fd:")) {
        fd = fd_name_take(protocol + 3);
        if (fd < 0) {
            error_setg(errp, "File descriptor named '%s' has not been found",
                       protocol + 3);
        }
        return fd;
    }
    if (!g_str_has_prefix(protocol, "file:")) {
        error_setg(errp, "Parameter 'protocol' expects file:PATH or fd:NAME, "
                         "not '%s'", protocol);
        return -1;
    }
    fd = open_path(protocol + 5, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", protocol + 5);
    }
    return fd;
}

void qmp_dump_guest_memory(bool paging, const char *protocol, bool has_detach,
                           bool detach, bool has_begin, int64_t begin,
                           bool has_length, int64_t length, bool has_format,
                           DumpGuestMemoryFormat format, Error **errp)
{
    if (dump_in_progress()) {
        error_setg(errp, "There is a dump in process, please wait.");
        return;
    }
    if (paging) {
        error_setg(errp, "Parameter 'paging' expects false: the dump has "
                         "physical addresses only");
        return;
    }
    if (has_begin != has_length) {
        error_setg(errp, "Parameter '%s' is missing",
                   has_begin ? "length" : "begin");
        return;
    }
    if (has_begin && (begin < 0 || length <= 0 ||
                      begin > INT64_MAX - length)) {
        error_setg(errp, "Parameters 'begin' and 'length' are no range of "
                         "memory");
        return;
    }
    dump.fd = open_target(protocol, errp);
    if (dump.fd < 0) {
        return;
    }
    dump.begin = has_begin ? begin : 0;
    dump.end = has_begin ? (uint64_t)begin + length : UINT64_MAX;
    atomic_store(&dump.written, 0);
    dump.resume = runstate_is_running();
    if (dump.resume) {
        vm_stop(RUN_STATE_SAVE_VM);
    }
    collect_ranges();
    if (!dump.ranges->len) {
        error_setg(errp, "dump: no guest memory to dump");
        free_ranges();
        close(dump.fd);
        dump.status = DUMP_STATUS_FAILED;
        if (dump.resume) {
            vm_start();
        }
        return;
    }
    make_head();
    dump.status = DUMP_STATUS_ACTIVE;
    if (has_detach && detach) {
        pool_submit(loop_main(), write_dump, finish, NULL);
    } else {
        int ret = write_dump(NULL);

        finish(NULL, ret);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "dump: failed to write");
        }
    }
}

DumpQueryResult *qmp_query_dump(Error **errp)
{
    DumpQueryResult *r = g_new(DumpQueryResult, 1);

    *r = result();
    return r;
}

DumpGuestMemoryCapability *
qmp_query_dump_guest_memory_capability(Error **errp)
{
    DumpGuestMemoryCapability *cap = g_new0(DumpGuestMemoryCapability, 1);
    DumpGuestMemoryFormatList **tail = &cap->formats;

    QAPI_LIST_APPEND(tail, DUMP_GUEST_MEMORY_FORMAT_ELF);
    return cap;
}
