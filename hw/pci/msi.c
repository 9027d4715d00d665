/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI and MSI-X.  PCI Local Bus Specification 3.0, section 6.8.
 */
#include "osdep.h"
#include "pci-int.h"
#include "util/log.h"

/* MSI capability. */
#define MSI_FLAGS       2
#define MSI_ADDRESS     4
#define FLAGS_ENABLE    0x0001
#define FLAGS_MMC(f)    ((f) >> 1 & 7)
#define FLAGS_MME(f)    ((f) >> 4 & 7)
#define FLAGS_64        0x0080
#define FLAGS_MASK      0x0100

/* MSI-X capability. */
#define MSIX_FLAGS      2
#define MSIX_TABLE      4
#define MSIX_PBA        8
#define MSIX_ENABLE     0x8000
#define MSIX_MASKALL    0x4000
/* Table entry. */
#define ENTRY_ADDR 0
#define ENTRY_DATA 8
#define ENTRY_CTRL 12
#define ENTRY_SIZE 16
#define CTRL_MASK  1


static uint16_t msi_flags(const PCIDevice *d)
{
    return d->msi_cap ? pci_get_word(d->config + d->msi_cap + MSI_FLAGS) : 0;
}

static uint8_t msi_data_off(uint16_t flags)
{
    return flags & FLAGS_64 ? 12 : 8;
}

bool msi_init(PCIDevice *d, uint8_t offset, unsigned vectors, bool is64,
              bool per_vector_mask, Error **errp)
{
    unsigned log2 = vectors ? __builtin_ctz(vectors) : 0;
    uint16_t flags = log2 << 1 | (is64 ? FLAGS_64 : 0) |
                     (per_vector_mask ? FLAGS_MASK : 0);
    uint8_t size = (is64 ? 14 : 10) + (per_vector_mask ? 10 : 0);
    uint8_t cap;

    assert(vectors && !(vectors & (vectors - 1)) && vectors <= 32);
    cap = pci_add_capability(d, PCI_CAP_ID_MSI, offset, size, errp);
    if (!cap) {
        return false;
    }
    d->msi_cap = cap;
    pci_set_word(d->config + cap + MSI_FLAGS, flags);
    pci_set_word(d->wmask + cap + MSI_FLAGS, FLAGS_ENABLE | 7 << 4);
    pci_set_long(d->wmask + cap + MSI_ADDRESS, 0xfffffffc);
    if (is64) {
        pci_set_long(d->wmask + cap + MSI_ADDRESS + 4, 0xffffffff);
    }
    pci_set_word(d->wmask + cap + msi_data_off(flags), 0xffff);
    if (per_vector_mask) {
        pci_set_long(d->wmask + cap + msi_data_off(flags) + 4,
                     UINT32_MAX >> (32 - vectors));
    }
    return true;
}

bool msi_enabled(const PCIDevice *d)
{
    return msi_flags(d) & FLAGS_ENABLE;
}

static void msi_send(PCIDevice *d, unsigned vector)
{
    const uint8_t *cap = d->config + d->msi_cap;
    uint16_t flags = msi_flags(d);
    unsigned granted = 1u << MIN(FLAGS_MME(flags), FLAGS_MMC(flags));
    uint64_t addr = pci_get_long(cap + MSI_ADDRESS);
    uint32_t data = pci_get_word(cap + msi_data_off(flags));

    if (flags & FLAGS_64) {
        addr |= (uint64_t)pci_get_long(cap + MSI_ADDRESS + 4) << 32;
    }
    pci_send_msi(d, addr, (data & ~(granted - 1)) | (vector & (granted - 1)));
}

void msi_notify(PCIDevice *d, unsigned vector)
{
    uint16_t flags = msi_flags(d);
    uint8_t *mask = d->config + d->msi_cap + msi_data_off(flags) + 4;

    if (!(flags & FLAGS_ENABLE)) {
        return;
    }
    if ((flags & FLAGS_MASK) && (pci_get_long(mask) >> (vector & 31) & 1)) {
        pci_set_long(mask + 4, pci_get_long(mask + 4) | 1u << (vector & 31));
        return;
    }
    msi_send(d, vector);
}

void msi_config_written(PCIDevice *d, uint32_t addr, unsigned len)
{
    uint16_t flags = msi_flags(d);
    uint8_t *mask;
    uint32_t ready;

    if (!d->msi_cap || !pci_range_hit(addr, len, d->msi_cap, 24) ||
        !(flags & FLAGS_ENABLE)) {
        return;
    }
    if (d->intx_level) {
        pci_set_irq(d, 0);
    }
    if (!(flags & FLAGS_MASK)) {
        return;
    }
    /* What was pending goes out once unmasked. */
    mask = d->config + d->msi_cap + msi_data_off(flags) + 4;
    ready = pci_get_long(mask + 4) & ~pci_get_long(mask);
    pci_set_long(mask + 4, pci_get_long(mask + 4) & ~ready);
    for (unsigned v = 0; ready; v++, ready >>= 1) {
        if (ready & 1) {
            msi_send(d, v);
        }
    }
}

void msi_reset(PCIDevice *d)
{
    uint16_t flags = msi_flags(d);

    if (d->msi_cap) {
        for (unsigned i = 2; i < 24 && d->msi_cap + i < PCI_CONFIG_SIZE; i++) {
            if (i < (flags & FLAGS_MASK ? 24u : 14u)) {
                d->config[d->msi_cap + i] &= ~d->wmask[d->msi_cap + i];
            }
        }
    }
}

/* --- MSI-X --- */

bool msix_present(const PCIDevice *d)
{
    return d->msix_cap;
}

static uint16_t msix_flags(const PCIDevice *d)
{
    return d->msix_cap ? pci_get_word(d->config + d->msix_cap + MSIX_FLAGS)
                       : 0;
}

bool msix_enabled(const PCIDevice *d)
{
    return msix_flags(d) & MSIX_ENABLE;
}

static uint8_t *entry(PCIDevice *d, unsigned vector)
{
    return d->msix_table + vector * ENTRY_SIZE;
}

bool msix_is_masked(PCIDevice *d, unsigned vector)
{
    return (msix_flags(d) & MSIX_MASKALL) ||
           (entry(d, vector)[ENTRY_CTRL] & CTRL_MASK);
}

static void set_pending(PCIDevice *d, unsigned vector, bool on)
{
    uint32_t bit = 1u << (vector % 32);

    if (on) {
        d->msix_pending[vector / 32] |= bit;
    } else {
        d->msix_pending[vector / 32] &= ~bit;
    }
}

bool msix_message(PCIDevice *d, unsigned vector, uint64_t *addr,
                  uint32_t *data)
{
    const uint8_t *e = entry(d, vector);

    *addr = pci_get_long(e) | (uint64_t)pci_get_long(e + 4) << 32;
    *data = pci_get_long(e + ENTRY_DATA);
    return msix_enabled(d) && !msix_is_masked(d, vector);
}

static void msix_send(PCIDevice *d, unsigned vector)
{
    uint64_t addr;
    uint32_t data;

    msix_message(d, vector, &addr, &data);
    pci_send_msi(d, addr, data);
}

static void vector_changed(PCIDevice *d, unsigned vector)
{
    if (d->msix_changed) {
        d->msix_changed(d, vector);
    }
}

void msix_notify(PCIDevice *d, unsigned vector)
{
    if (vector >= d->msix_entries || !msix_enabled(d)) {
        return;
    }
    if (msix_is_masked(d, vector)) {
        set_pending(d, vector, true);
    } else {
        msix_send(d, vector);
    }
}

static void fire_if_ready(PCIDevice *d, unsigned vector)
{
    if (msix_enabled(d) && !msix_is_masked(d, vector) &&
        (d->msix_pending[vector / 32] >> (vector % 32) & 1)) {
        set_pending(d, vector, false);
        msix_send(d, vector);
    }
}

void msix_config_written(PCIDevice *d, uint32_t addr, unsigned len)
{
    if (!d->msix_cap || !pci_range_hit(addr, len, d->msix_cap + MSIX_FLAGS, 2)) {
        return;
    }
    if (msix_enabled(d) && d->intx_level) {
        pci_set_irq(d, 0);
    }
    for (unsigned v = 0; v < d->msix_entries; v++) {
        vector_changed(d, v);
        fire_if_ready(d, v);
    }
}

static uint64_t table_read(void *opaque, hwaddr addr, unsigned size)
{
    PCIDevice *d = opaque;
    uint64_t v = 0;

    if (addr + size <= d->msix_table_bytes) {
        memcpy(&v, d->msix_table + addr, size);
    }
    return GUINT64_FROM_LE(v);
}

static void table_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PCIDevice *d = opaque;
    unsigned vector = addr / ENTRY_SIZE;

    if (addr + size > d->msix_table_bytes) {
        return;
    }
    val = GUINT64_TO_LE(val);
    memcpy(d->msix_table + addr, &val, size);
    vector_changed(d, vector);
    fire_if_ready(d, vector);
}

static uint64_t pba_read(void *opaque, hwaddr addr, unsigned size)
{
    PCIDevice *d = opaque;
    uint64_t v = 0;

    if (addr + size <= d->msix_pba_words * 4) {
        memcpy(&v, (uint8_t *)d->msix_pending + addr, size);
    }
    return v;
}

static const MemoryRegionOps table_ops = {
    .read = table_read,
    .write = table_write,
    .access = { .min = 4, .max = 8 },
    .impl = { .min = 4, .max = 4 },
};

static const MemoryRegionOps pba_ops = {
    .read = pba_read,
    .access = { .min = 4, .max = 8 },
    .impl = { .min = 4, .max = 8 },
};

bool msix_init(PCIDevice *d, unsigned entries, MemoryRegion *table_bar,
               uint8_t table_bar_nr, uint32_t table_offset,
               MemoryRegion *pba_bar, uint8_t pba_bar_nr, uint32_t pba_offset,
               uint8_t cap_offset, Error **errp)
{
    uint8_t cap;

    if (entries < 1 || entries > 2048) {
        error_setg(errp, "%s: %u MSI-X vectors asked for, 1 to 2048 can be",
                   d->qdev.info->name, entries);
        return false;
    }
    cap = pci_add_capability(d, PCI_CAP_ID_MSIX, cap_offset, 12, errp);
    if (!cap) {
        return false;
    }
    d->msix_cap = cap;
    d->msix_entries = entries;
    d->msix_table_bytes = entries * ENTRY_SIZE;
    d->msix_pba_words = DIV_ROUND_UP(entries, 64) * 2;
    d->msix_table = g_malloc0(d->msix_table_bytes);
    d->msix_pending = g_new0(uint32_t, d->msix_pba_words);
    pci_set_word(d->config + cap + MSIX_FLAGS, entries - 1);
    pci_set_word(d->wmask + cap + MSIX_FLAGS, MSIX_ENABLE | MSIX_MASKALL);
    pci_set_long(d->config + cap + MSIX_TABLE, table_offset | table_bar_nr);
    pci_set_long(d->config + cap + MSIX_PBA, pba_offset | pba_bar_nr);
    memory_region_init_io(&d->msix_table_mr, &d->qdev.obj, &table_ops, d,
                          "msix-table", d->msix_table_bytes);
    memory_region_add_subregion(table_bar, table_offset, &d->msix_table_mr);
    memory_region_init_io(&d->msix_pba_mr, &d->qdev.obj, &pba_ops, d,
                          "msix-pba", d->msix_pba_words * 4);
    memory_region_add_subregion(pba_bar, pba_offset, &d->msix_pba_mr);
    msix_reset(d);
    return true;
}

bool msix_init_exclusive_bar(PCIDevice *d, unsigned entries, uint8_t bar_nr,
                             Error **errp)
{
    /* Table in the lower half, pending bits in the upper. */
    uint64_t half = 2048;

    while (half < (uint64_t)entries * ENTRY_SIZE) {
        half <<= 1;
    }
    memory_region_init(&d->msix_bar, &d->qdev.obj, "msix", 2 * half);
    if (!msix_init(d, entries, &d->msix_bar, bar_nr, 0, &d->msix_bar, bar_nr,
                   half, 0, errp)) {
        memory_region_destroy(&d->msix_bar);
        return false;
    }
    pci_register_bar(d, bar_nr, PCI_BAR_MEM32, &d->msix_bar);
    return true;
}

void msix_reset(PCIDevice *d)
{
    if (!d->msix_cap) {
        return;
    }
    d->config[d->msix_cap + MSIX_FLAGS + 1] &=
        ~((MSIX_ENABLE | MSIX_MASKALL) >> 8);
    memset(d->msix_table, 0, d->msix_table_bytes);
    memset(d->msix_pending, 0, d->msix_pba_words * 4);
    for (unsigned v = 0; v < d->msix_entries; v++) {
        entry(d, v)[ENTRY_CTRL] = CTRL_MASK;
        vector_changed(d, v);
    }
}

void msix_uninit(PCIDevice *d)
{
    if (!d->msix_cap) {
        return;
    }
    memory_region_destroy(&d->msix_table_mr);
    memory_region_destroy(&d->msix_pba_mr);
    if (d->msix_bar.size) {
        memory_region_destroy(&d->msix_bar);
    }
    g_free(d->msix_table);
    g_free(d->msix_pending);
    d->msix_table = NULL;
    d->msix_pending = NULL;
    d->msix_table_bytes = 0;
    d->msix_cap = 0;
}
