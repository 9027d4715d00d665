/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pci-testdev": counts writes, so that a test can measure how fast they go,
 * with and without event descriptors.  kvm-unit-tests' pci driver knows it.
 *
 * BAR 0 is memory, BAR 1 ports; both show the header of the current test:
 * number, width, offset to write to, data to write, count, name.  Writing N
 * to offset 0 starts test N of that BAR (0 no event, 1 an event for any data,
 * 2 an event for matching data); any other number ends it.  membar= adds an
 * empty 64-bit BAR 2.
 */
#include "osdep.h"
#include "hw/pci.h"
#include <sys/eventfd.h>

#define MEM_SIZE    4096
#define IO_SIZE     256
#define MEM_OFFSET  0x800 /* where the tests write to */
#define IO_OFFSET   0x80
#define DATA        0xfa
#define DATA_OTHER  0xce  /* of the test that ignores it */
#define TESTS       3     /* for each BAR */
#define HEADER_SIZE 16

typedef struct PCITestDev {
    PCIDevice pci;
    /* Properties. */
    uint64_t membar;
    /* Guest-visible state. */
    int32_t current;    /* test 0 to 5, -1: none */
    uint32_t count;
    /* Host side. */
    MemoryRegion mem, io, big;
    int event_fd;
    int event_test;     /* the descriptor waits for this test's writes */
} PCITestDev;

static const char *const test_names[TESTS] = {
    "no-eventfd", "wildcard-eventfd", "datamatch-eventfd",
};

static bool test_is_io(int test)
{
    return test >= TESTS;
}

static uint32_t test_offset(int test)
{
    return (test_is_io(test) ? IO_OFFSET : MEM_OFFSET) + test;
}

static uint8_t test_data(int test)
{
    return test % TESTS == 1 ? DATA_OTHER : DATA;
}

static void event_off(PCITestDev *s)
{
    int t = s->event_test;

    if (t >= 0) {
        memory_region_del_eventfd(test_is_io(t) ? &s->io : &s->mem,
                                  test_offset(t), 1, t % TESTS == 2,
                                  test_data(t), s->event_fd);
        s->event_test = -1;
    }
}

static void event_on(PCITestDev *s)
{
    int t = s->current;

    event_off(s);
    if (t >= 0 && t % TESTS) {
        memory_region_add_eventfd(test_is_io(t) ? &s->io : &s->mem,
                                  test_offset(t), 1, t % TESTS == 2,
                                  test_data(t), s->event_fd);
        s->event_test = t;
    }
}

/* Brings in what the event descriptor counted. */
static void take_events(PCITestDev *s)
{
    uint64_t n;

    if (read(s->event_fd, &n, sizeof(n)) == sizeof(n)) {
        s->count += n;
    }
}

static void start_test(PCITestDev *s, int test)
{
    event_off(s);
    take_events(s);
    s->current = test;
    s->count = 0;
    event_on(s);
}

static uint8_t header_byte(PCITestDev *s, hwaddr addr)
{
    g_autofree char *name = NULL;
    int t = s->current;
    uint8_t h[HEADER_SIZE] = { t, 1 };

    if (t < 0) {
        return 0;
    }
    take_events(s);
    pci_set_long(h + 4, test_offset(t));
    pci_set_long(h + 8, test_data(t));
    pci_set_long(h + 12, s->count);
    if (addr < HEADER_SIZE) {
        return h[addr];
    }
    name = g_strdup_printf("%s-%s", test_is_io(t) ? "portio" : "mmio",
                           test_names[t % TESTS]);
    addr -= HEADER_SIZE;
    return addr < strlen(name) ? name[addr] : 0;
}

static uint64_t testdev_read(void *opaque, hwaddr addr, unsigned size)
{
    return header_byte(opaque, addr);
}

static void testdev_write(PCITestDev *s, hwaddr addr, uint8_t val, bool io)
{
    int t = s->current;

    if (addr == 0) {
        start_test(s, val < TESTS ? val + (io ? TESTS : 0) : -1);
    } else if (t >= 0 && test_is_io(t) == io && addr == test_offset(t) &&
               (val == test_data(t) || t % TESTS == 1)) {
        s->count++;
    }
}

static void testdev_mem_write(void *opaque, hwaddr addr, uint64_t val,
                              unsigned size)
{
    testdev_write(opaque, addr, val, false);
}

static void testdev_io_write(void *opaque, hwaddr addr, uint64_t val,
                             unsigned size)
{
    testdev_write(opaque, addr, val, true);
}

static const MemoryRegionOps testdev_mem_ops = {
    .read = testdev_read,
    .write = testdev_mem_write,
    .impl = { .min = 1, .max = 1 },
};

static const MemoryRegionOps testdev_io_ops = {
    .read = testdev_read,
    .write = testdev_io_write,
    .impl = { .min = 1, .max = 1 },
};

static void testdev_reset(DeviceState *dev)
{
    start_test((PCITestDev *)dev, -1);
}

static bool testdev_realize(DeviceState *dev, Error **errp)
{
    PCITestDev *s = (PCITestDev *)dev;

    if (s->membar & (s->membar - 1)) {
        error_setg(errp, "pci-testdev: membar=%" PRIu64 " is no power of two",
                   s->membar);
        return false;
    }
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->event_fd < 0) {
        error_setg_errno(errp, errno, "pci-testdev: cannot make an event "
                                      "descriptor");
        return false;
    }
    s->current = s->event_test = -1;
    memory_region_init_io(&s->mem, &dev->obj, &testdev_mem_ops, s,
                          "pci-testdev-mmio", MEM_SIZE);
    memory_region_init_io(&s->io, &dev->obj, &testdev_io_ops, s,
                          "pci-testdev-portio", IO_SIZE);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mem);
    pci_register_bar(&s->pci, 1, PCI_BAR_IO, &s->io);
    if (s->membar) {
        memory_region_init(&s->big, &dev->obj, "pci-testdev-membar",
                           MAX(s->membar, 16));
        pci_register_bar(&s->pci, 2, PCI_BAR_MEM64 | PCI_BAR_PREFETCH,
                         &s->big);
    }
    return true;
}

static void testdev_unrealize(DeviceState *dev)
{
    PCITestDev *s = (PCITestDev *)dev;

    event_off(s);
    memory_region_destroy(&s->mem);
    memory_region_destroy(&s->io);
    if (s->membar) {
        memory_region_destroy(&s->big);
    }
    close(s->event_fd);
}

static void testdev_pre_save(void *opaque)
{
    take_events(opaque);
}

static bool testdev_post_load(void *opaque, int version, Error **errp)
{
    PCITestDev *s = opaque;
    int32_t current = s->current;

    if (current < -1 || current >= 2 * TESTS) {
        error_setg(errp, "pci-testdev: there is no test %d", current);
        return false;
    }
    event_on(s);
    return true;
}

static const Property testdev_props[] = {
    PROP_SIZE("membar", PCITestDev, membar, 0),
    PROP_END(),
};

static const VMStateField testdev_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PCITestDev),
    VMSTATE_INT32(current, PCITestDev),
    VMSTATE_UINT32(count, PCITestDev),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_testdev = {
    .name = "pci-testdev",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = testdev_pre_save,
    .post_load = testdev_post_load,
    .fields = testdev_fields,
};

static const PCIDeviceInfo testdev_pci = {
    .vendor_id = PCI_VENDOR_REDHAT,
    .device_id = 0x0005,
    .class_id = 0x00ff,
};

static const DeviceInfo testdev_info = {
    .name = "pci-testdev",
    .desc = "PCI Test Device",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_MISC,
    .size = sizeof(PCITestDev),
    .props = testdev_props,
    .vmsd = &vmstate_testdev,
    .bus_info = &testdev_pci,
    .realize = testdev_realize,
    .unrealize = testdev_unrealize,
    .reset = testdev_reset,
};

static void testdev_register(void)
{
    device_register(&testdev_info);
}
device_init(testdev_register)
