/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI: configuration space, BARs, INTx, MSI/MSI-X, bus mastering, expansion
 * ROMs, bridges.  PCI Local Bus Specification 3.0, PCI-to-PCI Bridge 1.2.
 * BQL.
 */
#ifndef HW_PCI_H
#define HW_PCI_H

#include "exec/memory.h"
#include "hw/qdev.h"

#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))
#define PCI_SLOT(devfn)     ((devfn) >> 3)
#define PCI_FUNC(devfn)     ((devfn) & 7)
#define PCI_CONFIG_SIZE 256
#define PCI_NUM_BARS 6
#define PCI_ROM_SLOT 6 /* in PCIDevice.bars */

/* Configuration header, by offset. */
enum {
    PCI_VENDOR_ID = 0x00, PCI_DEVICE_ID = 0x02, PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06, PCI_REVISION_ID = 0x08, PCI_CLASS_PROG = 0x09,
    PCI_CLASS_DEVICE = 0x0a, PCI_CACHE_LINE_SIZE = 0x0c,
    PCI_LATENCY_TIMER = 0x0d, PCI_HEADER_TYPE = 0x0e, PCI_BIST = 0x0f,
    PCI_BAR0 = 0x10, PCI_SUBSYSTEM_VENDOR_ID = 0x2c, PCI_SUBSYSTEM_ID = 0x2e,
    PCI_ROM_ADDRESS = 0x30, PCI_CAPABILITY_LIST = 0x34,
    PCI_INTERRUPT_LINE = 0x3c, PCI_INTERRUPT_PIN = 0x3d, PCI_MIN_GNT = 0x3e,
    PCI_MAX_LAT = 0x3f,
    /* Type 1 (bridge) headers. */
    PCI_PRIMARY_BUS = 0x18, PCI_SECONDARY_BUS = 0x19,
    PCI_SUBORDINATE_BUS = 0x1a, PCI_IO_BASE = 0x1c, PCI_IO_LIMIT = 0x1d,
    PCI_SEC_STATUS = 0x1e, PCI_MEMORY_BASE = 0x20, PCI_MEMORY_LIMIT = 0x22,
    PCI_PREF_MEMORY_BASE = 0x24, PCI_PREF_MEMORY_LIMIT = 0x26,
    PCI_PREF_BASE_UPPER32 = 0x28, PCI_PREF_LIMIT_UPPER32 = 0x2c,
    PCI_IO_BASE_UPPER16 = 0x30, PCI_IO_LIMIT_UPPER16 = 0x32,
    PCI_BRIDGE_ROM_ADDRESS = 0x38, PCI_BRIDGE_CONTROL = 0x3e,
};
enum {
    PCI_COMMAND_IO = 0x1, PCI_COMMAND_MEMORY = 0x2, PCI_COMMAND_MASTER = 0x4,
    PCI_COMMAND_PARITY = 0x40, PCI_COMMAND_SERR = 0x100,
    PCI_COMMAND_INTX_DISABLE = 0x400,
    PCI_STATUS_INTERRUPT = 0x08, PCI_STATUS_CAP_LIST = 0x10,
    PCI_STATUS_66MHZ = 0x20, PCI_STATUS_FAST_BACK = 0x80,
    PCI_STATUS_DEVSEL_MEDIUM = 0x200,
    PCI_HEADER_TYPE_BRIDGE = 1, PCI_HEADER_TYPE_MULTI_FUNCTION = 0x80,
    PCI_BRIDGE_CTL_VGA = 0x08, PCI_BRIDGE_CTL_BUS_RESET = 0x40,
};
/* BAR types. */
enum {
    PCI_BAR_MEM32 = 0, PCI_BAR_IO = 1, PCI_BAR_MEM64 = 4,
    PCI_BAR_PREFETCH = 8,
};
enum { PCI_CAP_ID_PM = 1, PCI_CAP_ID_SLOTID = 4, PCI_CAP_ID_MSI = 5,
       PCI_CAP_ID_VNDR = 9, PCI_CAP_ID_SHPC = 0xc, PCI_CAP_ID_SSVID = 0xd, PCI_CAP_ID_EXP = 0x10,
       PCI_CAP_ID_MSIX = 0x11 };

/* Numbers that QEMU's guests know. */
enum { PCI_VENDOR_INTEL = 0x8086, PCI_VENDOR_REDHAT = 0x1b36,
       PCI_VENDOR_REDHAT_QUMRANET = 0x1af4, PCI_SUBDEVICE_QEMU = 0x1100 };

typedef struct PCIDevice PCIDevice;
typedef struct PCIBus PCIBus;

/* DeviceInfo.bus_info of a PCI device. */
typedef struct PCIDeviceInfo {
    uint16_t vendor_id, device_id;
    uint8_t revision, prog_if;
    uint16_t class_id;                 /* base class << 8 | subclass */
    uint16_t subsystem_vendor_id, subsystem_id; /* 0: 1af4:1100 */
    bool is_bridge;                    /* type 1 header */
    const char *romfile;               /* default expansion ROM */
    /* NULL: pci_default_read/write_config. */
    uint32_t (*config_read)(PCIDevice *d, uint32_t addr, unsigned len);
    void (*config_write)(PCIDevice *d, uint32_t addr, uint32_t val,
                         unsigned len);
} PCIDeviceInfo;

typedef struct PCIBar {
    MemoryRegion *mr;      /* NULL: none; the device's */
    MemoryRegion *space;   /* where it is mapped: the bus's I/O or memory */
    uint64_t size;
    uint8_t type;
    uint64_t addr;         /* UINT64_MAX: not mapped */
} PCIBar;

struct PCIDevice {
    DeviceState qdev;
    /* Properties of every PCI device. */
    int32_t devfn;         /* "addr"; -1: the bus picks one */
    bool multifunction;
    char *romfile;
    bool rombar;
    uint32_t romsize;
    uint32_t acpi_index;   /* number for the guest's naming; 0: none */
    /* Guest-visible state. */
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t intx_level;    /* our INTx pin */
    uint32_t *msix_pending; /* owned; one bit a vector */
    uint8_t *msix_table;   /* owned; 16 bytes a vector */
    /* Host side. */
    uint8_t wmask[PCI_CONFIG_SIZE];   /* bits the guest can write */
    uint8_t w1cmask[PCI_CONFIG_SIZE]; /* bits that a written 1 clears */
    uint8_t cmask[PCI_CONFIG_SIZE];   /* bits a loaded state must equal */
    uint8_t used[PCI_CONFIG_SIZE];    /* taken by capabilities */
    PCIBar bars[PCI_NUM_BARS + 1];
    MemoryRegion rom;
    bool has_rom;
    AddressSpace dma_as;   /* what it sees as bus master */
    MemoryRegion dma_root, dma_alias;
    uint8_t msi_cap, msix_cap; /* offsets, 0: none */
    uint16_t msix_entries;
    uint32_t msix_table_bytes; /* for vmstate */
    uint32_t msix_pba_words;
    MemoryRegion msix_bar, msix_table_mr, msix_pba_mr;
    bool msix_function_masked;
    /* A vector's message or mask changed.  May be NULL. */
    void (*msix_changed)(PCIDevice *d, unsigned vector);
};

/* How a bus delivers INTx: the chipset's or a bridge's. */
typedef struct PCIBusOps {
    /* Root bus: pin (0..3) of the device to one of the chipset's lines. */
    int (*map_irq)(PCIDevice *d, int pin);
    void (*set_irq)(void *opaque, int line, int level);
} PCIBusOps;

struct PCIBus {
    BusState bus;
    PCIDevice *devices[256];
    MemoryRegion *mem, *io; /* where BARs are mapped; borrowed */
    const PCIBusOps *ops;   /* root bus */
    void *opaque;
    int nirq;
    int *irq_count;         /* devices that hold each line up; owned */
    PCIDevice *parent_bridge; /* NULL: root */
    uint8_t devfn_min;
};

static inline PCIBus *pci_bus_of(const PCIDevice *d)
{
    return (PCIBus *)d->qdev.parent_bus;
}
int pci_bus_num(const PCIBus *bus);
/* The bus behind a bridge; NULL: @d is none. */
PCIBus *pci_child_bus(const PCIDevice *d);
PCIBus *pci_root_bus(void); /* first one, NULL without PCI */

PCIBus *pci_root_bus_new(DeviceState *parent, const char *name,
                         MemoryRegion *mem, MemoryRegion *io,
                         const PCIBusOps *ops, void *opaque, int nirq);
/* Configuration mechanism #1 on behalf of a host bridge. */
uint32_t pci_host_config_read(PCIBus *root, uint32_t addr, unsigned len);
void pci_host_config_write(PCIBus *root, uint32_t addr, uint32_t val,
                           unsigned len);
PCIDevice *pci_find_device(PCIBus *root, int bus_num, uint8_t devfn);

/* Creation by machines: device on @bus at @devfn (-1: any). */
PCIDevice *pci_new(int devfn, const char *type);
PCIDevice *pci_create(PCIBus *bus, int devfn, const char *type, Error **errp);
PCIDevice *pci_create_multifunction(PCIBus *bus, int devfn, const char *type,
                                    Error **errp);

/* For realize(). */
void pci_register_bar(PCIDevice *d, unsigned n, uint8_t type, MemoryRegion *mr);
uint64_t pci_bar_address(const PCIDevice *d, unsigned n); /* UINT64_MAX: off */
/* Offset of the new capability (offset 0: anywhere), or 0 with an error. */
uint8_t pci_add_capability(PCIDevice *d, uint8_t id, uint8_t offset,
                           uint8_t size, Error **errp);
uint8_t pci_find_capability(const PCIDevice *d, uint8_t id);
/* Interrupt pin A..D as 1..4 in PCI_INTERRUPT_PIN. */
static inline void pci_set_interrupt_pin(PCIDevice *d, uint8_t pin)
{
    d->config[PCI_INTERRUPT_PIN] = pin;
}

uint32_t pci_default_read_config(PCIDevice *d, uint32_t addr, unsigned len);
void pci_default_write_config(PCIDevice *d, uint32_t addr, uint32_t val,
                              unsigned len);
static inline bool pci_range_hit(uint32_t addr, unsigned len, uint32_t first,
                                 unsigned size)
{
    return addr < first + size && first < addr + len;
}
/* Little-endian fields of config and masks. */
uint16_t pci_get_word(const uint8_t *p);
uint32_t pci_get_long(const uint8_t *p);
void pci_set_word(uint8_t *p, uint16_t v);
void pci_set_long(uint8_t *p, uint32_t v);

/* INTx; nothing while MSI or MSI-X is on. */
void pci_set_irq(PCIDevice *d, int level);
IRQ *pci_intx_line(PCIDevice *d); /* the same as an IRQ, owned by it; free */

/* Bus mastering: fails (all ones) while the guest has it disabled. */
MemTxResult pci_dma_read(PCIDevice *d, hwaddr addr, void *buf, hwaddr len);
MemTxResult pci_dma_write(PCIDevice *d, hwaddr addr, const void *buf,
                          hwaddr len);
static inline AddressSpace *pci_dma_as(PCIDevice *d)
{
    return &d->dma_as;
}

/* MSI: @vectors 1..32 (power of two). */
bool msi_init(PCIDevice *d, uint8_t offset, unsigned vectors, bool is64,
              bool per_vector_mask, Error **errp);
bool msi_enabled(const PCIDevice *d);
void msi_notify(PCIDevice *d, unsigned vector);

/* MSI-X: table and PBA in BARs of the device's, or in one of their own. */
bool msix_init(PCIDevice *d, unsigned entries, MemoryRegion *table_bar,
               uint8_t table_bar_nr, uint32_t table_offset,
               MemoryRegion *pba_bar, uint8_t pba_bar_nr, uint32_t pba_offset,
               uint8_t cap_offset, Error **errp);
bool msix_init_exclusive_bar(PCIDevice *d, unsigned entries, uint8_t bar_nr,
                             Error **errp);
void msix_uninit(PCIDevice *d);
bool msix_present(const PCIDevice *d);
bool msix_enabled(const PCIDevice *d);
void msix_notify(PCIDevice *d, unsigned vector);
bool msix_is_masked(PCIDevice *d, unsigned vector);
/* What @vector sends; false: nothing, it is masked or MSI-X is off. */
bool msix_message(PCIDevice *d, unsigned vector, uint64_t *addr,
                  uint32_t *data);

/* A message write on behalf of @d. */
void pci_send_msi(PCIDevice *d, uint64_t addr, uint32_t data);

extern const VMStateDescription vmstate_pci_device;
#define VMSTATE_PCI_DEVICE(f, S) VMSTATE_STRUCT(f, S, PCIDevice, \
                                                vmstate_pci_device)

/* "4", "4.0", "0x4.0x0": property "addr". */
extern const PropertyInfo prop_pci_devfn;

/* `info pci` text. */
void pci_print(GString *out);

#endif
