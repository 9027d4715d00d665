/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache of decoded blocks, and who is told when code changes.
 *
 * Each vCPU has its own blocks: a pool that is emptied when full, and a hash
 * table by (RAM offset, key).  What vCPUs share is one small record per RAM
 * page: a generation number and a map of the 128-byte granules that some
 * vCPU has decoded from.  A store into such a granule, by anyone, moves the
 * generation on, and every block of the page is stale from then on: a block
 * is entered only after a look at its page's generation.  From the first such
 * store on the page has a map of its code's very bytes, and stores beside them
 * (variables between functions: boot loaders' unpackers) do no harm.
 *
 * So that stores are seen, nobody's TLB may let a store to a page with code
 * pass: the vCPU that first decodes from a page drops its own permissions
 * and asks the others to drop theirs (tlb_flush_req 2).  Until all have done
 * so or are out of guest code, blocks of the page are decoded afresh each
 * time (`epoch`).  Invariant: a kept block's page is writable through no TLB.
 *
 * An instruction that reaches into another page is a block of its own.  It
 * belongs to its first page; the second remembers that one (`cross`), and a
 * store to the second's first bytes makes the first's blocks stale as well.
 */
#include "osdep.h"
#include "jit.h"
#include "util/log.h"
#include <sys/mman.h>

struct page_code {
    _Atomic uint32_t gen;
    _Atomic uint32_t granules;
    _Atomic uint64_t epoch;    /* when the map became non-empty */
    uint64_t *bytes;           /* 4096 bits, or NULL; code_lock */
    uint32_t cross;            /* 1 + page whose last instruction ends here;
                                * code_lock */
};

#define MAX_PAGES (UINT64_C(1) << 28) /* 1 TiB of RAM */
#define GRANULE 128
#define HASH_BITS 14

static struct page_code *pages;  /* by RAM offset / 4096; sparse */
static GPtrArray *byte_maps;     /* all of pages[].bytes; for leak checkers */
static _Atomic uint64_t code_epoch;
static Mutex code_lock = MUTEX_INITIALIZER; /* leaf: granules against gen */

struct blockcache {
    uint8_t *pool;
    size_t size, used;
    struct block *hash[1 << HASH_BITS];
    uint64_t one[(sizeof(struct block) + 2 * sizeof(struct insn)) / 8 + 1];
};

uint64_t x86_code_epoch(void)
{
    return atomic_load(&code_epoch);
}

void blocks_init(CPUX86State *env, uint64_t bytes)
{
    static gsize once;

    if (g_once_init_enter(&once)) {
        pages = mmap(NULL, MAX_PAGES * sizeof(*pages), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        g_assert(pages != MAP_FAILED);
        g_once_init_leave(&once, 1);
    }
    env->bc = mmap(NULL, sizeof(*env->bc), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(env->bc != MAP_FAILED);
    env->bc->size = bytes;
    env->bc->pool = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert(env->bc->pool != MAP_FAILED);
    memset(env->jc, 0xff, sizeof(env->jc));
    memset(env->jjc, 0xff, sizeof(env->jjc));
    env->jc_gens[0] = env->jc_gens[1] = 1;
    x86_jc_update(env);
}

void x86_jc_flush_mode(CPUX86State *env, int user)
{
    env->jc_gens[user]++;
    if (unlikely(env->jc_gens[user] == JC_POISON >> 48)) {
        env->jc_gens[user]++;
    }
    if (unlikely(!env->jc_gens[user])) {
        /* Generation 0 is none: in it an empty entry (~0) would stand for a
         * canonical address. */
        memset(env->jc, 0xff, sizeof(env->jc));
        memset(env->jjc, 0xff, sizeof(env->jjc));
        env->jc_gens[user] = 1;
    }
    x86_jc_update(env);
}

void x86_jc_flush(CPUX86State *env)
{
    x86_jc_flush_mode(env, 0);
    x86_jc_flush_mode(env, 1);
    memset(env->code_pages, 0, sizeof(env->code_pages));
    env->code_nonglobal = false;
}

void blocks_destroy(CPUX86State *env)
{
    if (env->bc) {
        munmap(env->bc->pool, env->bc->size);
        munmap(env->bc, sizeof(*env->bc));
        env->bc = NULL;
    }
}

bool x86_page_has_code(uint64_t ram_offset)
{
    uint64_t i = ram_offset >> 12;

    return pages && i < MAX_PAGES &&
           atomic_load_explicit(&pages[i].granules, memory_order_relaxed);
}

static void tell_jits(uint64_t ram_page)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (cpu_env(cs) && cpu_env(cs)->jit) {
            jit_code_written(cpu_env(cs), ram_page);
        }
    }
}

/* Under code_lock: is one of the bytes @a to @b of the page code? */
static bool hits_code(struct page_code *pc, unsigned a, unsigned b)
{
    if (!pc->bytes) {
        pc->bytes = g_new0(uint64_t, 4096 / 64);
        if (!byte_maps) {
            byte_maps = g_ptr_array_new();
        }
        g_ptr_array_add(byte_maps, pc->bytes);
        return true;
    }
    for (unsigned i = a; i <= b; i = (i | 63) + 1) {
        uint64_t w = pc->bytes[i / 64] >> i % 64;
        unsigned n = b - i + 1;

        if (n < 64 ? w & (BIT(n) - 1) : w) {
            return true;
        }
    }
    return false;
}

/* Under code_lock: @len bytes from @off on were decoded. */
static void mark_code(struct page_code *pc, unsigned off, unsigned len)
{
    for (unsigned i = off; pc->bytes && i < off + len; i++) {
        pc->bytes[i / 64] |= BIT(i % 64);
    }
}

/* Under code_lock: the blocks of page @i are stale from now on. */
static void page_stale(uint64_t i)
{
    struct page_code *pc = &pages[i];

    if (pc->bytes) {
        memset(pc->bytes, 0, 4096 / 8);
    }
    atomic_store(&pc->granules, 0);
    atomic_fetch_add(&pc->gen, 1);
    tell_jits(i << 12);
}

void x86_code_written(uint64_t ram_offset, uint64_t size)
{
    uint64_t end = ram_offset + size;

    if (!pages) {
        return;
    }
    /* The bytes first, then the look at the map: who marks a page as code
     * does it the other way round (block_get()), and one sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    while (ram_offset < end) {
        uint64_t i = ram_offset >> 12, stop = MIN((i + 1) << 12, end);

        if (i < MAX_PAGES && atomic_load(&pages[i].granules)) {
            unsigned a = (ram_offset & 0xfff) / GRANULE;
            unsigned b = ((stop - 1) & 0xfff) / GRANULE;
            uint32_t mask = (uint32_t)(BIT(b + 1) - BIT(a));

            LOCK_GUARD(&code_lock);
            if ((atomic_load(&pages[i].granules) & mask) &&
                hits_code(&pages[i], ram_offset & 0xfff,
                          (stop - 1) & 0xfff)) {
                page_stale(i);
                if (pages[i].cross && a == 0) {
                    page_stale(pages[i].cross - 1);
                    pages[i].cross = 0;
                }
            }
        }
        ram_offset = stop;
    }
}

/* Others have seen the page become code; see the invariant above. */
static bool page_settled(CPUX86State *env, const struct page_code *pc)
{
    uint64_t epoch = atomic_load(&pc->epoch);
    CPUState *cs;

    CPU_FOREACH(cs) {
        CPUX86State *o = cpu_env(cs);
        if (o && o != env && atomic_load(&o->code_ack) < epoch &&
            atomic_load(&cs->in_guest)) {
            return false;
        }
    }
    return true;
}

/* Called with code_lock held. */
static void page_add_granules(CPUX86State *env, uint64_t ram_page,
                              uint32_t mask)
{
    struct page_code *pc = &pages[ram_page >> 12];
    uint32_t old = atomic_load(&pc->granules);
    CPUState *cs;

    if ((old | mask) == old) {
        return;
    }
    atomic_store(&pc->granules, old | mask);
    if (old) {
        return;
    }
    atomic_store(&pc->epoch, atomic_fetch_add(&code_epoch, 1) + 1);
    x86_tlb_drop_write_ram(env, ram_page);
    CPU_FOREACH(cs) {
        CPUX86State *o = cpu_env(cs);
        if (o && o != env) {
            atomic_fetch_or(&o->tlb_flush_req, 2);
            x86_request_exit(o);
        }
    }
}

static unsigned hash(uint64_t ram, uint32_t key)
{
    return ((ram ^ (ram >> 13)) * 2654435761u >> 8 ^ key * 977) &
           ((1 << HASH_BITS) - 1);
}

static unsigned decode_mode(CPUX86State *env)
{
    unsigned m = env->code64 ? DECODE_64
        : env->x.seg[R_CS].attr & SEG_DB ? DECODE_32 : DECODE_16;

    if (env->key & KEY_REAL) {
        m |= DECODE_REAL;
    }
    if (env->cpu->amd) {
        m |= DECODE_VENDOR_AMD;
    }
    return m;
}

static uint8_t address_mode(CPUX86State *env, const struct insn *in)
{
    if (env->code64) {
        if (in->addrsize != 8) {
            return AM_SLOW;
        }
        if (in->seg >= R_FS) {
            return in->base == INSN_RIP ? AM_SLOW : AM_FSGS;
        }
        return in->base == INSN_RIP ? AM_RIP : AM_64;
    }
    if ((env->key & KEY_FLAT) && in->addrsize == 4 && in->seg < R_FS &&
        in->seg != R_CS) {
        return AM_32;
    }
    return AM_SLOW;
}

static void finish(CPUX86State *env, struct insn *in, unsigned pos)
{
    in->aux = pos | (uint64_t)(pos + in->len) << 16 |
              (uint64_t)address_mode(env, in) << 32;
    interp_specialize(env, in);
}

static bool ends_block(const struct insn *in)
{
    uint8_t c = insn_row(in)->class_;

    return c == CLASS_END || c == CLASS_BRANCH;
}

struct block *block_peek(CPUX86State *env, uint64_t ram, uint32_t key)
{
    struct page_code *pc = &pages[ram >> 12];

    for (struct block *b = env->bc->hash[hash(ram, key)]; b; b = b->next) {
        if (b->ram == ram && b->key == key) {
            return b->gen == atomic_load(&pc->gen) && !b->ram2 ? b : NULL;
        }
    }
    return NULL;
}

/* Linear address of env->rip, after the limit check. */
static vaddr code_lin(CPUX86State *env)
{
    if (env->code64) {
        return env->rip;
    }
    if (unlikely((uint32_t)env->rip > env->x.seg[R_CS].limit)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    return (uint32_t)(env->x.seg[R_CS].base + env->rip);
}

struct block *block_one(CPUX86State *env)
{
    struct block *b = (struct block *)env->bc->one;
    struct code_page cp;
    uint8_t bytes[16];
    unsigned have = 0;
    int len = DECODE_MORE;
    vaddr lin = code_lin(env);

    memset(b, 0, sizeof(*b));
    while (len == DECODE_MORE && have < 15) {
        vaddr at = (lin + have) & env->a_mask;
        unsigned n = MIN(15 - have, 4096 - (at & 0xfff));

        if (!env->code64 && env->rip + have > env->x.seg[R_CS].limit) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        x86_fetch_page(env, at, &cp);
        if (cp.host) {
            memcpy(bytes + have, cp.host + (at & 0xfff), n);
            have += n;
        } else {
            /* Code in a device: byte by byte, no more than needed. */
            bytes[have] = x86_phys_ld(env, cp.phys | (at & 0xfff), 1);
            have++;
        }
        len = decode_insn(b->insn, bytes, have, decode_mode(env),
                          env->cpu->decode_feat);
    }
    if (len == DECODE_GP || len == DECODE_MORE) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (len < 0) {
        x86_raise(env, EXCP_UD);
    }
    finish(env, b->insn, 0);
    b->insn[1].handler = interp_end_handler();
    b->insn[1].aux = len | (uint64_t)len << 16;
    b->n = 1;
    b->bytes = len;
    b->key = env->key;
    return b;
}

/*
 * @b, which is empty: the instruction at @lin, where @cp's page ends in its
 * middle.  NULL: not to be kept (block_one() then tells faults apart).
 */
static struct block *block_cross(CPUX86State *env, struct block *b, vaddr lin,
                                 const struct code_page *cp)
{
    struct page_code *pc = &pages[cp->ram_offset >> 12], *pc2;
    unsigned off = lin & 0xfff, room = 4096 - off;
    struct code_page cp2;
    uint8_t bytes[16];

    if (room >= 15 || (!env->code64 && (uint32_t)env->rip + UINT64_C(15) >
                                           env->x.seg[R_CS].limit)) {
        return NULL;
    }
    if (decode_insn(b->insn, cp->host + off, room, decode_mode(env),
                    env->cpu->decode_feat) != DECODE_MORE) {
        return NULL;
    }
    x86_fetch_page(env, (lin + room) & env->a_mask, &cp2);
    if (!cp2.host || cp2.ram_offset >> 12 >= MAX_PAGES ||
        cp2.ram_offset == cp->ram_offset) {
        return NULL;
    }
    pc2 = &pages[cp2.ram_offset >> 12];

    LOCK_GUARD(&code_lock);
    uint32_t one = (uint32_t)(cp->ram_offset >> 12) + 1;
    if (pc2->cross && pc2->cross != one) {
        page_stale(pc2->cross - 1);
    }
    pc2->cross = one;
    page_add_granules(env, cp->ram_offset, 1u << 31);
    page_add_granules(env, cp2.ram_offset, 1);
    b->gen = atomic_load(&pc->gen);
    memcpy(bytes, cp->host + off, room);
    memcpy(bytes + room, cp2.host, 15 - room);
    int len = decode_insn(b->insn, bytes, 15, decode_mode(env),
                          env->cpu->decode_feat);
    if (len <= (int)room) {
        return NULL;
    }
    mark_code(pc, off, room);
    mark_code(pc2, 0, (unsigned)len - room);
    finish(env, b->insn, 0);
    b->n = 1;
    b->ram2 = cp2.ram_offset | 1;
    b->bytes = (uint16_t)len;
    b->gen_ptr = page_settled(env, pc) && page_settled(env, pc2) ? &pc->gen
                                                                 : NULL;
    return b;
}

struct block *block_get(CPUX86State *env)
{
    struct blockcache *bc = env->bc;
    vaddr lin = code_lin(env);
    struct code_page cp;
    unsigned off = lin & 0xfff, pos = 0;

    x86_fetch_page(env, lin, &cp);
    if (!cp.host || cp.ram_offset >> 12 >= MAX_PAGES) {
        return block_one(env);
    }
    struct page_code *pc = &pages[cp.ram_offset >> 12];
    uint64_t ram = cp.ram_offset + off;
    struct block **head = &bc->hash[hash(ram, env->key)], *b;

    for (b = *head; b; b = b->next) {
        if (b->ram == ram && b->key == env->key) {
            if (b->gen == atomic_load(&pc->gen) && page_settled(env, pc)) {
                if (!b->ram2) {
                    return b;
                }
                struct code_page cp2;
                x86_fetch_page(env, ((lin | 0xfff) + 1) & env->a_mask, &cp2);
                if (b->ram2 == (cp2.ram_offset | 1) && cp2.host) {
                    return b;
                }
            }
            break;
        }
    }
    size_t worst = sizeof(*b) + (BLOCK_MAX_INSNS + 1) * sizeof(struct insn);
    if (bc->used + worst > bc->size) {
        memset(bc->hash, 0, sizeof(bc->hash));
        memset(env->jc, 0xff, sizeof(env->jc));
        bc->used = 0;
        env->flush_count++;
        jit_flush(env);
    }
    b = (struct block *)(bc->pool + bc->used);
    memset(b, 0, sizeof(*b));

    mutex_lock(&code_lock);
    /* Mark first, then read: a store that comes later is seen. */
    page_add_granules(env, cp.ram_offset, 1u << (off / GRANULE));
    b->gen = atomic_load(&pc->gen);
    while (b->n < BLOCK_MAX_INSNS && off + pos < 4096) {
        struct insn *in = &b->insn[b->n];
        unsigned room = 4096 - off - pos;
        /* The granule it may reach into. */
        uint32_t g = 1u << ((off + pos) / GRANULE);
        g |= 1u << (MIN(off + pos + 14, 4095u) / GRANULE);
        page_add_granules(env, cp.ram_offset, g);
        int len = decode_insn(in, cp.host + off + pos, room, decode_mode(env),
                              env->cpu->decode_feat);
        if (len < 0) {
            break; /* a fault or a page end: when it is reached */
        }
        mark_code(pc, off + pos, len);
        finish(env, in, pos);
        pos += len;
        b->n++;
        if (ends_block(in)) {
            break;
        }
    }
    mutex_unlock(&code_lock);
    if (b->n) {
        b->bytes = pos;
        b->gen_ptr = page_settled(env, pc) ? &pc->gen : NULL;
    } else if (!block_cross(env, b, lin, &cp)) {
        return block_one(env);
    }
    if (log_enabled(LOG_TB_IN_ASM)) {
        char text[128];
        unsigned p = 0;
        log_printf("----------------\nIN:\n");
        for (unsigned i = 0; i < b->n; i++) {
            disas_insn(text, sizeof(text), &b->insn[i], env->rip + p,
                       decode_mode(env));
            log_printf("0x%08" PRIx64 ":  %s\n", lin + p, text);
            p += b->insn[i].len;
        }
    }
    b->insn[b->n].handler = interp_end_handler();
    b->insn[b->n].aux = b->bytes | (uint64_t)b->bytes << 16;
    b->ram = ram;
    b->key = env->key;
    if (!b->gen_ptr) {
        return b; /* runs once */
    }
    b->next = *head;
    *head = b;
    bc->used += sizeof(*b) + (b->n + 1) * sizeof(struct insn);
    return b;
}
