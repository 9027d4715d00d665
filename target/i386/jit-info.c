/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watching the JIT: -d out_asm, -perfmap, info jit.
 */
#include "osdep.h"
#include "jit-int.h"
#include "exec/accel.h"
#include "util/log.h"

/* The host code beside the guest's, then its slow paths. */
void jit_log_code(struct jit *j, const struct jblk *jb)
{
    char text[128];
    const uint8_t *p = j->rw + jb->start, *end = j->rw + jb->end;
    unsigned i = 0;

    log_printf("OUT: [size=%u]\n", jb->end - jb->start + jb->cold_end -
                                       jb->cold);
    for (int part = 0; part < 2; part++) {
        while (p < end) {
            while (!part && i < jb->n &&
                   p - (j->rw + jb->start) >= JIT_OFF(jb->off[i])) {
                disas_insn(text, sizeof(text), jb->in[i], jb->va + jb->pos[i],
                           jb->b->key & KEY_L ? DECODE_64 : DECODE_32);
                log_printf("  -- 0x%016" PRIx64 ": %s\n", jb->va + jb->pos[i],
                           text);
                i++;
            }
            int len = disas_bytes(text, sizeof(text), p, (size_t)(end - p),
                                  (uintptr_t)j->rx + (uintptr_t)(p - j->rw),
                                  DECODE_64);
            log_printf("0x%08" PRIxPTR ":  ",
                       (uintptr_t)j->rx + (uintptr_t)(p - j->rw));
            for (int k = 0; k < len; k++) {
                log_printf("%02x", p[k]);
            }
            log_printf("%*s%s\n", 22 - 2 * len > 0 ? 22 - 2 * len : 1, "",
                       text);
            p += MAX(len, 1);
        }
        p = j->rw + jb->cold;
        end = j->rw + jb->cold_end;
        if (!part && p < end) {
            log_printf("  -- slow paths\n");
        }
    }
}

/*
 * For Linux perf, which asks /tmp/perf-PID.map what anonymous executable
 * memory is (tools/perf/Documentation/jit-interface.txt).  Memory is used
 * again after a flush: perf then shows the name that came last.
 */
static void perf_name(struct jit *j, const struct jblk *jb)
{
    static FILE *map;
    static Mutex lock = MUTEX_INITIALIZER;
    LOCK_GUARD(&lock);

    if (!map) {
        g_autofree char *name = g_strdup_printf("/tmp/perf-%d.map", getpid());

        map = fopen(name, "we");
        if (!map) {
            warn_report("cannot create %s: %s", name, strerror(errno));
            accel_perfmap = false;
            return;
        }
    }
    fprintf(map, "%" PRIxPTR " %x guest-%" PRIx64 "\n",
            (uintptr_t)j->rx + jb->start, jb->end - jb->start, jb->va);
    fprintf(map, "%" PRIxPTR " %x guest-%" PRIx64 "-slow\n",
            (uintptr_t)j->rx + jb->cold, jb->cold_end - jb->cold, jb->va);
    fflush(map);
}

void jit_tell(struct jit *j, const struct jblk *jb)
{
    if (log_enabled(LOG_TB_OUT_ASM)) {
        jit_log_code(j, jb);
    }
    if (unlikely(accel_perfmap)) {
        perf_name(j, jb);
    }
}

void jit_info(GString *out)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        struct jit *j = cpu_env(cs) ? cpu_env(cs)->jit : NULL;

        if (!j) {
            continue;
        }
        g_string_append_printf(out,
            "CPU #%d\n"
            "gen code size       %u/%zu\n"
            "TB count            %u\n"
            "guest instructions  %" PRIu64 " in %" PRIu64 " blocks\n"
            "host bytes          %" PRIu64 " hot, %" PRIu64 " cold\n"
            "TB flush count      %" PRIu64 "\n"
            "TB invalidate count %" PRIu64 "\n"
            "entries %" PRIu64 ", links %" PRIu64 ", jump cache misses %"
            PRIu64 "\n"
            "slot misses %" PRIu64 ", accesses taken out %" PRIu64 "\n"
            "interpreted %" PRIu64 ", of which branches %" PRIu64
            ", leaving %" PRIu64 "; host faults %" PRIu64 "\n",
            cs->cpu_index, j->hot + j->cold - j->hot_end, j->size, j->nblks,
            j->n_guest, j->n_blocks, j->n_host, j->n_cold, j->n_flush,
            j->n_stale, j->n_enter, j->n_link, j->n_ind,
            j->slot_misses, j->n_hashed, j->n_slow,
            j->n_branch, j->n_leave, j->n_fault);
        if (j->lockstep) {
            g_string_append_printf(out,
                "lockstep: %" PRIu64 " compared, %" PRIu64 " not foretold, %"
                PRIu64 " moved, %" PRIu64 " differ\n", j->n_checked,
                j->n_unknown, j->n_moved, j->n_differ);
        }
        uint64_t seen = UINT64_MAX;
        for (int k = 0; k < 12; k++) {
            unsigned best = 0;
            uint64_t top = 0;
            for (unsigned i = 0; i < OP_COUNT; i++) {
                if (j->slow_by_op[i] < seen && j->slow_by_op[i] > top) {
                    top = j->slow_by_op[i];
                    best = i;
                }
            }
            if (!top) {
                break;
            }
            g_string_append_printf(out, "  %-12s %" PRIu64 "\n",
                                   x86_op_names[best], top);
            seen = top;
        }
    }
}
