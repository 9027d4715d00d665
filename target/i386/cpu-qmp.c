/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that need the CPU's translation. */
#include "osdep.h"
#include "cpu.h"
#include "qapi/qapi-commands.h"
#include "util/fdset.h"

/* Copies @size bytes at the CPU's virtual @addr to @filename. */
void qmp_memsave(int64_t addr, int64_t size, const char *filename,
                 bool has_cpu_index, int64_t cpu_index, Error **errp)
{
    CPUState *cs = has_cpu_index && (cpu_index < 0 || cpu_index > INT_MAX)
                       ? NULL : cpu_by_index(has_cpu_index ? cpu_index : 0);
    vaddr at = addr;
    int fd;

    if (!cs) {
        error_setg(errp, "Parameter 'cpu-index' expects a CPU number");
        return;
    }
    if (size < 0) {
        error_setg(errp, "Parameter 'size' expects a non-negative value");
        return;
    }
    fd = open_path(filename, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", filename);
        return;
    }
    cpus_synchronize_all();
    while (size) {
        uint8_t buf[4096];
        int64_t n = MIN(size, (int64_t)(sizeof(buf) - at % sizeof(buf)));
        hwaddr phys;

        if (!x86_translate_debug(X86_CPU(cs)->env, at, &phys)) {
            error_setg(errp, "Invalid addr 0x%016" PRIx64 "/size %" PRId64
                       " specified", (uint64_t)at, size);
            break;
        }
        address_space_read(cs->as, phys, MEMTXATTRS_UNSPECIFIED, buf, n);
        if (RETRY_ON_EINTR(write(fd, buf, n)) != n) {
            error_setg_errno(errp, errno, "Could not write '%s'", filename);
            break;
        }
        at += n;
        size -= n;
    }
    close(fd);
}
