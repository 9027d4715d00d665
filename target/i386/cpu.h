/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x86 CPU: its architectural state in the common format (struct
 * x86_regs: vmstate, gdb, dumps and KVM use it), and the software engine's
 * working state (CPUX86State, one per vCPU).
 *
 * Rules of the software engine (docs/cpu.md):
 *  1. Only the vCPU's thread touches CPUX86State, but for exit_req and the
 *     fields said to be atomic.
 *  2. An instruction checks everything that can fault before it changes a
 *     register; x86_raise*() unwinds to the dispatcher (siglongjmp) with rip
 *     at the instruction.  So no lock and no owned memory may be held where
 *     an access or a raise can happen.
 *  3. Guest memory is read and written by single host accesses of the
 *     operand's size.
 */
#ifndef I386_CPU_H
#define I386_CPU_H

#include "exec/accel.h"
#include "exec/x86.h"
#include <setjmp.h>

struct insn;
struct x86_model;

enum { R_AX, R_CX, R_DX, R_BX, R_SP, R_BP, R_SI, R_DI };
enum { R_ES, R_CS, R_SS, R_DS, R_FS, R_GS };

/* Exceptions. */
enum {
    EXCP_DE, EXCP_DB, EXCP_NMI, EXCP_BP, EXCP_OF, EXCP_BR, EXCP_UD, EXCP_NM,
    EXCP_DF, EXCP_CSO, EXCP_TS, EXCP_NP, EXCP_SS, EXCP_GP, EXCP_PF,
    EXCP_MF = 16, EXCP_AC, EXCP_MC, EXCP_XM,
};

/* EFLAGS */
#define FL_CF   0x1u
#define FL_1    0x2u
#define FL_PF   0x4u
#define FL_AF   0x10u
#define FL_ZF   0x40u
#define FL_SF   0x80u
#define FL_TF   0x100u
#define FL_IF   0x200u
#define FL_DF   0x400u
#define FL_OF   0x800u
#define FL_IOPL 0x3000u
#define FL_NT   0x4000u
#define FL_RF   0x10000u
#define FL_VM   0x20000u
#define FL_AC   0x40000u
#define FL_VIF  0x80000u
#define FL_VIP  0x100000u
#define FL_ID   0x200000u
#define FL_ARITH (FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_VME BIT(0)
#define CR4_PVI BIT(1)
#define CR4_TSD BIT(2)
#define CR4_DE  BIT(3)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_MCE BIT(6)
#define CR4_PGE BIT(7)
#define CR4_PCE BIT(8)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP BIT(11)
#define CR4_LA57 BIT(12)
#define CR4_FSGSBASE BIT(16)
#define CR4_PCIDE BIT(17)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)
#define EFER_SVME BIT(12)
#define EFER_FFXSR BIT(14)

/*
 * Segment attributes as VMX and KVM keep them: descriptor bits 40..55 moved
 * to 0..15 (limit bits 19:16 zero), and "unusable" (null selector) on top.
 */
#define SEG_TYPE(a)  ((a) & 15)
#define SEG_A  0x0001u  /* accessed (code, data) */
#define SEG_W  0x0002u  /* writable data / readable code */
#define SEG_E  0x0004u  /* expand down / conforming */
#define SEG_X  0x0008u  /* code */
#define SEG_S  0x0010u  /* code or data */
#define SEG_DPL(a) (((a) >> 5) & 3)
#define SEG_P  0x0080u
#define SEG_AVL 0x1000u
#define SEG_L  0x2000u
#define SEG_DB 0x4000u
#define SEG_G  0x8000u
#define SEG_UNUSABLE 0x10000u

struct x86_seg {
    uint64_t base;
    uint32_t limit;     /* in bytes */
    uint32_t attr;      /* SEG_* */
    uint16_t sel;
};

#define X86_NUM_MC_BANKS 10
#define X86_XSAVE_SIZE 2816 /* standard format up to Hi16_ZMM and PKRU */

/* Where components stand in the xsave image. */
#define XS_FCW 0
#define XS_FSW 2            /* with TOP */
#define XS_FTW 4            /* abridged: bit set, register i (physical) full */
#define XS_FOP 6
#define XS_FIP 8
#define XS_FDP 16
#define XS_MXCSR 24
#define XS_ST(i)  (32 + 16 * (i))  /* by distance from TOP */
#define XS_XMM(i) (160 + 16 * (i))
#define XS_XSTATE_BV 512
#define XS_YMMH(i) (576 + 16 * (i))

/* The whole architectural state.  vmstate_x86_regs lists it. */
struct x86_regs {
    uint64_t gpr[16], rip, rflags;
    struct x86_seg seg[6], ldt, tr;
    struct { uint64_t base; uint16_t limit; } gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, xcr0;
    uint64_t cr8;          /* as the APIC has it; only for KVM and gdb */
    uint64_t dr[8];        /* 4, 5 unused */
    uint64_t efer, star, lstar, cstar, fmask, kernelgsbase;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t tsc_aux, tsc_adjust, pat, misc_enable, debugctl, feature_control;
    uint64_t tsc;          /* its value when saved; runs by tsc_offset */
    uint64_t tsc_deadline; /* for KVM; the user-space APIC keeps its own */
    uint64_t apic_base;    /* for KVM */
    uint64_t mtrr_deftype, mtrr_fixed[11], mtrr_var[16]; /* base, mask */
    uint64_t mcg_status, mcg_ctl, mc_bank[4 * X86_NUM_MC_BANKS];
    uint64_t spec_ctrl, xss, pkru, smi_count;
    uint64_t pdpte[4];     /* PAE: as loaded by MOV CR3 */
    uint32_t smbase;
    /* Events. */
    uint8_t shadow;        /* 1: STI, 2: MOV SS; for one instruction */
    bool nmi_blocked, in_smm, halted;
    bool smi_nmi_blocked;  /* NMI mask to restore by RSM */
    bool sipi_wait;        /* INIT received, waits for SIPI */
    uint8_t sipi_vector;
    bool exc_pending;      /* exc_* is to be delivered at once */
    uint8_t exc_vector, exc_kind;
    uint32_t exc_error;
    uint32_t interrupt_request; /* for vmstate; lives in CPUState */
    bool a20;                   /* the same */
    uint64_t pending_db;   /* DR6 bits of a #DB held by a MOV SS shadow */
    uint8_t xsave[X86_XSAVE_SIZE] __attribute__((aligned(64)));
};

/* Modes of the TLB. */
enum { MMU_KERNEL, MMU_KSMAP, MMU_USER, MMU_MODES };
#define TLB_BITS 12
#define TLB_SIZE (1 << TLB_BITS)

/*
 * A TLB entry: tags are page addresses.  An invalid one holds a page that has
 * another index, so no address can match (tlb_poison()).  `host` is the host
 * address of the page.  tag_w valid implies tag_r valid.
 */
struct tlbe {
    uint64_t tag_r, tag_w;
    uint64_t addend;       /* host - tag */
    uint64_t host;
};

/*
 * The last page that code reached through one base register (jit-slots.c).
 * No tag is safe from all addresses here: an invalid one is not canonical,
 * and its host page cannot be accessed.
 */
struct slot {
    uint64_t tag_r, host_r, tag_w, host_w;
};
enum { SLOT_RIP = 16, SLOT_ABS, SLOT_FS, SLOT_GS, SLOTS };

/* Beside each entry: not needed for a hit. */
struct tlb_info {
    uint64_t ram_offset;   /* of the page; ~0: not RAM */
    uint64_t vpage;        /* page this entry is for; valid if flags */
    uint64_t phys;         /* guest physical page */
    uint16_t flags;        /* TLB_* */
};
#define TLB_VALID 1u       /* translation known, even if tags are withheld */
#define TLB_GLOBAL 2u
#define TLB_EXEC 4u        /* may be fetched */
#define TLB_LARGE 8u       /* cut from a larger page */
#define TLB_WRITE 16u      /* permission and PTE.D allow writes */
#define TLB_MMIO 32u
#define TLB_ROM 64u
#define TLB_WATCH 128u
#define TLB_READ 256u
#define TLB_LOG 512

/* Lazy arithmetic flags: what made them.  a, b and res are kept
 * sign-extended from the operand size, so nothing depends on the size. */
enum cc_rec {
    CC_FLAGS,   /* cc_a = the six EFLAGS bits */
    CC_LOGIC,   /* CF = OF = AF = 0; the rest of res */
    CC_ADD, CC_SUB, CC_ADC, CC_SBB, /* res = cc_a +- cc_b (+- CF) */
    CC_INC, CC_DEC, /* CF is cc_b */
    CC_RES,     /* ZF, SF, PF of res; CF, OF, AF bits in cc_a */
};

/* A gdb watchpoint; type 2 write, 3 read, 4 both. */
struct x86_watch {
    vaddr addr, len;
    int type;
};

/* Block key bits. */
#define KEY_L 1u
#define KEY_D 2u
#define KEY_SSB 4u
#define KEY_FLAT 8u
#define KEY_USER 16u
#define KEY_REAL 32u
#define KEY_KSMAP 64u      /* data accesses by MMU_KSMAP */
#define KEY_SSE 128u       /* CR0, CR4, XCR0 let SSE, AVX, x87 and MMX run */
#define KEY_AVX 256u
#define KEY_X87 512u
#define KEY_FS 1024u       /* outside 64-bit mode: limit 4G, rw, any base */
#define KEY_GS 2048u

struct block;
struct jce {
    uint64_t tag;          /* linear address ^ generation and key */
    struct block *blk;
};
#define JC_SIZE 16384

/* The same for generated code. */
struct jjce {
    uint64_t tag;
    const uint8_t *host;
};
#define JC_POISON (UINT64_C(0x5a5a) << 48) /* jc_key: nothing hits */

typedef struct X86CPU X86CPU;

/* Working state of the software engine.  4096-aligned; hot part first. */
typedef struct CPUX86State {
    union {
        uint64_t regs[16]; /* GPRs */
        uint64_t r[32];    /* [16]: always 0; [17]: rip of the block that
                              runs (INSN_NO_REG, INSN_RIP of decode.h) */
    };
    uint64_t rip;          /* of the instruction; valid outside block code */
    uint32_t eflags_sys;   /* all but FL_ARITH; with FL_1 */
    uint32_t cc_rec;
    uint64_t cc_a, cc_b, cc_res;
    _Atomic uint32_t exit_req; /* any thread: leave the block loop */
    uint32_t break_gen;
    uint32_t key;          /* block key (KEY_*) */
    uint8_t cpl, mmu_idx;
    bool code64;           /* CS.L with LMA */
    bool brk;              /* leave the block after this instruction */
    const void *cur;       /* instruction that runs (struct op) */
    uint64_t jc_gen;       /* generation << 48 | key_id */
    uint64_t seg_base[6];
    uint64_t a_mask;       /* ~0, or 2^32-1 outside 64-bit mode */
    struct tlbe *tlb_cur;  /* tlb[mmu_idx]; alignment checks: poison */
    X86CPU *cpu;
    sigjmp_buf *unwind;
    int64_t ea_bias;       /* of bit-offset instructions */
    uint64_t insn_count;   /* instructions executed */
    uint64_t seg_flat;     /* bit per segment: base 0, limit 4G, rw */
    /* The JIT's (jit-int.h). */
    _Atomic uint64_t jc_key; /* jc_gen, or JC_POISON by any thread */
    uint16_t flags_img;    /* AH as lahf leaves it, AL bit 0: OF */
    uint16_t fault_img;
    uint8_t v_live;        /* host has the guest's 1: XMM, 2: YMM and MXCSR */
    uint8_t f_live;        /* ... the x87 registers */
    uint8_t v_want, f_want; /* to be live where C resumes */
    uint64_t jit_tmp[4];
    struct jit *jit;
    uint32_t check_left;   /* lockstep: translations to run before C */
    uint32_t check_head;   /* ... 1 + index of the one it left before */
    bool shadow;           /* instructions leave no trace (jit-check.h) */

    struct slot slots[MMU_MODES][SLOTS];
    uint64_t slot_guard;   /* host page without access */
    bool slots_used;       /* since they were dropped */
    struct tlbe tlb[MMU_MODES][TLB_SIZE] __attribute__((aligned(4096)));
    struct tlb_info tlb_info[MMU_MODES][TLB_SIZE];
    struct jce jc[JC_SIZE];
    struct jjce jjc[JC_SIZE];

    /* Cold. */
    struct x86_regs x;     /* home of all state not above; see get/put */
    uint64_t a20_mask;     /* ~0 or without bit 20 */
    uint64_t tsc_offset;   /* guest TSC = host TSC + it */
    uint64_t phys_mask;    /* legal bits of a physical address */
    /* Exception being raised or delivered. */
    struct {
        int vector;        /* -1: none */
        uint32_t error;
        bool has_error;
        int delivering;    /* vector being delivered, -1 none */
        char trail[256];   /* text of the last faults, for triple faults */
    } exc;
    bool ignne;
    bool halt_pending;
    /* Indexes of the non-global fills since they were last dropped; more
     * than TLB_LOG: all are looked at. */
    uint16_t fill_log[MMU_MODES][512];
    /* By a hash of the RAM page: entries that let stores pass (see
     * tlb-writers.c). */
    uint16_t writers[4096][4];
    uint32_t fill_count[MMU_MODES];
    /* Physical pages the walker met. */
    struct phys_page {
        hwaddr page;       /* ~0: empty */
        uint8_t *host;     /* NULL: MMIO */
        uint64_t ram_offset;
        bool readonly;
    } phys_cache[256];
    /* ... and the RAM sections they were in. */
    struct phys_range {
        hwaddr start, size;
        uint8_t *host;
        uint64_t ram_offset;
        bool readonly;
    } phys_range[4];
    unsigned phys_next;
    /* Sets, by hash: 2 MB pages of which pieces are in the TLB; larger ones
     * by VA >> 30; pages that code was fetched from since a jump flush. */
    uint64_t large_2m[64], large_1g;
    uint64_t code_pages[32];
    uint16_t jc_gens[2];   /* of kernel and user: jc_gen has the present one */
    bool code_nonglobal;   /* the kernel ran in a page that is not global */
    bool align_check;      /* AM and AC at CPL 3 */
    uint8_t ext;           /* EXT bit of error codes: external event */
    _Atomic bool logged;   /* some entry's stores are held back from a log */
    struct blockcache *bc;
    _Atomic uint64_t code_ack;  /* code epoch this vCPU has flushed for */
    _Atomic uint32_t tlb_flush_req; /* 1: all, 2: write tags */
    bool exclusive_bql;    /* ... and it took the BQL */
    int64_t pause_looked;  /* host TSC when PAUSE last looked at the timers */
    bool one_insn;         /* one-insn-per-tb */
    bool no_chain;
    uint64_t flush_count;  /* of the block pool */
    bool exclusive;        /* between x86_exclusive_begin and _end */
    /* gdb and DR7 */
    bool watch_any;        /* some page carries a watchpoint */
    bool single_only;      /* interpret one by one: any of TF, RF, ... */
    bool debug_single;     /* ... DR7 breakpoints, gdb */
    bool last_mem_write;
    uint64_t watch_hit;    /* DR6 bits of data watchpoints just hit */
    GArray *gdb_bp, *gdb_wp;
    vaddr gdb_watch_addr;
    int gdb_watch_type;
    uint64_t tsc_mul;      /* guest ticks a host tick, 2^-48; 0: one */
} CPUX86State;

/* CPUID feature words (cpu-features.c), in the order warnings come. */
enum feature_word {
    FW_1_EDX, FW_1_ECX, FW_7_EBX, FW_7_ECX, FW_7_EDX, FW_7_1_EAX, FW_8_1_EDX,
    FW_8_1_ECX, FW_8_7_EDX, FW_8_8_EBX, FW_C_1_EDX, FW_KVM, FW_KVM_HINTS,
    FW_SVM, FW_D1_EAX, FW_6_EAX, FW_14_ECX, FW_SGX_0_EAX, FW_SGX_0_EBX,
    FW_SGX_1_EAX,
    /* Features that MSRs tell, by name as the rest. */
    FW_ARCH_CAP, FW_CORE_CAP, FW_PERF_CAP, FW_VMX_PIN, FW_VMX_PROC,
    FW_VMX_PROC2, FW_VMX_EXIT, FW_VMX_ENTRY, FW_VMX_MISC, FW_VMX_EPT,
    FW_VMX_VPID, FW_VMX_BASIC, FW_VMX_FUNC,
    FW_WORDS
};

/* What -cpu says beside features: properties of the CPU device. */
struct x86_cpu_options {
    uint32_t level, xlevel, xlevel2, level7; /* UINT32_MAX: as needed */
    uint32_t min_level, min_xlevel, min_xlevel2;
    uint32_t phys_bits;    /* 0: the default of the mode */
    uint8_t phys_bits_limit;
    uint64_t ucode_rev, lbr_fmt;
    bool check, enforce, hv_any, migratable, host_phys_bits, l3_cache,
        legacy_cache, cpuid_0xb, tcg_cpuid, kvm, pmu, lmce, host_cache_info,
        full_auto_level, vendor_only, fill_mtrr_mask, vmware_freq,
        force_features;
};

/* The CPU device. */
struct X86CPU {
    CPUState parent;
    CPUX86State *env;      /* own mapping, page aligned */
    void *apic;            /* for x86_apic_ops; borrowed */
    /* Properties. */
    uint32_t apic_id;      /* ~0: cpu_index */
    int32_t socket_id, die_id, core_id, thread_id, node_id;
    struct x86_cpu_options opt;
    uint32_t features[FW_WORDS];
    uint32_t user_features[FW_WORDS]; /* somebody set the bit, on or off */
    uint32_t filtered[FW_WORDS];      /* asked for, not there */
    bool max;              /* "max": all that the engine does */
    /* CPUID, fixed by realize. */
    uint32_t level, xlevel, xlevel2, level7;
    uint32_t family, model, stepping;
    char vendor[13], model_id[49];
    uint32_t phys_bits;
    unsigned nr_cores, nr_threads, nr_dies;
    uint64_t tsc_hz;       /* 0: the host's */
    bool amd;              /* vendor-dependent instruction details */
    uint64_t decode_feat;  /* XF_* mask for the decoder */
    const struct x86_model *model_data; /* NULL: max, base, host */
    uint8_t cache;         /* enum x86_cache_kind */
};

static inline X86CPU *X86_CPU(CPUState *cs)
{
    return (X86CPU *)cs;
}

static inline CPUX86State *cpu_env(CPUState *cs)
{
    return X86_CPU(cs)->env;
}

static inline bool x86_has(const CPUX86State *env, enum feature_word w,
                           unsigned bit)
{
    return env->cpu->features[w] >> bit & 1;
}

/*
 * Exceptions: never return.  The instruction's own rip is delivered.
 */
NORETURN void x86_raise(CPUX86State *env, int vector);
NORETURN void x86_raise_err(CPUX86State *env, int vector, uint32_t error);
NORETURN void x86_raise_pf(CPUX86State *env, vaddr lin, uint32_t error);
/* rip of the instruction that runs (offset in CS). */
uint64_t x86_cur_rip(const CPUX86State *env);
/* The next one's. */
uint64_t x86_next_rip(const CPUX86State *env);

/* Segments and addresses.  The linear address of @size bytes at offset @off,
 * after limit, type and canonical checks (#GP or #SS). */
vaddr x86_seg_lin_slow(CPUX86State *env, int seg, uint64_t off, unsigned size,
                       bool write);
static inline vaddr x86_seg_lin(CPUX86State *env, int seg, uint64_t off,
                                unsigned size, bool write)
{
    /* Flat 4 GB segments still wrap at the end: let the slow path see. */
    if (likely(env->seg_flat >> seg & 1) &&
        off <= UINT32_MAX - (uint64_t)(size - 1)) {
        return off;
    }
    return x86_seg_lin_slow(env, seg, off, size, write);
}
/* Offset of @insn's memory operand in its segment, address size applied. */
uint64_t x86_insn_ea(CPUX86State *env, const struct insn *insn);
/* Linear address of @insn's memory operand of @size bytes, checked. */
vaddr x86_insn_lin(CPUX86State *env, const struct insn *insn, unsigned size,
                   bool write);
/* The same for an offset got elsewhere, in @insn's segment. */
vaddr x86_ea_lin(CPUX86State *env, const struct insn *insn, uint64_t ea,
                 unsigned size, bool write);

/*
 * Memory by linear address, in the current mode; they raise #PF (and #AC)
 * and reach MMIO.  The plain ones are single host accesses when inside one
 * page.
 */
uint64_t x86_ld_slow(CPUX86State *env, vaddr lin, unsigned size);
void x86_st_slow(CPUX86State *env, vaddr lin, uint64_t val, unsigned size);

static inline struct tlbe *tlb_at(CPUX86State *env, vaddr lin)
{
    return &env->tlb_cur[(lin >> 12) & (TLB_SIZE - 1)];
}

#define X86_MEM_INLINE(bits) \
    static inline uint##bits##_t x86_ld##bits(CPUX86State *env, vaddr lin) \
    { \
        struct tlbe *t = tlb_at(env, lin); \
        uint64_t off = lin - t->tag_r; \
        if (likely(off <= 4096 - bits / 8)) { \
            return *(volatile uint##bits##_t *)(uintptr_t)(t->host + off); \
        } \
        return (uint##bits##_t)x86_ld_slow(env, lin, bits / 8); \
    } \
    static inline void x86_st##bits(CPUX86State *env, vaddr lin, \
                                    uint##bits##_t val) \
    { \
        struct tlbe *t = tlb_at(env, lin); \
        uint64_t off = lin - t->tag_w; \
        if (likely(off <= 4096 - bits / 8)) { \
            *(volatile uint##bits##_t *)(uintptr_t)(t->host + off) = val; \
            return; \
        } \
        x86_st_slow(env, lin, val, bits / 8); \
    }
X86_MEM_INLINE(8)
X86_MEM_INLINE(16)
X86_MEM_INLINE(32)
X86_MEM_INLINE(64)

/* Larger operands (vectors, x87, images): any size up to 4096.  A store
 * checks all pages before it writes a byte. */
void x86_ld_buf(CPUX86State *env, vaddr lin, void *buf, unsigned size);
void x86_st_buf(CPUX86State *env, vaddr lin, const void *buf, unsigned size);
/* Raises what a store (load) of @size bytes would, and does nothing. */
void x86_probe(CPUX86State *env, vaddr lin, unsigned size, bool write);
/* As supervisor, whatever CPL is: descriptors, TSS. */
uint64_t x86_ld_sys(CPUX86State *env, vaddr lin, unsigned size);
void x86_st_sys(CPUX86State *env, vaddr lin, uint64_t val, unsigned size);
/* Host address for an atomic read-modify-write of @size bytes inside a page
 * of plain RAM; NULL: MMIO, crossing, code page: use the exclusive way. */
void *x86_rmw_host(CPUX86State *env, vaddr lin, unsigned size);
/* Every other vCPU out of guest code between begin and end; end also when
 * unwinding (x86_raise does it). */
void x86_exclusive_begin(CPUX86State *env) NO_THREAD_SAFETY;
void x86_exclusive_end(CPUX86State *env) NO_THREAD_SAFETY;

/* Back from a device: enters guest code and serves what was queued. */
void x86_guest_reenter(CPUX86State *env);

/* Flags. */
/* Condition 0-15 as in jcc's opcode. */
bool x86_cond(const CPUX86State *env, unsigned cc);
uint32_t x86_cc_get(const CPUX86State *env); /* FL_ARITH bits */
static inline void x86_cc_set(CPUX86State *env, uint32_t fl)
{
    env->cc_rec = CC_FLAGS;
    env->cc_a = fl & FL_ARITH;
}
static inline uint32_t x86_eflags(const CPUX86State *env)
{
    return x86_cc_get(env) | env->eflags_sys;
}
static inline void x86_set_eflags(CPUX86State *env, uint32_t fl)
{
    x86_cc_set(env, fl);
    env->eflags_sys = (fl & ~FL_ARITH & 0x3fffd5) | FL_1;
}

/* mmu.c */
void x86_tlb_flush(CPUX86State *env);             /* everything */
void x86_tlb_flush_non_global(CPUX86State *env);
void x86_tlb_flush_page(CPUX86State *env, vaddr lin); /* INVLPG */
/* Others' threads: queued, the vCPU does it before its next instruction. */
void x86_tlb_flush_async(CPUX86State *env);
/* Translation without side effects for gdb, the monitor: false if none. */
bool x86_translate_debug(CPUX86State *env, vaddr lin, hwaddr *phys);
/* Host pointer and RAM offset of code at @lin; NULL host: not RAM. Raises. */
struct code_page {
    const uint8_t *host;   /* of the page, NULL: MMIO */
    uint64_t ram_offset;
    hwaddr phys;
};
void x86_fetch_page(CPUX86State *env, vaddr lin, struct code_page *out);
/*
 * For generated code, which calls it with the guest's vector registers live:
 * fills the entry of @lin in the present mode in the plain cases (64-bit
 * paging, RAM, A and D set, allowed).  False: take the long way.
 */
#ifdef __clang__
#define NO_VECTORS
#else
#define NO_VECTORS __attribute__((target("general-regs-only")))
#endif
bool x86_tlb_refill(CPUX86State *env, vaddr lin, uint32_t write) NO_VECTORS;
uint64_t x86_phys_ld(CPUX86State *env, hwaddr pa, unsigned size);
void x86_phys_st(CPUX86State *env, hwaddr pa, uint64_t val, unsigned size);
void x86_mmu_init(void);
AddressSpace *x86_cpu_as(CPUX86State *env); /* with SMRAM in SMM */
void x86_probe_sys(CPUX86State *env, vaddr lin, unsigned size, bool write);
/* With the rights of @cpl: pushes onto another stack. */
void x86_st_cpl(CPUX86State *env, vaddr lin, uint64_t val, unsigned size,
                int cpl);
void x86_smm_as_init(void);
AddressSpace *x86_smm_as(void); /* NULL: not made */
void x86_mmu_env_init(CPUX86State *env);
struct tlbe *x86_tlb_none(void); /* a table in which nothing hits */
void x86_mmu_update_mode(CPUX86State *env);
/* Own thread (or exclusive): serve requests; drop permission to store. */
void x86_tlb_serve_requests(CPUX86State *env);
void x86_tlb_drop_write(CPUX86State *env);
/* jit-slots.c: own thread or exclusive: all slots, because some entry goes or
 * loses a permission. */
void x86_slots_drop(CPUX86State *env);
/* tlb-writers.c: the same for one page of RAM; entry @i of @mode has got the
 * permission. */
void x86_tlb_drop_write_ram(CPUX86State *env, uint64_t ram_page);
void x86_tlb_note_writer(CPUX86State *env, int mode, unsigned i) NO_VECTORS;
/* Dirty log: sees every store again.  Waits for vCPUs. */
void x86_dirty_sync(void);

/* seg.c */
void x86_load_seg(CPUX86State *env, int seg, uint16_t sel); /* MOV, POP, LES */
/* Real-mode or VM86 style load, no checks. */
void x86_load_seg_real(CPUX86State *env, int seg, uint16_t sel);
void x86_set_seg(CPUX86State *env, int seg, uint16_t sel, uint64_t base,
                 uint32_t limit, uint32_t attr);
/* After any change of CR0, CR4, EFER, CS, CPL, flags that the cached
 * mode bits depend on. */
void x86_update_mode(CPUX86State *env);
void x86_far_jmp(CPUX86State *env, uint16_t sel, uint64_t off, unsigned osz);
void x86_far_call(CPUX86State *env, uint16_t sel, uint64_t off, unsigned osz);
void x86_far_ret(CPUX86State *env, unsigned osz, unsigned pop_bytes);
void x86_iret(CPUX86State *env, unsigned osz);
void x86_syscall(CPUX86State *env);
void x86_sysret(CPUX86State *env, unsigned osz);
void x86_sysenter(CPUX86State *env);
void x86_sysexit(CPUX86State *env, unsigned osz);
void x86_set_cpl(CPUX86State *env, int cpl);
/* Descriptor of @sel; raises @vec when outside its table. */
void x86_read_desc(CPUX86State *env, uint16_t sel, int vec, uint32_t *lo,
                   uint32_t *hi, vaddr *at);
uint32_t x86_desc_limit(uint32_t lo, uint32_t hi);
/* SS:ESP of @cpl from the TSS (long mode: RSPn, or IST when @ist). */
uint64_t x86_tss_stack(CPUX86State *env, int cpl, int ist, uint16_t *ss);
void x86_load_cs_desc(CPUX86State *env, uint16_t sel, uint32_t lo,
                      uint32_t hi, vaddr at, int cpl);
void x86_lldt(CPUX86State *env, uint16_t sel);
void x86_ltr(CPUX86State *env, uint16_t sel);
/* LAR, LSL, VERR, VERW: false leaves ZF clear. */
bool x86_lar(CPUX86State *env, uint16_t sel, uint32_t *res);
bool x86_lsl(CPUX86State *env, uint16_t sel, uint32_t *res);
bool x86_verx(CPUX86State *env, uint16_t sel, bool write);
enum { TASK_JMP, TASK_CALL, TASK_IRET, TASK_INT };
void x86_task_switch(CPUX86State *env, uint16_t sel, int how, uint64_t ret_ip,
                     bool has_error, uint32_t error);
void x86_check_io(CPUX86State *env, unsigned port, unsigned size);

/* Stack of the current SS. */
void x86_push(CPUX86State *env, uint64_t val, unsigned size);
uint64_t x86_pop_peek(CPUX86State *env, unsigned size, uint64_t skip);
void x86_sp_add(CPUX86State *env, int64_t n);

/* excp.c */
enum { INT_HW, INT_EXCP, INT_SOFT, INT_INT1, INT_INT3, INT_INTO };
/* Delivers; raises on faults (the dispatcher merges them). */
void x86_interrupt(CPUX86State *env, int vector, int kind, bool has_error,
                   uint32_t error, uint64_t ret_rip);
/* Dispatcher: delivers what was raised, merging to #DF and triple fault.
 * False: shut down. */
bool x86_deliver_exception(CPUX86State *env);
/* Interrupts, NMI, SMI, INIT...: true if something was taken or changed. */
bool x86_service_events(CPUX86State *env);
/* seg.c: the gate of an IDT entry. */
void x86_enter_gate(CPUX86State *env, uint16_t cs, uint64_t ip, unsigned size,
                    int ist, bool trap, bool has_error, uint32_t error,
                    uint64_t ret_rip);
/* cpu.c.  BQL. */
void x86_do_init(CPUX86State *env);
void x86_do_sipi(CPUX86State *env);
void x86_software_int(CPUX86State *env, int vector, int kind);
void x86_raise_db(CPUX86State *env, uint64_t dr6_bits); /* trap, now */

/* misc.c */
void x86_set_cr0(CPUX86State *env, uint64_t val);
void x86_set_cr3(CPUX86State *env, uint64_t val); /* flushes */
void x86_set_cr4(CPUX86State *env, uint64_t val);
void x86_set_efer(CPUX86State *env, uint64_t val);
void x86_load_pdptrs(CPUX86State *env, uint64_t cr3);
bool x86_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val);
bool x86_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val);
uint64_t x86_rdtsc(CPUX86State *env);
/* The host's TSC, frozen while the VM stands (0: it runs). */
extern _Atomic uint64_t x86_tsc_frozen;
static inline uint64_t x86_host_tsc(void)
{
    uint64_t t = atomic_load_explicit(&x86_tsc_frozen, memory_order_relaxed);

    return likely(!t) ? __builtin_ia32_rdtsc() : t;
}
static inline uint64_t x86_scale_tsc(const CPUX86State *env, uint64_t host)
{
    return likely(!env->tsc_mul)
               ? host : (unsigned __int128)host * env->tsc_mul >> 48;
}
/* The VM stops or goes on.  BQL, no vCPU in guest code. */
void x86_tsc_run(bool run);
uint32_t x86_io_in(CPUX86State *env, unsigned port, unsigned size);
void x86_io_out(CPUX86State *env, unsigned port, uint32_t val, unsigned size);
void x86_update_debug(CPUX86State *env); /* after DR7, gdb changes */

/* soft.c: thread=single, where who spins must let the others run. */
extern bool x86_pause_yields;

/* string.c: INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS; true: finished, false:
 * stopped at an iteration boundary, to be executed again. */
bool x86_string(CPUX86State *env, const struct insn *insn);

/* smm.c */
void x86_smm_enter(CPUX86State *env);
void x86_rsm(CPUX86State *env);

/* interp.c */
/* Runs until exit_req or an event. */
VCPUExit x86_interp_run(CPUX86State *env);
void x86_interp_init(CPUX86State *env, uint64_t cache_bytes);
void x86_interp_destroy(CPUX86State *env);
/* Leaves the block that runs after the instruction. */
static inline void x86_break(CPUX86State *env)
{
    env->break_gen++;
    env->brk = true;
}
/* Any thread: leave guest code soon; no lookup of generated code succeeds
 * from now on. */
static inline void x86_request_exit(CPUX86State *env)
{
    atomic_store(&env->exit_req, 1);
    atomic_store(&env->jc_key, JC_POISON);
}
/* Drops what jumps go through: a mapping changed.  In all of user code (1),
 * kernel code (0). */
void x86_jc_flush_mode(CPUX86State *env, int user);
void x86_jc_flush(CPUX86State *env);
static inline void x86_jc_update(CPUX86State *env)
{
    env->jc_gen = (uint64_t)env->jc_gens[env->key & KEY_USER ? 1 : 0] << 48 |
                  env->key;
}
uint64_t x86_code_epoch(void);
/* The access of the instruction to @lin is by the stack segment. */
bool x86_cur_is_stack(CPUX86State *env, vaddr lin);
/* The bytes of RAM at [ram_offset, +size) were written: drops code. */
void x86_code_written(uint64_t ram_offset, uint64_t size);
bool x86_page_has_code(uint64_t ram_offset) NO_VECTORS;

/* simd.c, fpu.c: executes any x87, MMX, SSE or AVX instruction, xsave family
 * included; raises faults.  fp state: env->x.xsave. */
void simd_exec(CPUX86State *env, const struct insn *insn);
/* Initial x87/SSE state. */
void x86_fpu_reset(CPUX86State *env);

/* cpuid.c */
void x86_cpuid(CPUX86State *env, uint32_t leaf, uint32_t sub, uint32_t out[4]);
/* Bits of XCR0 the model has. */
uint64_t x86_xcr0_legal(const X86CPU *cpu);

/* cpu-config.c */
/* Defaults of the model the type is named after; then properties come. */
void x86_cpu_model_init(X86CPU *cpu);
/* "auto" levels, dependencies between features, all of `max`. */
void x86_cpu_expand(X86CPU *cpu);
/* Takes away what the accelerator lacks, into cpu->filtered. */
void x86_cpu_filter(X86CPU *cpu);
/* The same with warnings and checks, and what follows for the engine. */
bool x86_cpu_config(X86CPU *cpu, Error **errp);
/* Property tables: of all CPU types, of max and host. */
const Property *x86_cpu_props(void);
extern const Property x86_cpu_max_props[];
/* The features another accelerator than the software engine has, or NULL. */
extern void (*x86_accel_features)(uint32_t out[FW_WORDS]);
/* cpu-model-qmp.c: computed properties of all CPU types. */
void x86_cpu_add_qom(void);

CPUX86State *x86_env_new(X86CPU *cpu);
void x86_env_free(X86CPU *cpu);
/* cpu.c: the working copy into env->x and back (get/put_state do it). */
void x86_env_to_regs(CPUX86State *env);
void x86_regs_to_env(CPUX86State *env);
void x86_cpu_reset(CPUX86State *env, bool init); /* init: INIT, else RESET */
extern const VMStateDescription vmstate_x86_regs;
/* Of the common copy (x86_env_to_regs). */
void x86_dump_regs(CPUX86State *env, GString *out, bool fpu);

#endif
