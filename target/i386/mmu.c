/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MMU of the software engine: page walks, the TLB, and every guest memory
 * access that is not a plain hit.  After the Intel SDM vol. 3, chapters 4
 * (paging) and 5.12 (privilege), and the AMD APM vol. 2 chapter 5.
 *
 * Invariants:
 *  1. A tag is valid only for plain RAM that the mode may access: tag_w not
 *     for ROM, clean PTEs, code pages and logged pages not yet marked dirty;
 *     neither for MMIO and watched pages.
 *  2. A vCPU's tables are written by its own thread, or by another while all
 *     are out of guest code (cpu_exclusive).
 *  3. A miss always walks again, so permissions may be raised without INVLPG.
 */
#include "osdep.h"
#include "jit-check.h"
#include "util/log.h"
#include "util/rcu.h"

#define PTE_P   BIT(0)
#define PTE_W   BIT(1)
#define PTE_U   BIT(2)
#define PTE_A   BIT(5)
#define PTE_D   BIT(6)
#define PTE_PS  BIT(7)
#define PTE_G   BIT(8)
#define PTE_NX  BIT(63)

#define PF_P    1u
#define PF_W    2u
#define PF_U    4u
#define PF_RSVD 8u
#define PF_I    16u

enum access { ACC_READ, ACC_WRITE, ACC_FETCH };

MemoryRegion *x86_smram_root;
bool x86_no_smm;
static AddressSpace smm_as;
static bool smm_as_made;

/* All entries invalid: where alignment is checked, nothing may hit. */
static struct tlbe poison_table[TLB_SIZE];

static void tlb_poison(struct tlbe *t, unsigned i)
{
    t->tag_r = t->tag_w = (uint64_t)(i ^ 1) << 12;
    t->addend = t->host = 0;
}

AddressSpace *x86_cpu_as(CPUX86State *env)
{
    if (likely(!env->x.in_smm) || !smm_as_made) {
        return &address_space_memory;
    }
    return &smm_as;
}

AddressSpace *x86_smm_as(void)
{
    return smm_as_made ? &smm_as : NULL;
}

/* SMRAM covers the ordinary view; made when a CPU first needs it.  BQL. */
void x86_smm_as_init(void)
{
    static MemoryRegion root, all;

    if (smm_as_made || !x86_smram_root) {
        return;
    }
    memory_region_init(&root, NULL, "smm-view", UINT64_MAX);
    memory_region_init_alias(&all, NULL, "smm-memory", system_memory(), 0,
                             UINT64_MAX);
    memory_region_add_subregion(&root, 0, &all);
    memory_region_add_subregion_overlap(&root, 0, x86_smram_root, 1);
    address_space_init(&smm_as, &root, "cpu-smm");
    smm_as_made = true;
}

/*
 * Physical accesses of the walker.
 */
static void phys_cache_clear(CPUX86State *env)
{
    for (unsigned i = 0; i < ARRAY_SIZE(env->phys_cache); i++) {
        env->phys_cache[i].page = ~UINT64_C(0);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(env->phys_range); i++) {
        env->phys_range[i].size = 0;
    }
}

static const struct phys_page *phys_find(CPUX86State *env, hwaddr pa)
{
    hwaddr page = pa & ~UINT64_C(0xfff);
    struct phys_page *p =
        &env->phys_cache[(page >> 12) % ARRAY_SIZE(env->phys_cache)];

    if (likely(p->page == page)) {
        return p;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(env->phys_range); i++) {
        const struct phys_range *r = &env->phys_range[i];
        if (page - r->start < r->size) {
            *p = (struct phys_page){ page, r->host + (page - r->start),
                                     r->ram_offset + (page - r->start),
                                     r->readonly };
            return p;
        }
    }
    rcu_read_lock();
    MemorySection s = address_space_lookup(x86_cpu_as(env), page);
    p->page = page;
    p->host = NULL;
    p->ram_offset = ~UINT64_C(0);
    p->readonly = true;
    /* A region that ends or starts inside the page is treated as MMIO. */
    if (memory_section_is_ram(&s) && s.size >= 4096 && s.mr->ram &&
        !(s.offset_in_region & 0xfff)) {
        p->host = s.mr->ram->host + s.offset_in_region;
        p->ram_offset = s.mr->ram->offset + s.offset_in_region;
        p->readonly = s.readonly || s.mr->kind != MR_RAM;
        /* From here to the section's end, by whole pages. */
        env->phys_range[env->phys_next++ % ARRAY_SIZE(env->phys_range)] =
            (struct phys_range){ page, ROUND_DOWN(s.size, 4096), p->host,
                                 p->ram_offset, p->readonly };
    }
    rcu_read_unlock();
    return p;
}

static uint64_t host_ld(const void *p, unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile uint16_t *)p;
    case 4:
        return *(const volatile uint32_t *)p;
    default:
        return *(const volatile uint64_t *)p;
    }
}

static void host_st(void *p, uint64_t val, unsigned size)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)p = val;
        break;
    case 2:
        *(volatile uint16_t *)p = val;
        break;
    case 4:
        *(volatile uint32_t *)p = val;
        break;
    default:
        *(volatile uint64_t *)p = val;
    }
}

/* Devices are reached with the BQL, out of guest code. */
static bool device_enter(CPUX86State *env)
{
    if (bql_locked()) {
        return false;
    }
    cpu_guest_leave(&env->cpu->parent);
    bql_lock();
    return true;
}

static void device_leave(CPUX86State *env, bool entered)
{
    if (entered) {
        bql_unlock();
        x86_guest_reenter(env);
    }
}

static uint64_t io_ld(CPUX86State *env, hwaddr pa, unsigned size)
{
    bool e = device_enter(env);
    uint64_t val = 0;

    if (size & (size - 1)) {
        for (unsigned i = 0; i < size; i++) {
            val |= address_space_ld(x86_cpu_as(env), pa + i, 1,
                                    MEMTXATTRS_CPU, NULL) << (8 * i);
        }
    } else {
        val = address_space_ld(x86_cpu_as(env), pa, size, MEMTXATTRS_CPU,
                               NULL);
    }
    device_leave(env, e);
    return val;
}

static void io_st(CPUX86State *env, hwaddr pa, uint64_t val, unsigned size)
{
    bool e = device_enter(env);

    if (size & (size - 1)) {
        for (unsigned i = 0; i < size; i++) {
            address_space_st(x86_cpu_as(env), pa + i, 1, val >> (8 * i) & 0xff,
                             MEMTXATTRS_CPU);
        }
    } else {
        address_space_st(x86_cpu_as(env), pa, size, val, MEMTXATTRS_CPU);
    }
    device_leave(env, e);
}

/* A store to RAM by slow paths: dirty marks and code after the bytes. */
static void ram_stored(uint64_t ram_offset, uint64_t size)
{
    ram_set_dirty(ram_offset, size);
    atomic_thread_fence(memory_order_seq_cst); /* x86_code_written() */
    if (x86_page_has_code(ram_offset)) {
        x86_code_written(ram_offset, size);
    }
}

uint64_t x86_phys_ld(CPUX86State *env, hwaddr pa, unsigned size)
{
    pa &= env->a20_mask;
    const struct phys_page *p = phys_find(env, pa);

    if (likely(p->host) && (pa & 0xfff) + size <= 4096) {
        return host_ld(p->host + (pa & 0xfff), size);
    }
    return io_ld(env, pa, size);
}

void x86_phys_st(CPUX86State *env, hwaddr pa, uint64_t val, unsigned size)
{
    pa &= env->a20_mask;
    const struct phys_page *p = phys_find(env, pa);

    if (likely(p->host && !p->readonly) && (pa & 0xfff) + size <= 4096) {
        host_st(p->host + (pa & 0xfff), val, size);
        ram_stored(p->ram_offset + (pa & 0xfff), size);
        return;
    }
    io_st(env, pa, val, size);
}

/* Sets bits in a PTE if it still reads @old; false: walk again. */
static bool pte_set_bits(CPUX86State *env, hwaddr pa, uint64_t old,
                         uint64_t bits, unsigned size)
{
    pa &= env->a20_mask;
    const struct phys_page *p = phys_find(env, pa);

    if (!p->host) {
        io_st(env, pa, old | bits, size);
        return true;
    }
    if (p->readonly) {
        return true; /* ROM keeps its bits */
    }
    void *h = p->host + (pa & 0xfff);
    bool ok;
    if (size == 8) {
        uint64_t exp = old;
        ok = __atomic_compare_exchange_n((uint64_t *)h, &exp, old | bits,
                                         false, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST);
    } else {
        uint32_t exp = old;
        ok = __atomic_compare_exchange_n((uint32_t *)h, &exp,
                                         (uint32_t)(old | bits), false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    if (ok) {
        ram_stored(p->ram_offset + (pa & 0xfff), size);
    }
    return ok;
}

/*
 * The walk.
 */
struct walk {
    hwaddr phys;        /* of the byte asked for */
    bool w, u, nx, global, dirty;
    unsigned shift;     /* 12, 21, 22, 30 */
};

static bool access_ok(CPUX86State *env, const struct walk *w, enum access acc,
                      int mode)
{
    if (mode == MMU_USER) {
        return w->u && (acc != ACC_WRITE || w->w) &&
               (acc != ACC_FETCH || !w->nx);
    }
    if (acc == ACC_FETCH) {
        return !w->nx && !(w->u && (env->x.cr4 & CR4_SMEP));
    }
    if (mode == MMU_KSMAP && w->u) {
        return false;
    }
    return acc != ACC_WRITE || w->w || !(env->x.cr0 & CR0_WP);
}

/*
 * True: @w is filled and, unless @probe, A and D are set.  False: *err is the
 * page fault's code (without probe's having touched anything).
 */
static bool walk(CPUX86State *env, vaddr lin, enum access acc, int mode,
                 bool probe, struct walk *w, uint32_t *err)
{
    bool pae = env->x.cr4 & CR4_PAE, lma = env->x.efer & EFER_LMA;
    bool nxe = (env->x.efer & EFER_NXE) && pae;
    hwaddr pa[4];
    uint64_t pte[4];
    unsigned n, size = pae ? 8 : 4, level, shift;
    uint64_t table, rsvd;

    *err = (acc == ACC_WRITE ? PF_W : 0) | (mode == MMU_USER ? PF_U : 0) |
           (acc == ACC_FETCH && (nxe || (env->x.cr4 & CR4_SMEP)) ? PF_I : 0);
again:
    n = 0;
    w->w = w->u = true;
    w->nx = false;
    if (!pae) {
        lin = (uint32_t)lin;
        table = env->x.cr3 & 0xfffff000;
        level = 2;
    } else if (!lma) {
        lin = (uint32_t)lin;
        table = env->x.pdpte[lin >> 30];
        if (!(table & PTE_P)) {
            return false;
        }
        table &= env->phys_mask & ~UINT64_C(0xfff);
        level = 2;
    } else {
        table = env->x.cr3 & env->phys_mask & ~UINT64_C(0xfff);
        level = 4;
    }
    for (;; level--) {
        uint64_t e;

        if (pae) {
            shift = 12 + 9 * (level - 1);
            pa[n] = table + (lin >> shift & 511) * 8;
        } else {
            shift = 12 + 10 * (level - 1);
            pa[n] = table + (lin >> shift & 1023) * 4;
        }
        e = x86_phys_ld(env, pa[n], size);
        pte[n++] = e;
        if (!(e & PTE_P)) {
            return false;
        }
        bool leaf = level == 1;
        if (pae) {
            rsvd = ~env->phys_mask & UINT64_C(0x000ffffffffff000);
            if (!lma) {
                rsvd |= UINT64_C(0x7ff0000000000000);
            }
            if (!nxe) {
                rsvd |= PTE_NX;
            }
            if (level == 4) {
                rsvd |= PTE_PS;
            } else if (level == 3 && !x86_has(env, FW_8_1_EDX, 26)) {
                rsvd |= PTE_PS;
            } else if (level > 1 && (e & PTE_PS)) {
                leaf = true;
                rsvd |= level == 3 ? 0x3fffe000 : 0x1fe000;
            }
            w->nx |= e >> 63;
        } else {
            rsvd = 0;
            if (level == 2 && (e & PTE_PS) && (env->x.cr4 & CR4_PSE)) {
                leaf = true;
                rsvd = BIT(21);
                /* Address bits beyond 32 (PSE-36) the CPU does not have. */
                rsvd |= ((~env->phys_mask >> 32) & 0xff) << 13;
            }
        }
        if (e & rsvd) {
            *err |= PF_P | PF_RSVD;
            return false;
        }
        w->w &= e >> 1 & 1;
        w->u &= e >> 2 & 1;
        if (leaf) {
            break;
        }
        table = pae ? e & env->phys_mask & UINT64_C(0x000ffffffffff000)
                    : e & 0xfffff000;
    }
    uint64_t leaf = pte[n - 1];
    uint64_t frame;
    if (pae) {
        frame = leaf & env->phys_mask & UINT64_C(0x000ffffffffff000);
    } else if (shift == 22) {
        frame = (leaf & 0xffc00000) | BITS(leaf, 20, 13) << 32;
    } else {
        frame = leaf & 0xfffff000;
    }
    frame &= ~(BIT(shift) - 1);
    w->shift = shift;
    w->phys = frame | (lin & (BIT(shift) - 1));
    w->global = (leaf & PTE_G) && (env->x.cr4 & CR4_PGE);
    w->dirty = leaf & PTE_D;
    if (!access_ok(env, w, acc, mode)) {
        *err |= PF_P;
        return false;
    }
    if (probe) {
        return true;
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t want = PTE_A | (i == n - 1 && acc == ACC_WRITE ? PTE_D : 0);
        if ((pte[i] & want) != want) {
            if (!pte_set_bits(env, pa[i], pte[i], want, size)) {
                goto again;
            }
            w->dirty |= want & PTE_D;
        }
    }
    return true;
}

/* The page's translation; raises. */
static void translate(CPUX86State *env, vaddr lin, enum access acc, int mode,
                      struct walk *w)
{
    uint32_t err;

    if (!(env->x.cr0 & CR0_PG)) {
        *w = (struct walk){ .phys = (uint32_t)lin, .w = true, .u = true,
                            .dirty = true, .shift = 12 };
        return;
    }
    if (!walk(env, lin, acc, mode, false, w, &err)) {
        log_mask(LOG_MMU, "mmu: #PF at 0x%" PRIx64 " error 0x%x mode %d\n",
                 lin, err, mode);
        x86_raise_pf(env, lin, err);
    }
}

bool x86_translate_debug(CPUX86State *env, vaddr lin, hwaddr *phys)
{
    struct walk w;
    uint32_t err;

    if (!(env->x.cr0 & CR0_PG)) {
        *phys = (uint32_t)lin & env->a20_mask;
        return true;
    }
    /* As the kernel without SMAP and SMEP in the way. */
    if (!walk(env, lin, ACC_READ, MMU_KERNEL, true, &w, &err)) {
        return false;
    }
    *phys = w.phys & env->a20_mask;
    return true;
}

static bool page_watched(CPUX86State *env, vaddr page)
{
    if (likely(!env->watch_any)) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        unsigned rw = env->x.dr[7] >> (16 + 4 * i) & 3;
        if ((env->x.dr[7] >> (2 * i) & 3) && (rw & 1) &&
            ((env->x.dr[i] ^ page) & env->a_mask) < 4096) {
            return true;
        }
    }
    for (guint i = 0; env->gdb_wp && i < env->gdb_wp->len; i++) {
        const struct x86_watch *wp =
            &g_array_index(env->gdb_wp, struct x86_watch, i);
        if (wp->addr < page + 4096 && wp->addr + wp->len > page) {
            return true;
        }
    }
    return false;
}

/* Notes DR7 and gdb data watchpoints that an access met. */
static void check_watch(CPUX86State *env, vaddr lin, unsigned size, bool write)
{
    for (int i = 0; i < 4; i++) {
        unsigned ctl = env->x.dr[7] >> (16 + 4 * i);
        unsigned rw = ctl & 3;
        static const uint8_t lens[4] = { 1, 2, 8, 4 };
        unsigned len = lens[ctl >> 2 & 3];
        vaddr at = env->x.dr[i] & ~(uint64_t)(len - 1);

        if ((rw == 3 || (rw == 1 && write)) && lin < at + len &&
            lin + size > at) {
            env->watch_hit |= BIT(i);
            x86_break(env);
        }
    }
    for (guint i = 0; env->gdb_wp && i < env->gdb_wp->len; i++) {
        const struct x86_watch *wp =
            &g_array_index(env->gdb_wp, struct x86_watch, i);
        if (lin < wp->addr + wp->len && lin + size > wp->addr &&
            (wp->type == 4 || (wp->type == 2) == write)) {
            env->gdb_watch_addr = wp->addr;
            env->gdb_watch_type = wp->type;
            x86_break(env);
        }
    }
}

static NO_VECTORS unsigned hash_2m(vaddr lin)
{
    return (lin >> 21 ^ lin >> 33) % (64 * ARRAY_SIZE(
        ((CPUX86State *)NULL)->large_2m));
}

static unsigned hash_code(vaddr lin)
{
    return (lin >> 12 ^ lin >> 23) % (64 * ARRAY_SIZE(
        ((CPUX86State *)NULL)->code_pages));
}

/* Fills the entry of @lin in @mode; raises when not allowed. */
static struct tlb_info *tlb_fill(CPUX86State *env, vaddr lin, enum access acc,
                                 int mode)
{
    struct walk w;
    unsigned i = (lin >> 12) & (TLB_SIZE - 1);
    struct tlbe *t = &env->tlb[mode][i];
    struct tlb_info *info = &env->tlb_info[mode][i];
    vaddr page = lin & ~UINT64_C(0xfff);

    translate(env, lin, acc, mode, &w);
    tlb_poison(t, i);
    info->vpage = page;
    info->phys = (w.phys & ~UINT64_C(0xfff)) & env->a20_mask;
    info->flags = TLB_VALID | (w.global ? TLB_GLOBAL : 0) |
                  (w.shift > 12 ? TLB_LARGE : 0);
    if (w.shift > 12) {
        if (w.shift == 21) {
            unsigned k = hash_2m(lin);
            env->large_2m[k / 64] |= BIT(k % 64);
        } else {
            env->large_1g |= BIT((lin >> 30) & 63);
        }
    }
    if (!w.global) {
        unsigned n = env->fill_count[mode]++;
        if (n < TLB_LOG) {
            env->fill_log[mode][n] = i;
        }
    }
    bool read = access_ok(env, &w, ACC_READ, mode);
    bool write = w.dirty && access_ok(env, &w, ACC_WRITE, mode) && read;
    if (access_ok(env, &w, ACC_FETCH, mode)) {
        info->flags |= TLB_EXEC;
    }
    if (write) {
        info->flags |= TLB_WRITE;
    }
    if (read) {
        info->flags |= TLB_READ;
    }

    const struct phys_page *p = phys_find(env, info->phys);
    info->ram_offset = p->ram_offset;
    if (!p->host) {
        info->flags |= TLB_MMIO;
        return info;
    }
    t->host = (uint64_t)(uintptr_t)p->host;
    t->addend = t->host - page;
    if (p->readonly) {
        info->flags |= TLB_ROM;
        write = false;
    }
    if (page_watched(env, page)) {
        info->flags |= TLB_WATCH;
        return info;
    }
    if (read) {
        t->tag_r = page;
        if (write && acc == ACC_WRITE && !x86_page_has_code(p->ram_offset)) {
            /* From now on stores are not seen: the log learns of the page
             * now, and again when it is synchronized. */
            ram_will_dirty(p->ram_offset);
            atomic_store_explicit(&env->logged, true, memory_order_relaxed);
            t->tag_w = page;
            x86_tlb_note_writer(env, mode, i);
        }
    }
    return info;
}

bool x86_tlb_refill(CPUX86State *env, vaddr lin, uint32_t write)
{
    uint64_t cr4 = env->x.cr4, table, e = 0, bits = PTE_W | PTE_U;
    uint64_t need = PTE_P | PTE_A, nx = 0;
    const struct phys_range *r = NULL;
    int mode = env->mmu_idx;
    unsigned shift = 39, i = (lin >> 12) & (TLB_SIZE - 1);
    vaddr page = lin & ~UINT64_C(0xfff);
    const struct tlbe *old = &env->tlb[mode][i];

    /* An entry that is there: the access reaches into the next page. */
    if ((write ? old->tag_w : old->tag_r) == page ||
        !(env->x.cr0 & CR0_PG) || !(env->x.efer & EFER_LMA) ||
        !(env->x.efer & EFER_NXE) || (cr4 & CR4_LA57) || env->watch_any ||
        env->align_check || (uint64_t)((int64_t)lin >> 47) + 1 > 1) {
        return false;
    }
#ifdef __clang__
    if (env->v_live) {
        return false;
    }
#endif
    table = env->x.cr3 & ~UINT64_C(0xfff);
    for (;; shift -= 9) {
        hwaddr pa = ((table & UINT64_C(0x000ffffffffff000)) |
                     (lin >> shift & 511) << 3) & env->a20_mask;
        for (r = env->phys_range;; r++) {
            if (r == env->phys_range + ARRAY_SIZE(env->phys_range)) {
                return false;
            }
            if (pa - r->start < r->size) {
                break;
            }
        }
        e = *(const volatile uint64_t *)(r->host + (pa - r->start));
        if ((e & need) != need ||
            (e & ~env->phys_mask & UINT64_C(0x000ffffffffff000))) {
            return false;
        }
        bits &= e;
        nx |= e;
        if (shift == 12) {
            break;
        }
        if (e & PTE_PS) {
            if (shift != 21 || (e & 0x1fe000)) {
                return false; /* 1 GB pages, reserved bits */
            }
            break;
        }
        table = e;
    }
    /* Rights, as in access_ok(). */
    bool w = bits & PTE_W, u = bits & PTE_U, exec;
    if (mode == MMU_USER ? !u : mode == MMU_KSMAP && u) {
        return false;
    }
    w = (w || (mode != MMU_USER && !(env->x.cr0 & CR0_WP))) && (e & PTE_D);
    exec = !(nx >> 63) && !(mode != MMU_USER && u && (cr4 & CR4_SMEP));
    if (write && !w) {
        return false;
    }
    hwaddr phys = ((e & UINT64_C(0x000ffffffffff000)) &
                   ~(BIT(shift) - 1)) | (page & (BIT(shift) - 1));
    phys &= env->a20_mask;
    for (r = env->phys_range;; r++) {
        if (r == env->phys_range + ARRAY_SIZE(env->phys_range)) {
            return false;
        }
        if (phys - r->start < r->size) {
            break;
        }
    }
    uint64_t ram = r->ram_offset + (phys - r->start);
    if (write && (r->readonly || x86_page_has_code(ram))) {
        return false;
    }
    struct tlbe *t = &env->tlb[mode][i];
    struct tlb_info *info = &env->tlb_info[mode][i];
    bool global = (e & PTE_G) && (cr4 & CR4_PGE);

    t->tag_w = (uint64_t)(i ^ 1) << 12;
    info->vpage = page;
    info->phys = phys;
    info->ram_offset = ram;
    info->flags = TLB_VALID | TLB_READ | (w ? TLB_WRITE : 0) |
                  (exec ? TLB_EXEC : 0) | (global ? TLB_GLOBAL : 0) |
                  (r->readonly ? TLB_ROM : 0) | (shift > 12 ? TLB_LARGE : 0);
    if (shift > 12) {
        unsigned k = hash_2m(lin);
        env->large_2m[k / 64] |= BIT(k % 64);
    }
    if (!global) {
        unsigned n = env->fill_count[mode]++;
        if (n < TLB_LOG) {
            env->fill_log[mode][n] = i;
        }
    }
    t->host = (uint64_t)(uintptr_t)(r->host + (phys - r->start));
    t->addend = t->host - page;
    t->tag_r = page;
    if (write) {
        ram_will_dirty(ram);
        atomic_store_explicit(&env->logged, true, memory_order_relaxed);
        t->tag_w = page;
        x86_tlb_note_writer(env, mode, i);
    }
    return true;
}

struct tlbe *x86_tlb_none(void)
{
    return poison_table;
}

void *x86_shadow_host(CPUX86State *env, vaddr lin, bool write, int mode)
{
    unsigned i = (lin >> 12) & (TLB_SIZE - 1);
    const struct tlb_info *info = &env->tlb_info[mode][i];
    uint16_t need = TLB_VALID | (write ? TLB_WRITE : TLB_READ);
    hwaddr phys = (uint32_t)lin;
    struct walk w;
    uint32_t err;

    if (info->vpage == (lin & ~UINT64_C(0xfff)) &&
        (info->flags & need) == need) {
        phys = info->phys | (lin & 0xfff);
    } else if (env->x.cr0 & CR0_PG) {
        if (!walk(env, lin, write ? ACC_WRITE : ACC_READ, mode, true, &w,
                  &err)) {
            return NULL;
        }
        phys = w.phys;
    }
    const struct phys_page *p = phys_find(env, phys & env->a20_mask);
    if (!p->host || page_watched(env, lin & ~UINT64_C(0xfff)) ||
        (write && (p->readonly || x86_page_has_code(p->ram_offset)))) {
        return NULL;
    }
    return p->host + (lin & 0xfff);
}

/* The entry for an access, filled if need be. */
static inline struct tlb_info *tlb_get(CPUX86State *env, vaddr lin,
                                       enum access acc, int mode)
{
    unsigned i = (lin >> 12) & (TLB_SIZE - 1);
    struct tlb_info *info = &env->tlb_info[mode][i];

    if (unlikely(env->shadow)) {
        if (!x86_shadow_host(env, lin, acc == ACC_WRITE, mode)) {
            x86_shadow_stop(env);
        }
        return info;
    }
    static const uint16_t need[] = { TLB_VALID | TLB_READ,
                                    TLB_VALID | TLB_WRITE,
                                    TLB_VALID | TLB_EXEC };

    if (info->vpage == (lin & ~UINT64_C(0xfff)) &&
        (info->flags & need[acc]) == need[acc]) {
        if (acc == ACC_WRITE && !(info->flags & (TLB_MMIO | TLB_ROM |
                                                 TLB_WATCH)) &&
            env->tlb[mode][i].tag_w != info->vpage &&
            !x86_page_has_code(info->ram_offset)) {
            return tlb_fill(env, lin, acc, mode); /* a tag withheld before */
        }
        return info;
    }
    return tlb_fill(env, lin, acc, mode);
}

NORETURN static void raise_noncanonical(CPUX86State *env, vaddr lin)
{
    x86_raise_err(env, x86_cur_is_stack(env, lin) ? EXCP_SS : EXCP_GP, 0);
}

static inline bool canonical(vaddr a)
{
    return (uint64_t)((int64_t)a >> 47) + 1 <= 1;
}

static inline uint8_t *page_host(CPUX86State *env, vaddr lin, int mode)
{
    unsigned i = (lin >> 12) & (TLB_SIZE - 1);

    return (uint8_t *)(uintptr_t)env->tlb[mode][i].host + (lin & 0xfff);
}

/* Inside one page. */
static uint64_t ld_page(CPUX86State *env, vaddr lin, unsigned size, int mode)
{
    if (unlikely(env->shadow)) {
        return x86_shadow_ld(env, lin, size, mode);
    }
    struct tlb_info *info = tlb_get(env, lin, ACC_READ, mode);
    uint16_t f = info->flags;
    uint64_t val = 0;

    if (unlikely(f & TLB_MMIO)) {
        hwaddr pa = info->phys | (lin & 0xfff);
        val = io_ld(env, pa, size);
    } else {
        const uint8_t *h = page_host(env, lin, mode);
        if (likely(!(size & (size - 1)))) {
            val = host_ld(h, size);
        } else {
            for (unsigned i = 0; i < size; i++) {
                val |= (uint64_t)h[i] << (8 * i);
            }
        }
    }
    if (unlikely(f & TLB_WATCH) || unlikely(env->watch_any)) {
        check_watch(env, lin, size, false);
    }
    return val;
}

static void st_page(CPUX86State *env, vaddr lin, uint64_t val, unsigned size,
                    int mode)
{
    if (unlikely(env->shadow)) {
        x86_shadow_st(env, lin, val, size, mode);
        return;
    }
    struct tlb_info *info = tlb_get(env, lin, ACC_WRITE, mode);
    uint16_t f = info->flags;
    uint64_t ram = info->ram_offset + (lin & 0xfff);

    if (unlikely(f & (TLB_MMIO | TLB_ROM))) {
        io_st(env, info->phys | (lin & 0xfff), val, size);
    } else {
        uint8_t *h = page_host(env, lin, mode);
        if (likely(!(size & (size - 1)))) {
            host_st(h, val, size);
        } else {
            for (unsigned i = 0; i < size; i++) {
                h[i] = val >> (8 * i);
            }
        }
        if (env->tlb[mode][(lin >> 12) & (TLB_SIZE - 1)].tag_w !=
            info->vpage) {
            ram_set_dirty(ram, size);
            atomic_thread_fence(memory_order_seq_cst);
            if (x86_page_has_code(ram)) {
                x86_code_written(ram, size);
                x86_break(env);
            }
        }
    }
    if (unlikely(f & TLB_WATCH) || unlikely(env->watch_any)) {
        check_watch(env, lin, size, true);
    }
}

static void check_lin(CPUX86State *env, vaddr lin, unsigned size, int mode)
{
    if (env->code64) {
        if (unlikely(!canonical(lin)) || unlikely(!canonical(lin + size - 1))) {
            raise_noncanonical(env, lin);
        }
    }
    if (unlikely(env->align_check) && mode == MMU_USER &&
        (lin & (size - 1) & 7)) {
        x86_raise_err(env, EXCP_AC, 0);
    }
}

static uint64_t ld_mode(CPUX86State *env, vaddr lin, unsigned size, int mode)
{
    unsigned first = 4096 - (lin & 0xfff);

    if (likely(size <= first)) {
        return ld_page(env, lin, size, mode);
    }
    vaddr lin2 = (lin + first) & env->a_mask;
    /* Both pages are checked before a device sees a read. */
    tlb_get(env, lin, ACC_READ, mode);
    tlb_get(env, lin2, ACC_READ, mode);
    uint64_t lo = ld_page(env, lin, first, mode);
    return lo | ld_page(env, lin2, size - first, mode) << (8 * first);
}

static void st_mode(CPUX86State *env, vaddr lin, uint64_t val, unsigned size,
                    int mode)
{
    unsigned first = 4096 - (lin & 0xfff);

    if (likely(size <= first)) {
        st_page(env, lin, val, size, mode);
        return;
    }
    vaddr lin2 = (lin + first) & env->a_mask;
    tlb_get(env, lin, ACC_WRITE, mode);
    tlb_get(env, lin2, ACC_WRITE, mode);
    st_page(env, lin, val, first, mode);
    st_page(env, lin2, val >> (8 * first), size - first, mode);
}

uint64_t x86_ld_slow(CPUX86State *env, vaddr lin, unsigned size)
{
    check_lin(env, lin, size, env->mmu_idx);
    return ld_mode(env, lin, size, env->mmu_idx);
}

void x86_st_slow(CPUX86State *env, vaddr lin, uint64_t val, unsigned size)
{
    check_lin(env, lin, size, env->mmu_idx);
    st_mode(env, lin, val, size, env->mmu_idx);
}

static int sys_mode(CPUX86State *env)
{
    return env->x.cr4 & CR4_SMAP ? MMU_KSMAP : MMU_KERNEL;
}

uint64_t x86_ld_sys(CPUX86State *env, vaddr lin, unsigned size)
{
    if (!(env->x.efer & EFER_LMA)) {
        lin = (uint32_t)lin;
    } else if (!canonical(lin)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    return ld_mode(env, lin, size, sys_mode(env));
}

void x86_st_sys(CPUX86State *env, vaddr lin, uint64_t val, unsigned size)
{
    if (!(env->x.efer & EFER_LMA)) {
        lin = (uint32_t)lin;
    } else if (!canonical(lin)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    st_mode(env, lin, val, size, sys_mode(env));
}

void x86_st_cpl(CPUX86State *env, vaddr lin, uint64_t val, unsigned size,
                int cpl)
{
    if (env->x.efer & EFER_LMA) {
        if (!canonical(lin) || !canonical(lin + size - 1)) {
            x86_raise_err(env, EXCP_SS, 0);
        }
    } else {
        lin = (uint32_t)lin;
    }
    st_mode(env, lin, val, size, cpl == 3 ? MMU_USER : sys_mode(env));
}

void x86_probe_sys(CPUX86State *env, vaddr lin, unsigned size, bool write)
{
    enum access acc = write ? ACC_WRITE : ACC_READ;
    int mode = sys_mode(env);

    if (!(env->x.efer & EFER_LMA)) {
        lin = (uint32_t)lin;
    }
    tlb_get(env, lin, acc, mode);
    if ((lin & 0xfff) + size > 4096) {
        tlb_get(env, (lin + size - 1) & env->a_mask & ~UINT64_C(0xfff), acc,
                mode);
    }
}

void x86_probe(CPUX86State *env, vaddr lin, unsigned size, bool write)
{
    enum access acc = write ? ACC_WRITE : ACC_READ;
    struct tlbe *t = tlb_at(env, lin);

    if (likely(lin - (write ? t->tag_w : t->tag_r) <= 4096 - size)) {
        return;
    }
    /* All of it must be canonical before a page is looked at. */
    vaddr last = (lin + size - 1) & env->a_mask;
    check_lin(env, lin, 1, env->mmu_idx);
    check_lin(env, last, 1, env->mmu_idx);
    tlb_get(env, lin, acc, env->mmu_idx);
    if ((lin & 0xfff) + size > 4096) {
        tlb_get(env, last & ~UINT64_C(0xfff), acc, env->mmu_idx);
    }
}

void x86_ld_buf(CPUX86State *env, vaddr lin, void *buf, unsigned size)
{
    struct tlbe *t = tlb_at(env, lin);
    uint64_t off = lin - t->tag_r;
    uint8_t *b = buf;

    if (likely(off <= 4096 - size)) {
        memcpy(b, (void *)(uintptr_t)(t->host + off), size);
        return;
    }
    x86_probe(env, lin, size, false);
    while (size) {
        unsigned n = MIN(size, 8);
        n = MIN(n, 4096 - (lin & 0xfff));
        if (n != 8) {
            n = n >= 4 ? 4 : n >= 2 ? 2 : 1;
        }
        uint64_t v = ld_page(env, lin, n, env->mmu_idx);
        memcpy(b, &v, n);
        b += n;
        size -= n;
        lin = (lin + n) & env->a_mask;
    }
}

void x86_st_buf(CPUX86State *env, vaddr lin, const void *buf, unsigned size)
{
    struct tlbe *t = tlb_at(env, lin);
    uint64_t off = lin - t->tag_w;
    const uint8_t *b = buf;

    if (likely(off <= 4096 - size)) {
        memcpy((void *)(uintptr_t)(t->host + off), b, size);
        return;
    }
    x86_probe(env, lin, size, true);
    while (size) {
        unsigned n = MIN(size, 8);
        n = MIN(n, 4096 - (lin & 0xfff));
        if (n != 8) {
            n = n >= 4 ? 4 : n >= 2 ? 2 : 1;
        }
        uint64_t v = 0;
        memcpy(&v, b, n);
        st_page(env, lin, v, n, env->mmu_idx);
        b += n;
        size -= n;
        lin = (lin + n) & env->a_mask;
    }
}

void *x86_rmw_host(CPUX86State *env, vaddr lin, unsigned size)
{
    struct tlbe *t = tlb_at(env, lin);

    if (likely(lin - t->tag_w <= 4096 - size)) {
        return (void *)(uintptr_t)(t->host + (lin - t->tag_w));
    }
    check_lin(env, lin, size, env->mmu_idx);
    if (unlikely(env->shadow)) {
        return x86_shadow_rmw(env, lin, size);
    }
    tlb_get(env, lin, ACC_WRITE, env->mmu_idx);
    if ((lin & 0xfff) + size > 4096) {
        tlb_get(env, (lin + size - 1) & env->a_mask & ~UINT64_C(0xfff),
                ACC_WRITE, env->mmu_idx);
        return NULL;
    }
    t = &env->tlb[env->mmu_idx][(lin >> 12) & (TLB_SIZE - 1)];
    if (lin - t->tag_w <= 4096 - size) {
        return (void *)(uintptr_t)(t->host + (lin - t->tag_w));
    }
    return NULL;
}

void x86_fetch_page(CPUX86State *env, vaddr lin, struct code_page *out)
{
    int mode = env->mmu_idx;

    if (env->code64 ? unlikely(!canonical(lin)) : false) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    struct tlb_info *info = tlb_get(env, lin, ACC_FETCH, mode);
    unsigned k = hash_code(lin);
    env->code_pages[k / 64] |= BIT(k % 64);
    env->code_nonglobal |= mode != MMU_USER && !(info->flags & TLB_GLOBAL);
    out->phys = info->phys;
    out->ram_offset = info->ram_offset;
    out->host = info->flags & TLB_MMIO
        ? NULL
        : (const uint8_t *)(uintptr_t)
              env->tlb[mode][(lin >> 12) & (TLB_SIZE - 1)].host;
}

/*
 * Flushes.
 */
static void drop(CPUX86State *env, int mode, unsigned i)
{
    env->tlb_info[mode][i].flags = 0;
    tlb_poison(&env->tlb[mode][i], i);
}

void x86_tlb_flush(CPUX86State *env)
{
    for (int m = 0; m < MMU_MODES; m++) {
        for (unsigned i = 0; i < TLB_SIZE; i++) {
            if (env->tlb_info[m][i].flags) {
                drop(env, m, i);
            }
        }
        env->fill_count[m] = 0;
    }
    x86_slots_drop(env);
    memset(env->large_2m, 0, sizeof(env->large_2m));
    env->large_1g = 0;
    phys_cache_clear(env);
    x86_jc_flush(env);
    x86_break(env);
}

void x86_tlb_flush_non_global(CPUX86State *env)
{
    for (int m = 0; m < MMU_MODES; m++) {
        unsigned n = env->fill_count[m];

        if (n <= TLB_LOG) {
            for (unsigned k = 0; k < n; k++) {
                unsigned i = env->fill_log[m][k];
                if (!(env->tlb_info[m][i].flags & TLB_GLOBAL)) {
                    drop(env, m, i);
                }
            }
        } else {
            for (unsigned i = 0; i < TLB_SIZE; i++) {
                uint16_t f = env->tlb_info[m][i].flags;
                if (f && !(f & TLB_GLOBAL)) {
                    drop(env, m, i);
                }
            }
        }
        env->fill_count[m] = 0;
    }
    x86_slots_drop(env);
    x86_jc_flush_mode(env, 1);
    if (env->code_nonglobal) {
        x86_jc_flush(env);
    }
    x86_break(env);
}

/* Entries @from.. (@n of them) that are pieces of the same 1 << @shift. */
static bool drop_pieces(CPUX86State *env, vaddr lin, unsigned from, unsigned n,
                        unsigned shift)
{
    bool any = false;

    for (int m = 0; m < MMU_MODES; m++) {
        for (unsigned i = from; i < from + n; i++) {
            struct tlb_info *info = &env->tlb_info[m][i];
            if ((info->flags & TLB_LARGE) &&
                (info->vpage ^ lin) >> shift == 0) {
                drop(env, m, i);
                any = true;
            }
        }
    }
    return any;
}

void x86_tlb_flush_page(CPUX86State *env, vaddr lin)
{
    unsigned i = (lin >> 12) & (TLB_SIZE - 1), k;
    bool jumps;

    x86_slots_drop(env);
    lin &= env->a_mask;
    for (int m = 0; m < MMU_MODES; m++) {
        if (env->tlb_info[m][i].vpage == (lin & ~UINT64_C(0xfff))) {
            drop(env, m, i);
        }
    }
    k = hash_code(lin);
    jumps = env->code_pages[k / 64] >> (k % 64) & 1;
    /* Other 4 KB pieces of a large page have gone with it. */
    k = hash_2m(lin);
    if (env->large_2m[k / 64] >> (k % 64) & 1) {
        jumps |= drop_pieces(env, lin, i & ~511u, 512, 21);
    }
    if (env->large_1g >> ((lin >> 30) & 63) & 1) {
        jumps |= drop_pieces(env, lin, 0, TLB_SIZE, 30);
    }
    if (jumps && (lin >> 63 || env->code_nonglobal)) {
        x86_jc_flush(env);
    } else if (jumps) {
        x86_jc_flush_mode(env, 1);
    }
    x86_break(env);
}

void x86_tlb_flush_async(CPUX86State *env)
{
    atomic_fetch_or(&env->tlb_flush_req, 1);
    cpu_kick(&env->cpu->parent);
}

/* Own thread, before guest code runs on. */
void x86_tlb_serve_requests(CPUX86State *env)
{
    uint32_t req = atomic_exchange(&env->tlb_flush_req, 0);

    if (req & 1) {
        x86_tlb_flush(env);
    }
    if (req & 2) {
        uint64_t epoch = x86_code_epoch();

        x86_tlb_drop_write(env);
        atomic_store(&env->code_ack, epoch);
    }
}

void x86_tlb_drop_write(CPUX86State *env)
{
    x86_slots_drop(env);
    for (int m = 0; m < MMU_MODES; m++) {
        for (unsigned i = 0; i < TLB_SIZE; i++) {
            if (env->tlb_info[m][i].flags & TLB_VALID) {
                env->tlb[m][i].tag_w = (uint64_t)(i ^ 1) << 12;
            }
        }
    }
}

static void dirty_sync_all(void *opaque)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        CPUX86State *env = cpu_env(cs);

        if (!env || !atomic_load(&env->logged)) {
            continue;
        }
        x86_slots_drop(env);
        for (int m = 0; m < MMU_MODES; m++) {
            for (unsigned i = 0; i < TLB_SIZE; i++) {
                struct tlb_info *info = &env->tlb_info[m][i];
                struct tlbe *t = &env->tlb[m][i];
                if ((info->flags & TLB_VALID) && t->tag_w == info->vpage) {
                    ram_set_dirty(info->ram_offset, 4096);
                    t->tag_w = (uint64_t)(i ^ 1) << 12;
                }
            }
        }
        atomic_store(&env->logged, false);
    }
}

void x86_dirty_sync(void)
{
    cpu_exclusive(dirty_sync_all, NULL);
}

/* The map changed: nobody may go on with an old host address. */
static void flush_all(void *opaque)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (cpu_env(cs)) {
            atomic_fetch_or(&cpu_env(cs)->tlb_flush_req, 1);
            x86_request_exit(cpu_env(cs));
        }
    }
}

static void mmu_commit(MemoryListener *l)
{
    cpu_exclusive(flush_all, NULL);
}

static void mmu_log(MemoryListener *l, const MemorySection *s)
{
    x86_dirty_sync();
}

static MemoryListener mmu_listener = {
    .commit = mmu_commit,
    .log_start = mmu_log,
    .log_sync = mmu_log,
};

void x86_mmu_init(void)
{
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        tlb_poison(&poison_table[i], i);
    }
    memory_listener_register(&mmu_listener, &address_space_memory);
}

void x86_mmu_env_init(CPUX86State *env)
{
    for (int m = 0; m < MMU_MODES; m++) {
        for (unsigned i = 0; i < TLB_SIZE; i++) {
            tlb_poison(&env->tlb[m][i], i);
        }
    }
    phys_cache_clear(env);
    env->a20_mask = ~UINT64_C(0);
}

/* Mode of data accesses, from CPL, CR0, CR4 and EFLAGS. */
void x86_mmu_update_mode(CPUX86State *env)
{
    env->align_check = env->cpl == 3 && (env->x.cr0 & CR0_AM) &&
                       (env->eflags_sys & FL_AC);
    if (env->cpl == 3) {
        env->mmu_idx = MMU_USER;
    } else if ((env->x.cr4 & CR4_SMAP) && !(env->eflags_sys & FL_AC)) {
        env->mmu_idx = MMU_KSMAP;
    } else {
        env->mmu_idx = MMU_KERNEL;
    }
    env->tlb_cur = env->align_check ? poison_table : env->tlb[env->mmu_idx];
}
