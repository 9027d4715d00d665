/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 93C46: a start bit, two bits of operation, six of address, for writes then
 * sixteen of data; all on rising edges of SK while CS is high.
 */
#include "osdep.h"
#include "microwire.h"
#include "hw/vmstate.h"

enum { OP_EXTENDED, OP_WRITE, OP_READ, OP_ERASE };
enum { COMMAND_BITS = 9, WRITE_BITS = 25 };

static void command(Microwire *m)
{
    unsigned op = m->in >> 6 & 3, addr = m->in & 0x3f;

    switch (op) {
    case OP_READ:
        m->shift = m->word[addr];
        m->reading = true;
        m->out = false; /* a zero comes before the data */
        break;
    case OP_ERASE:
        if (m->writable) {
            m->word[addr] = 0xffff;
        }
        break;
    case OP_EXTENDED:
        if (addr >> 4 == 3) {
            m->writable = true;
        } else if (addr >> 4 == 0) {
            m->writable = false;
        } else if (addr >> 4 == 2 && m->writable) { /* erase all */
            memset(m->word, 0xff, sizeof(m->word));
        }
        break;
    }
}

static void write_command(Microwire *m)
{
    unsigned op = m->in >> 22 & 3, addr = m->in >> 16 & 0x3f;

    if (!m->writable) {
        return;
    }
    if (op == OP_WRITE) {
        m->word[addr] = m->in;
    } else if (op == OP_EXTENDED && addr >> 4 == 1) { /* write all */
        for (unsigned i = 0; i < MICROWIRE_WORDS; i++) {
            m->word[i] = m->in;
        }
    }
}

void microwire_drive(Microwire *m, bool cs, bool sk, bool di)
{
    if (!cs || !m->cs) {
        m->in = m->bits = 0;
        m->reading = false;
        m->out = true; /* ready */
    }
    if (cs && sk && !m->sk) {
        if (m->reading) {
            m->out = m->shift >> 15;
            /* Past its end the next word follows. */
            m->shift <<= 1;
            if (++m->bits == COMMAND_BITS + 16) {
                unsigned addr = (m->in + 1) & 0x3f;

                m->in = (m->in & ~0x3fu) | addr;
                m->shift = m->word[addr];
                m->bits = COMMAND_BITS;
            }
        } else if ((m->bits || di) && m->bits < WRITE_BITS) {
            m->in = m->in << 1 | di;
            m->bits++;
            if (m->bits == COMMAND_BITS) {
                command(m);
            } else if (m->bits == WRITE_BITS) {
                write_command(m);
            }
        }
    }
    m->cs = cs;
    m->sk = sk;
}

static bool microwire_post_load(void *opaque, int version, Error **errp)
{
    Microwire *m = opaque;

    if (m->bits > WRITE_BITS) {
        error_setg(errp, "EEPROM: %u bits of a command", m->bits);
        return false;
    }
    return true;
}

static const VMStateField microwire_fields[] = {
    VMSTATE_UINT16_ARRAY(word, Microwire, MICROWIRE_WORDS),
    VMSTATE_UINT32(in, Microwire),
    VMSTATE_UINT16(shift, Microwire),
    VMSTATE_UINT8(bits, Microwire),
    VMSTATE_BOOL(reading, Microwire),
    VMSTATE_BOOL(writable, Microwire),
    VMSTATE_BOOL(cs, Microwire),
    VMSTATE_BOOL(sk, Microwire),
    VMSTATE_BOOL(out, Microwire),
    VMSTATE_END(),
};

const VMStateDescription vmstate_microwire = {
    .name = "microwire",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = microwire_post_load,
    .fields = microwire_fields,
};
