/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82078 floppy disk controller on the ISA bus (data sheet 290474): ports
 * 3F0h-3F5h and 3F7h, IRQ 6, DMA 2.
 *
 * A command gathers its parameter bytes, executes, and offers its result
 * bytes.  A read fetches the sectors up to the last one asked for (EOT) in one
 * request, then DMA or the guest takes bytes until terminal count; a write
 * gathers bytes until then and goes out in one request.  With MT the other head
 * follows in the same way.  Nothing turns and nothing seeks: both take no time.
 * Port 3F0h (SRA) is not there in AT mode.
 */
#include "osdep.h"
#include "hw/block/fdc-int.h"
#include "util/log.h"

/* Digital output register. */
enum { DOR_SEL = 3, DOR_NRESET = 4, DOR_DMAGATE = 8, DOR_MOTA = 0x10 };
/* Main status register. */
enum { MSR_CB = 0x10, MSR_NONDMA = 0x20, MSR_DIO = 0x40, MSR_RQM = 0x80 };
enum { DSR_SWRESET = 0x80, DSR_POWERDOWN = 0x40 };
/* Status registers 0 to 3 of the result phase. */
enum { ST0_NR = 8, ST0_EC = 0x10, ST0_SE = 0x20, ST0_ABNORMAL = 0x40,
       ST0_INVALID = 0x80, ST0_POLL = 0xc0 };
enum { ST1_MA = 1, ST1_NW = 2, ST1_ND = 4, ST1_OR = 0x10, ST1_DE = 0x20,
       ST1_EN = 0x80 };
enum { ST2_SN = 4, ST2_SH = 8, ST2_DD = 0x20, ST2_CM = 0x40 };
enum { ST3_HD = 4, ST3_TS = 8, ST3_TRK0 = 0x10, ST3_RDY = 0x20,
       ST3_WP = 0x40 };
/* First parameter byte of CONFIGURE's second. */
enum { CONF_POLL_OFF = 0x10, CONF_FIFO_OFF = 0x20, CONF_EIS = 0x40 };

typedef enum Phase { PH_COMMAND, PH_EXECUTE, PH_RESULT, PH_MAX } Phase;
typedef enum ExecKind { EX_READ, EX_WRITE, EX_SCAN_EQ, EX_SCAN_LOW,
                        EX_SCAN_HIGH, EX_VERIFY, EX_FORMAT, EX_MAX } ExecKind;

typedef struct FDController FDController;
/* A request under way; it outlives a reset of the controller. */
typedef struct FDRequest {
    FDController *s;     /* NULL: nobody waits any more */
    struct iovec iov;
    uint8_t *buf;
} FDRequest;

struct FDController {
    ISADevice isa;
    /* Properties. */
    uint32_t iobase, irq_num, dma_num;
    int32_t type_prop[FD_DRIVES], fallback_prop;
    int32_t bootindex[FD_DRIVES];
    /* Guest-visible state. */
    uint8_t dor, tdr, dsr, msr_busy;
    uint8_t timer0, timer1;         /* SPECIFY */
    uint8_t config, precomp, lock, perpendicular, power_mode;
    uint8_t pcn[4];                 /* present cylinders */
    uint8_t seek_done, seek_st0[4]; /* for SENSE INTERRUPT STATUS */
    uint8_t poll_left;              /* ... and after a reset */
    uint8_t fifo[32];               /* parameters, then results */
    uint32_t pos, len;              /* in fifo */
    uint32_t phase;
    bool irq_pending;
    /* Execution. */
    uint32_t kind;
    bool transferring;              /* bytes may flow */
    bool scan_hit, scan_equal;
    uint32_t data_pos, data_len;    /* in data */
    uint64_t lba;
    uint8_t st1_at_end;             /* when the sectors end before TC */
    uint8_t side2;                  /* sectors to follow on head 1 (MT) */
    bool tc;                        /* terminal count came */
    bool deleted;                   /* READ DELETED DATA found a normal one */
    uint8_t id_sector;              /* last sector that passed READ ID */
    /* Host side. */
    uint8_t *data;
    FDRequest *req;
    FloppyDrive *drive[FD_DRIVES];
    FloppyBus bus;
    MemoryRegion io, io_dir;
    IRQ *irq;
    bool has_dma;
};

/* ---- lines and phases ------------------------------------------------------------- */

static void update_irq(FDController *s)
{
    irq_set(s->irq, s->irq_pending && (s->dor & DOR_DMAGATE));
}

static void set_irq(FDController *s, bool level)
{
    s->irq_pending = level;
    update_irq(s);
}

static void dreq(FDController *s, bool level)
{
    if (s->has_dma) {
        isa_dma_dreq(&s->isa, s->dma_num, level);
    }
}

static FloppyDrive *drive_of(FDController *s, unsigned unit)
{
    return unit < FD_DRIVES ? s->drive[unit] : NULL;
}

static void to_command(FDController *s)
{
    s->phase = PH_COMMAND;
    s->pos = s->len = 0;
}

static void drop_request(FDController *s)
{
    if (s->req) {
        s->req->s = NULL;
        s->req = NULL;
    }
    s->transferring = false;
    dreq(s, false);
}

static void result(FDController *s, unsigned n, bool irq)
{
    drop_request(s);
    s->phase = PH_RESULT;
    s->pos = 0;
    s->len = n;
    if (irq) {
        set_irq(s, true);
    }
}

/* The seven bytes that end a data command: where it stopped. */
static void data_result(FDController *s, unsigned st0, unsigned st1,
                        unsigned st2)
{
    uint8_t p1 = s->fifo[1], n = s->fifo[5];
    uint8_t c = s->fifo[2], h = s->fifo[3], r = s->fifo[4];

    s->fifo[0] = st0 | (p1 & 7);
    s->fifo[1] = st1;
    s->fifo[2] = st2;
    s->fifo[3] = c;
    s->fifo[4] = h;
    s->fifo[5] = r;
    s->fifo[6] = n;
    result(s, 7, true);
}

/* ---- data commands ------------------------------------------------------------------- */

static bool dma_mode(const FDController *s)
{
    return !(s->timer1 & 1) && s->has_dma;
}

static bool reads_medium(const FDController *s)
{
    return s->kind != EX_WRITE && s->kind != EX_FORMAT;
}

static bool to_guest(const FDController *s)
{
    return s->kind == EX_READ;
}

/* Moves the sector address past @sectors: data sheet, table of result-phase
 * values: after EOT comes the other head (MT) or the next cylinder. */
static void advance(FDController *s, unsigned sectors)
{
    bool mt = s->fifo[0] & 0x80;
    unsigned r = s->fifo[4] + sectors;

    while (r > s->fifo[6] && sectors) {
        r -= s->fifo[6];
        if (mt && !(s->fifo[1] & 4)) {
            s->fifo[1] |= 4;
            s->fifo[3] ^= 1;
        } else {
            if (mt) {
                s->fifo[1] &= ~4;
                s->fifo[3] ^= 1;
            }
            s->fifo[2]++;
        }
    }
    s->fifo[4] = r;
}

static void finish(FDController *s)
{
    unsigned st1 = s->tc ? 0 : s->st1_at_end, st2 = 0;

    if (s->kind >= EX_SCAN_EQ && s->kind <= EX_SCAN_HIGH) {
        st2 = s->scan_hit ? (s->scan_equal ? ST2_SH : 0) : ST2_SN;
    } else if (s->deleted) {
        st1 = 0;
        st2 = ST2_CM;
    }
    if (s->kind != EX_FORMAT) {
        advance(s, DIV_ROUND_UP(s->data_pos, FD_SECTOR));
    }
    data_result(s, st1 ? ST0_ABNORMAL : 0, st1, st2);
}

static void begin_side(FDController *s);

/* This side's sectors are done. */
static void side_done(FDController *s)
{
    FloppyDrive *d = drive_of(s, s->fifo[1] & 3);

    if (s->tc || !s->side2 || !d || !d->inserted) {
        finish(s);
        return;
    }
    advance(s, s->data_len / FD_SECTOR);
    s->lba = ((uint64_t)s->fifo[2] * d->heads + 1) * d->secs;
    s->data_len = s->side2 * FD_SECTOR;
    s->data_pos = 0;
    s->side2 = 0;
    begin_side(s);
}

/* Bytes may flow. */
static void start_transfer(FDController *s)
{
    s->transferring = true;
    if (dma_mode(s)) {
        dreq(s, true);
    } else {
        set_irq(s, true);
    }
}

static void request_done(void *opaque, int ret)
{
    FDRequest *rq = opaque;
    FDController *s = rq->s;

    if (s) {
        s->req = NULL;
        if (ret < 0) {
            data_result(s, ST0_ABNORMAL, ST1_ND, ST2_DD);
        } else if (!reads_medium(s)) {
            side_done(s);
        } else if (s->kind == EX_VERIFY) {
            s->data_pos = s->data_len;
            s->tc = !s->side2;
            side_done(s);
        } else {
            memcpy(s->data, rq->buf, s->data_len);
            start_transfer(s);
        }
    }
    g_free(rq->buf);
    g_free(rq);
}

static void submit(FDController *s, FloppyDrive *d, bool write, uint32_t bytes)
{
    FDRequest *rq = g_new0(FDRequest, 1);

    rq->s = s;
    rq->buf = g_malloc(bytes);
    rq->iov = (struct iovec){ rq->buf, bytes };
    s->req = rq;
    if (write) {
        memcpy(rq->buf, s->data, bytes);
        blk_aio_pwritev(d->conf.blk, s->lba * FD_SECTOR, &rq->iov, 1, 0,
                        request_done, rq);
    } else {
        blk_aio_preadv(d->conf.blk, s->lba * FD_SECTOR, &rq->iov, 1, 0,
                       request_done, rq);
    }
}

static void begin_side(FDController *s)
{
    s->phase = PH_EXECUTE;
    if (reads_medium(s)) {
        submit(s, drive_of(s, s->fifo[1] & 3), false, s->data_len);
    } else {
        start_transfer(s);
    }
}

/* This side's bytes are in data: they go to the medium. */
static void write_out(FDController *s)
{
    FloppyDrive *d = drive_of(s, s->fifo[1] & 3);
    uint32_t bytes = ROUND_UP(s->data_pos, FD_SECTOR);

    s->transferring = false;
    dreq(s, false);
    if (!d || !d->inserted || !bytes) {
        finish(s);
        return;
    }
    /* TC within a sector: the rest of it is zeroes. */
    memset(s->data + s->data_pos, 0, bytes - s->data_pos);
    submit(s, d, true, bytes);
}

static void format_out(FDController *s)
{
    FloppyDrive *d = drive_of(s, s->fifo[1] & 3);
    unsigned hd = s->fifo[1] >> 2 & 1, sc = s->fifo[3], fill = s->fifo[5];
    unsigned cyl = s->pcn[s->fifo[1] & 3];

    s->transferring = false;
    dreq(s, false);
    /* The result names the last sector header written. */
    s->fifo[2] = s->data[4 * sc - 4];
    s->fifo[3] = s->data[4 * sc - 3];
    s->fifo[4] = s->data[4 * sc - 2];
    s->fifo[5] = s->data[4 * sc - 1];
    s->lba = ((uint64_t)cyl * d->heads + hd) * d->secs;
    memset(s->data, fill, d->secs * FD_SECTOR);
    s->tc = true;
    submit(s, d, true, d->secs * FD_SECTOR);
}

static void scan_bytes(FDController *s, const uint8_t *host, size_t n)
{
    /* FFh from the host matches anything (data sheet, SCAN commands). */
    for (size_t i = 0; i < n; i++) {
        uint8_t disk = s->data[s->data_pos + i];

        if (host[i] != 0xff && disk != 0xff && host[i] != disk) {
            s->scan_equal = false;
            if (s->kind == EX_SCAN_EQ ||
                (s->kind == EX_SCAN_LOW ? disk > host[i] : disk < host[i])) {
                s->scan_hit = false;
            }
        }
    }
}

/* After bytes flowed: a whole sector may decide a SCAN, the end ends it. */
static void bytes_moved(FDController *s, bool tc)
{
    bool scan = s->kind >= EX_SCAN_EQ && s->kind <= EX_SCAN_HIGH;

    if (scan && s->data_pos % FD_SECTOR == 0) {
        if (s->scan_hit) {
            s->tc = true;
            finish(s);
            return;
        }
        if (!tc && s->data_pos < s->data_len) {
            s->scan_hit = s->scan_equal = true; /* the next sector */
        }
    }
    if (!tc && s->data_pos < s->data_len) {
        return;
    }
    s->tc = tc;
    if (s->kind == EX_WRITE) {
        write_out(s);
    } else if (s->kind == EX_FORMAT) {
        if (s->data_pos < s->data_len) {
            data_result(s, ST0_ABNORMAL, ST1_OR, 0); /* too few headers */
        } else {
            format_out(s);
        }
    } else {
        s->transferring = false;
        dreq(s, false);
        side_done(s);
    }
}

static size_t dma_transfer(void *opaque, size_t len)
{
    FDController *s = opaque;
    ISADMAType type = isa_dma_type(&s->isa, s->dma_num);
    ISADMAType wanted = to_guest(s) ? ISA_DMA_WRITE : ISA_DMA_READ;
    size_t n;

    if (!s->transferring || !dma_mode(s)) {
        return 0;
    }
    if (type != wanted && type != ISA_DMA_VERIFY) {
        data_result(s, ST0_ABNORMAL, ST1_OR, 0);
        return 0;
    }
    n = MIN(len, s->data_len - s->data_pos);
    if (to_guest(s)) {
        isa_dma_write(&s->isa, s->dma_num, 0, s->data + s->data_pos, n);
        s->data_pos += n;
    } else if (s->kind == EX_WRITE || s->kind == EX_FORMAT) {
        isa_dma_read(&s->isa, s->dma_num, 0, s->data + s->data_pos, n);
        s->data_pos += n;
    } else {
        uint8_t host[FD_SECTOR];

        n = MIN(n, FD_SECTOR - s->data_pos % FD_SECTOR);
        memset(host, 0xff, sizeof(host));
        isa_dma_read(&s->isa, s->dma_num, 0, host, n);
        scan_bytes(s, host, n);
        s->data_pos += n;
    }
    bytes_moved(s, n == len);
    return n;
}

static uint8_t pio_read(FDController *s)
{
    uint8_t v = s->data[s->data_pos++];

    set_irq(s, false);
    bytes_moved(s, false);
    return v;
}

static void pio_write(FDController *s, uint8_t v)
{
    set_irq(s, false);
    if (s->kind == EX_WRITE || s->kind == EX_FORMAT) {
        s->data[s->data_pos] = v;
    } else {
        scan_bytes(s, &v, 1);
    }
    s->data_pos++;
    bytes_moved(s, false);
}

/* The drive is there, ready, and holds a medium the data rate fits. */
static bool check_drive(FDController *s, FloppyDrive *d)
{
    if (!d || !d->inserted) {
        data_result(s, ST0_ABNORMAL, ST1_MA, 0);
        return false;
    }
    if ((s->dsr & 3) != d->rate) {
        data_result(s, ST0_ABNORMAL, ST1_MA, 0);
        return false;
    }
    return true;
}

static void begin_data(FDController *s, ExecKind kind)
{
    unsigned unit = s->fifo[1] & 3, hd = s->fifo[1] >> 2 & 1;
    unsigned c = s->fifo[2], h = s->fifo[3], r = s->fifo[4], n = s->fifo[5];
    unsigned eot = s->fifo[6], last, count;
    bool mt = s->fifo[0] & 0x80;
    FloppyDrive *d = drive_of(s, unit);

    s->kind = kind;
    s->data_pos = s->data_len = s->side2 = 0;
    s->tc = false;
    s->deleted = (s->fifo[0] & 0x1f) == 0x0c;
    if (!check_drive(s, d)) {
        return;
    }
    if (c >= d->cyls || h != hd || hd >= d->heads || n != 2 || r == 0 ||
        r > d->secs) {
        data_result(s, ST0_ABNORMAL, ST1_ND, 0);
        return;
    }
    if (c != s->pcn[unit]) {
        if (!(s->config & CONF_EIS)) {
            data_result(s, ST0_ABNORMAL, ST1_ND, 0x10); /* wrong cylinder */
            return;
        }
        s->pcn[unit] = c;
    }
    if ((kind == EX_WRITE) && d->read_only) {
        data_result(s, ST0_ABNORMAL, ST1_NW, 0);
        return;
    }
    /* An EOT below R never comes: the track ends first. */
    s->st1_at_end = eot > d->secs || eot < r ? ST1_ND : ST1_EN;
    last = eot > d->secs || eot < r ? d->secs : eot;
    count = last - r + 1;
    if (mt && hd == 0 && d->heads > 1 && last == eot) {
        s->side2 = eot;
    }
    if (kind == EX_VERIFY && (s->fifo[1] & 0x80) && s->fifo[8]) {
        /* EC: DTL counts the sectors. */
        if (s->fifo[8] <= count) {
            count = s->fifo[8];
            s->side2 = 0;
        } else {
            s->side2 = MIN(s->side2, s->fifo[8] - count);
        }
    }
    if (s->deleted) {
        count = 1; /* the first normal sector ends the command */
        s->side2 = 0;
    }
    s->lba = ((uint64_t)c * d->heads + hd) * d->secs + r - 1;
    s->data_len = count * FD_SECTOR;
    s->scan_hit = s->scan_equal = true;
    begin_side(s);
}

static void cmd_read(FDController *s)
{
    begin_data(s, EX_READ);
}

/* No sector of an image is marked deleted: with SK the command finds nothing
 * up to the end of the track, else one sector and says so (ST2 CM). */
static void cmd_read_deleted(FDController *s)
{
    if (s->fifo[0] & 0x20) {
        data_result(s, ST0_ABNORMAL, ST1_ND, 0);
        return;
    }
    begin_data(s, EX_READ);
}

/* READ TRACK: the physical sectors from the first one on, whatever R says. */
static void cmd_read_track(FDController *s)
{
    s->fifo[4] = 1;
    begin_data(s, EX_READ);
}

/* WRITE DELETED DATA too: an image cannot hold the mark. */
static void cmd_write(FDController *s)
{
    begin_data(s, EX_WRITE);
}

static void cmd_scan_eq(FDController *s)
{
    begin_data(s, EX_SCAN_EQ);
}

static void cmd_scan_low(FDController *s)
{
    begin_data(s, EX_SCAN_LOW);
}

static void cmd_scan_high(FDController *s)
{
    begin_data(s, EX_SCAN_HIGH);
}

static void cmd_verify(FDController *s)
{
    begin_data(s, EX_VERIFY);
}

static void cmd_format(FDController *s)
{
    unsigned unit = s->fifo[1] & 3, hd = s->fifo[1] >> 2 & 1;
    unsigned n = s->fifo[2], sc = s->fifo[3], gpl = s->fifo[4];
    FloppyDrive *d = drive_of(s, unit);

    s->kind = EX_FORMAT;
    s->data_pos = s->data_len = s->side2 = 0;
    s->deleted = s->tc = false;
    if (!check_drive(s, d)) {
        return;
    }
    if (d->read_only) {
        data_result(s, ST0_ABNORMAL, ST1_NW, 0);
        return;
    }
    if (n != 2 || sc == 0 || sc > d->secs || hd >= d->heads ||
        s->pcn[unit] >= d->cyls) {
        log_mask(LOG_UNIMP, "fdc: FORMAT TRACK of %u sectors of size code %u, "
                 "gap %u: an image holds its own format only\n", sc, n, gpl);
        data_result(s, ST0_ABNORMAL, ST1_ND, 0);
        return;
    }
    s->data_len = 4 * sc; /* C, H, R, N of each */
    begin_side(s);
}

/* ---- other commands ---------------------------------------------------------------------- */

static void cmd_read_id(FDController *s)
{
    unsigned unit = s->fifo[1] & 3, hd = s->fifo[1] >> 2 & 1;
    FloppyDrive *d = drive_of(s, unit);

    s->fifo[2] = s->pcn[unit];
    s->fifo[3] = hd;
    s->id_sector = d && s->id_sector < d->secs ? s->id_sector + 1 : 1;
    s->fifo[4] = s->id_sector;
    s->fifo[5] = 2;
    if (!check_drive(s, d)) {
        return;
    }
    if (hd >= d->heads || s->pcn[unit] >= d->cyls) {
        data_result(s, ST0_ABNORMAL, ST1_MA, 0);
        return;
    }
    data_result(s, 0, 0, 0);
}

static void end_seek(FDController *s, unsigned unit, unsigned cyl, unsigned st0)
{
    FloppyDrive *d = drive_of(s, unit);

    if (d && d->inserted && cyl != s->pcn[unit]) {
        d->media_changed = false; /* a step with a medium in clears DSKCHG */
    }
    s->pcn[unit] = cyl;
    s->seek_done |= 1u << unit;
    s->seek_st0[unit] = st0 | unit;
    to_command(s);
    set_irq(s, true);
}

static void cmd_recalibrate(FDController *s)
{
    unsigned unit = s->fifo[1] & 3;

    end_seek(s, unit, 0, ST0_SE);
}

static void cmd_seek(FDController *s)
{
    unsigned unit = s->fifo[1] & 3;

    end_seek(s, unit, s->fifo[2], ST0_SE | (s->fifo[1] & 4));
}

static void cmd_relative_seek(FDController *s)
{
    unsigned unit = s->fifo[1] & 3;
    bool in = s->fifo[0] & 0x40; /* towards higher cylinders */
    int c = in ? s->pcn[unit] + s->fifo[2] : s->pcn[unit] - s->fifo[2];

    end_seek(s, unit, CLAMP(c, 0, 255), ST0_SE | (s->fifo[1] & 4));
}

static void cmd_sense_int(FDController *s)
{
    unsigned unit;

    if (s->poll_left) {
        unit = 4 - s->poll_left--;
        s->fifo[0] = ST0_POLL | unit;
        s->fifo[1] = s->pcn[unit];
    } else if (s->seek_done) {
        unit = __builtin_ctz(s->seek_done);
        s->seek_done &= ~(1u << unit);
        s->fifo[0] = s->seek_st0[unit];
        s->fifo[1] = s->pcn[unit];
    } else {
        s->fifo[0] = ST0_INVALID;
        result(s, 1, false);
        return;
    }
    result(s, 2, false);
    set_irq(s, false);
}

static void cmd_sense_drive(FDController *s)
{
    unsigned unit = s->fifo[1] & 3;
    FloppyDrive *d = drive_of(s, unit);
    unsigned st3 = ST3_RDY | ST3_TS | (s->fifo[1] & 7);

    if (d && d->inserted && d->read_only) {
        st3 |= ST3_WP;
    }
    if (s->pcn[unit] == 0) {
        st3 |= ST3_TRK0;
    }
    s->fifo[0] = st3;
    result(s, 1, false);
}

static void cmd_specify(FDController *s)
{
    s->timer0 = s->fifo[1];
    s->timer1 = s->fifo[2];
    to_command(s);
}

static void cmd_configure(FDController *s)
{
    s->config = s->fifo[2] & 0x7f;
    s->precomp = s->fifo[3];
    to_command(s);
}

static void cmd_perpendicular(FDController *s)
{
    if (s->fifo[1] & 0x80) { /* OW: the drive bits are meant */
        s->perpendicular = s->fifo[1] & 0x3f;
    } else {
        s->perpendicular = (s->perpendicular & ~3) | (s->fifo[1] & 3);
    }
    to_command(s);
}

static void cmd_lock(FDController *s)
{
    s->lock = s->fifo[0] >> 7;
    s->fifo[0] = s->lock << 4;
    result(s, 1, false);
}

static void cmd_version(FDController *s)
{
    s->fifo[0] = 0x90; /* enhanced controller */
    result(s, 1, false);
}

static void cmd_part_id(FDController *s)
{
    s->fifo[0] = 0x41; /* 82078-1, stepping 1 */
    result(s, 1, false);
}

static uint8_t drive_format(const FDController *s)
{
    const FloppyDrive *d = s->drive[s->dor & 1];

    return d && d->inserted ? d->secs : 0;
}

static void cmd_dumpreg(FDController *s)
{
    for (int i = 0; i < 4; i++) {
        s->fifo[i] = s->pcn[i];
    }
    s->fifo[4] = s->timer0;
    s->fifo[5] = s->timer1;
    s->fifo[6] = drive_format(s);
    s->fifo[7] = s->lock << 7 | s->perpendicular;
    s->fifo[8] = s->config;
    s->fifo[9] = s->precomp;
    result(s, 10, false);
}

static void cmd_save(FDController *s)
{
    static const uint8_t none[16];

    memcpy(s->fifo, none, 16);
    for (int i = 0; i < 4; i++) {
        s->fifo[2 + i] = s->pcn[i];
    }
    s->fifo[6] = s->timer0;
    s->fifo[7] = s->timer1;
    s->fifo[8] = drive_format(s);
    s->fifo[9] = s->lock << 7 | s->perpendicular;
    s->fifo[10] = s->config;
    s->fifo[11] = s->precomp;
    result(s, 15, false);
}

static void cmd_restore(FDController *s)
{
    /* The layout of SAVE, one byte on. */
    for (int i = 0; i < 4; i++) {
        s->pcn[i] = s->fifo[3 + i];
    }
    s->timer0 = s->fifo[7];
    s->timer1 = s->fifo[8];
    s->lock = s->fifo[10] >> 7;
    s->perpendicular = s->fifo[10] & 0x3f;
    s->config = s->fifo[11] & 0x7f;
    s->precomp = s->fifo[12];
    to_command(s);
}

static void cmd_powerdown_mode(FDController *s)
{
    s->power_mode = s->fifo[1];
    s->fifo[0] = s->fifo[1];
    result(s, 1, false);
}

static void cmd_option(FDController *s)
{
    to_command(s); /* ISO format: no sector of ours has an index mark */
}

static void cmd_drive_spec(FDController *s)
{
    /* A parameter byte with bit 7 ends it; bit 6 clear asks for the result
     * phase, which holds what all drives have: rate table 0. */
    if (!(s->fifo[s->pos - 1] & 0x40)) {
        memset(s->fifo, 0, 4);
        result(s, 4, false);
    } else {
        to_command(s);
    }
}

static void cmd_invalid(FDController *s)
{
    s->fifo[0] = ST0_INVALID;
    result(s, 1, false);
}

/* Mask and value tell options (MT, MFM, SK) from the command's own bits. */
static const struct Command {
    uint8_t mask, value, params;
    void (*run)(FDController *s);
} commands[] = {
    { 0x1f, 0x06, 8, cmd_read },          { 0x1f, 0x0c, 8, cmd_read_deleted },
    { 0x9f, 0x02, 8, cmd_read_track },    { 0xbf, 0x0a, 1, cmd_read_id },
    { 0x3f, 0x05, 8, cmd_write },         { 0x3f, 0x09, 8, cmd_write },
    { 0xbf, 0x0d, 5, cmd_format },        { 0x1f, 0x11, 8, cmd_scan_eq },
    { 0x1f, 0x19, 8, cmd_scan_low },      { 0x1f, 0x1d, 8, cmd_scan_high },
    { 0x1f, 0x16, 8, cmd_verify },        { 0xff, 0x07, 1, cmd_recalibrate },
    { 0xff, 0x08, 0, cmd_sense_int },     { 0xff, 0x03, 2, cmd_specify },
    { 0xff, 0x04, 1, cmd_sense_drive },   { 0xff, 0x0f, 2, cmd_seek },
    { 0xbf, 0x8f, 2, cmd_relative_seek }, { 0xff, 0x10, 0, cmd_version },
    { 0xff, 0x12, 1, cmd_perpendicular }, { 0xff, 0x13, 3, cmd_configure },
    { 0x7f, 0x14, 0, cmd_lock },          { 0xff, 0x0e, 0, cmd_dumpreg },
    { 0xff, 0x18, 0, cmd_part_id },       { 0xff, 0x17, 1, cmd_powerdown_mode },
    { 0xff, 0x2e, 0, cmd_save },          { 0xff, 0x4e, 16, cmd_restore },
    { 0xff, 0x33, 1, cmd_option },        { 0xff, 0x8e, 4, cmd_drive_spec },
    { 0x00, 0x00, 0, cmd_invalid },
};

static const struct Command *command_of(uint8_t byte)
{
    const struct Command *c = commands;

    while ((byte & c->mask) != c->value) {
        c++;
    }
    return c;
}

/* ---- registers ---------------------------------------------------------------------------- */

static void fifo_write(FDController *s, uint8_t v)
{
    const struct Command *c;

    if (s->dsr & DSR_POWERDOWN || !(s->dor & DOR_NRESET)) {
        return;
    }
    if (s->phase == PH_EXECUTE && s->transferring && !dma_mode(s) &&
        !to_guest(s)) {
        pio_write(s, v);
        return;
    }
    if (s->phase != PH_COMMAND || s->pos >= sizeof(s->fifo)) {
        log_mask(LOG_GUEST_ERROR, "fdc: write of %02x in the wrong phase\n", v);
        return;
    }
    s->fifo[s->pos++] = v;
    c = command_of(s->fifo[0]);
    if (s->pos == c->params + 1u ||
        (c->run == cmd_drive_spec && s->pos > 1 && (v & 0x80))) {
        c->run(s);
    }
}

static uint8_t fifo_read(FDController *s)
{
    uint8_t v = 0;

    if (s->phase == PH_EXECUTE && s->transferring && !dma_mode(s) &&
        to_guest(s)) {
        return pio_read(s);
    }
    if (s->phase == PH_RESULT && s->pos < s->len) {
        v = s->fifo[s->pos++];
        if (s->len > 2) {
            set_irq(s, false);
        }
        if (s->pos == s->len) {
            to_command(s);
        }
    }
    return v;
}

static uint8_t msr(const FDController *s)
{
    if (!(s->dor & DOR_NRESET)) {
        return 0;
    }
    switch (s->phase) {
    case PH_COMMAND:
        return MSR_RQM | (s->pos ? MSR_CB : 0);
    case PH_RESULT:
        return MSR_RQM | MSR_DIO | MSR_CB;
    default:
        return MSR_CB | (!s->transferring || dma_mode(s)
                             ? 0 : MSR_RQM | MSR_NONDMA |
                                   (to_guest(s) ? MSR_DIO : 0));
    }
}

/* What RESET, DOR and DSR do; the registers that LOCK keeps are kept. */
static void soft_reset(FDController *s)
{
    drop_request(s);
    if (!s->lock) {
        s->config = CONF_EIS | CONF_FIFO_OFF;
        s->precomp = 0;
    }
    s->seek_done = 0;
    memset(s->pcn, 0, sizeof(s->pcn));
    to_command(s);
    set_irq(s, false);
}

static void after_reset(FDController *s)
{
    /* Polling finds all drives changed: four interrupts to sense. */
    s->poll_left = s->config & CONF_POLL_OFF ? 0 : 4;
    if (s->poll_left) {
        set_irq(s, true);
    }
}

static void dor_write(FDController *s, uint8_t v)
{
    uint8_t old = s->dor;

    s->dor = v;
    if (!(v & DOR_NRESET)) {
        if (old & DOR_NRESET) {
            soft_reset(s);
        }
    } else if (!(old & DOR_NRESET)) {
        s->dsr &= ~DSR_POWERDOWN;
        after_reset(s);
    }
    update_irq(s);
}

static uint8_t dir_read(const FDController *s)
{
    const FloppyDrive *d = (s->dor & DOR_SEL) < FD_DRIVES
                               ? s->drive[s->dor & DOR_SEL] : NULL;

    return d && (d->media_changed || !d->inserted) ? 0x80 : 0;
}

static uint8_t srb_read(const FDController *s)
{
    return 0xc0 | (s->dor & 1 ? 0x20 : 0) | (s->dor >> 4 & 3);
}

static uint64_t fdc_read(void *opaque, hwaddr addr, unsigned size)
{
    FDController *s = opaque;

    switch (addr) {
    case 0:
        return srb_read(s);
    case 1:
        return s->dor;
    case 2:
        return s->tdr;
    case 3:
        return msr(s);
    case 4:
        return fifo_read(s);
    default:
        return 0xff;
    }
}

static void fdc_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    FDController *s = opaque;

    switch (addr) {
    case 1:
        dor_write(s, val);
        break;
    case 2:
        s->tdr = val & 3;
        break;
    case 3:
        s->dsr = val & ~DSR_SWRESET;
        if ((val & DSR_SWRESET) && (s->dor & DOR_NRESET)) {
            soft_reset(s);
            after_reset(s);
        }
        break;
    case 4:
        fifo_write(s, val);
        break;
    default:
        break;
    }
}

static uint64_t fdc_dir_read(void *opaque, hwaddr addr, unsigned size)
{
    return dir_read(opaque);
}

static void fdc_ccr_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    FDController *s = opaque;

    s->dsr = (s->dsr & ~3) | (val & 3);
}

static const MemoryRegionOps fdc_ops = {
    .read = fdc_read,
    .write = fdc_write,
    .access = { .min = 1, .max = 1 },
};

static const MemoryRegionOps fdc_dir_ops = {
    .read = fdc_dir_read,
    .write = fdc_ccr_write,
    .access = { .min = 1, .max = 1 },
};

/* ---- the device ---------------------------------------------------------------------------- */

FloppyType fdc_fallback_type(const FDController *s)
{
    FloppyType t = fd_type_of(s->fallback_prop);

    return t == FLOPPY_AUTO ? FLOPPY_288 : t;
}

FloppyType fdc_forced_type(const FDController *s, unsigned unit)
{
    return fd_type_of(s->type_prop[unit]);
}

bool fdc_attach(FDController *s, FloppyDrive *d, Error **errp)
{
    if (d->unit == UINT32_MAX) {
        d->unit = s->drive[0] ? 1 : 0;
    }
    if (d->unit >= FD_DRIVES) {
        error_setg(errp, "Can't create floppy unit %u, bus supports only %d "
                   "units", d->unit, FD_DRIVES);
        return false;
    }
    if (s->drive[d->unit]) {
        error_setg(errp, "Floppy unit %u is in use", d->unit);
        return false;
    }
    d->fdc = s;
    s->drive[d->unit] = d;
    return true;
}

static void fdc_reset(DeviceState *dev)
{
    FDController *s = (FDController *)dev;

    s->dor = DOR_NRESET | DOR_DMAGATE;
    s->tdr = 0;
    s->dsr = FD_RATE_250K;
    s->timer0 = s->timer1 = 0;
    s->lock = s->perpendicular = s->power_mode = 0;
    s->poll_left = 0;
    s->data_pos = s->data_len = 0;
    soft_reset(s);
}

static bool fdc_realize(DeviceState *dev, Error **errp)
{
    FDController *s = (FDController *)dev;

    s->irq = isa_get_irq(&s->isa, s->irq_num, errp);
    if (!s->irq) {
        return false;
    }
    if (s->iobase > 0xfff8) {
        error_setg(errp, "iobase %u is out of range", s->iobase);
        return false;
    }
    if (s->dma_num != UINT32_MAX) {
        if (!isa_dma_claim(&s->isa, s->dma_num, dma_transfer, s, errp)) {
            return false;
        }
        s->has_dma = true;
    }
    if (!isa_add_io(&s->isa, &s->io, &fdc_ops, s, s->iobase + 1, 5,
                    errp) ||
        !isa_add_io(&s->isa, &s->io_dir, &fdc_dir_ops, s, s->iobase + 7, 1,
                    errp)) {
        return false;
    }
    s->data = g_malloc0(FD_BUFFER);
    bus_init(&s->bus.bus, BUS_FLOPPY, dev, "floppy-bus.0");
    s->bus.fdc = s;
    return true;
}

static void fdc_finalize(DeviceState *dev)
{
    g_free(((FDController *)dev)->data);
}

static bool fdc_post_load(void *opaque, int version, Error **errp)
{
    FDController *s = opaque;

    if (s->phase >= PH_MAX || s->kind >= EX_MAX ||
        s->pos > sizeof(s->fifo) || s->len > sizeof(s->fifo) ||
        s->data_len > FD_BUFFER || s->data_pos > s->data_len ||
        (s->transferring && s->data_pos >= s->data_len) || s->poll_left > 4 ||
        s->seek_done > 15 || s->side2 > 48 || (s->phase == PH_EXECUTE && !s->transferring) ||
        (s->phase == PH_EXECUTE && !drive_of(s, s->fifo[1] & 3))) {
        error_setg(errp, "fdc: state out of range");
        return false;
    }
    return true;
}

static bool data_needed(const void *opaque)
{
    return ((const FDController *)opaque)->phase == PH_EXECUTE;
}

static void save_data(const void *field, VMStateWriter *w)
{
    vmstate_put_bytes(w, *(uint8_t *const *)field, FD_BUFFER);
}

static bool load_data(void *field, VMStateReader *r, Error **errp)
{
    return vmstate_get_bytes(r, *(uint8_t **)field, FD_BUFFER, errp);
}

static const VMStateField data_fields[] = {
    VMSTATE_CUSTOM("data", FDController, data, save_data, load_data),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_data = {
    .name = "fdc/data",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = data_needed,
    .fields = data_fields,
};

static const VMStateDescription *const fdc_subsections[] = {
    &vmstate_data, NULL
};

static const VMStateField fdc_fields[] = {
    VMSTATE_UINT8(dor, FDController),
    VMSTATE_UINT8(tdr, FDController),
    VMSTATE_UINT8(dsr, FDController),
    VMSTATE_UINT8(timer0, FDController),
    VMSTATE_UINT8(timer1, FDController),
    VMSTATE_UINT8(config, FDController),
    VMSTATE_UINT8(precomp, FDController),
    VMSTATE_UINT8(lock, FDController),
    VMSTATE_UINT8(perpendicular, FDController),
    VMSTATE_UINT8(power_mode, FDController),
    VMSTATE_BUFFER(pcn, FDController),
    VMSTATE_UINT8(seek_done, FDController),
    VMSTATE_BUFFER(seek_st0, FDController),
    VMSTATE_UINT8(poll_left, FDController),
    VMSTATE_BUFFER(fifo, FDController),
    VMSTATE_UINT32(pos, FDController),
    VMSTATE_UINT32(len, FDController),
    VMSTATE_UINT32(phase, FDController),
    VMSTATE_BOOL(irq_pending, FDController),
    VMSTATE_UINT32(kind, FDController),
    VMSTATE_BOOL(transferring, FDController),
    VMSTATE_BOOL(scan_hit, FDController),
    VMSTATE_BOOL(scan_equal, FDController),
    VMSTATE_UINT32(data_pos, FDController),
    VMSTATE_UINT32(data_len, FDController),
    VMSTATE_UINT64(lba, FDController),
    VMSTATE_UINT8(st1_at_end, FDController),
    VMSTATE_UINT8(side2, FDController),
    VMSTATE_BOOL(tc, FDController),
    VMSTATE_BOOL(deleted, FDController),
    VMSTATE_UINT8(id_sector, FDController),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_fdc = {
    .name = "fdc",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = fdc_post_load,
    .fields = fdc_fields,
    .subsections = fdc_subsections,
};

static const Property fdc_props[] = {
    PROP_UINT32("iobase", FDController, iobase, 0x3f0),
    PROP_UINT32("irq", FDController, irq_num, 6),
    PROP_UINT32("dma", FDController, dma_num, 2),
    PROP_("fdtypeA", FDController, type_prop[0], int32_t, prop_fd_type, 4),
    PROP_("fdtypeB", FDController, type_prop[1], int32_t, prop_fd_type, 4),
    PROP_("fallback", FDController, fallback_prop, int32_t, prop_fd_type, 1),
    PROP_INT32("bootindexA", FDController, bootindex[0], -1),
    PROP_INT32("bootindexB", FDController, bootindex[1], -1),
    PROP_END(),
};

static void fdc_boot_indices(DeviceState *dev,
                             void (*add)(int32_t index, const char *suffix,
                                         void *opaque), void *opaque)
{
    FDController *s = (FDController *)dev;

    add(s->bootindex[0], "/floppy@0", opaque);
    add(s->bootindex[1], "/floppy@1", opaque);
}

static const DeviceInfo fdc_info = {
    .name = "isa-fdc",
    .desc = "virtual floppy controller",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_STORAGE,
    .no_hotplug = true,
    .fw_name = "fdc",
    .boot_indices = fdc_boot_indices,
    .size = sizeof(FDController),
    .props = fdc_props,
    .vmsd = &vmstate_fdc,
    .realize = fdc_realize,
    .reset = fdc_reset,
    .finalize = fdc_finalize,
};

ISADevice *isa_fdc_create(ISABus *bus, Error **errp)
{
    DeviceState *dev = device_new("isa-fdc");

    return device_realize(dev, &bus->bus, errp) ? (ISADevice *)dev : NULL;
}

bool isa_fdc_add_drives(ISADevice *fdc, Error **errp)
{
    FDController *s = (FDController *)fdc;

    for (int i = 0; i < FD_DRIVES; i++) {
        DriveInfo *di = drive_get(DRIVE_IF_FLOPPY, 0, i);
        DeviceState *dev;

        if (!di) {
            continue;
        }
        dev = device_new("floppy");
        if (!object_set_int(&dev->obj, "unit", i, errp) ||
            !object_set_str(&dev->obj, "drive", blk_name(di->blk), errp) ||
            !device_realize(dev, &s->bus.bus, errp)) {
            error_prepend(errp, "%s: ", di->loc);
            return false;
        }
    }
    return true;
}

FloppyType isa_fdc_drive_type(ISADevice *fdc, int unit)
{
    FloppyDrive *d = ((FDController *)fdc)->drive[unit];

    return d ? d->type : FLOPPY_NONE;
}

static void fdc_register(void)
{
    device_register(&fdc_info);
}
device_init(fdc_register)
