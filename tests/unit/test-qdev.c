/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that come and go, on an ISA bus without a machine. */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/isa.h"
#include "util/loop.h"

static ISABus *bus;
static unsigned expired, asked;

void system_watchdog_expired(void)
{
    expired++;
}

static DeviceState *add(const char *json, Error **errp)
{
    g_autoptr(QObject) opts = json_parse(json, NULL);

    g_assert_nonnull(opts);
    return device_add(opts, errp);
}

static void address_space_stb_port(hwaddr port, uint8_t v)
{
    address_space_write(&address_space_io, port, MEMTXATTRS_UNSPECIFIED, &v, 1);
}

static void expect_error(Error *err, const char *text)
{
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, text);
    error_free(err);
}

static void fails(const char *json, const char *text)
{
    Error *err = NULL;

    g_assert_null(add(json, &err));
    expect_error(err, text);
}

static void test_errors(void)
{
    Error *err = NULL;

    fails("{}", "Parameter 'driver' is missing");
    fails("{\"driver\": 1}",
          "Invalid parameter type for 'driver', expected: string");
    fails("{\"driver\": \"isa-device\"}",
          "Parameter 'driver' expects a non-abstract device type");
    fails("{\"driver\": \"ib7000\"}",
          "'ib7000' is not a valid device model name (did you mean 'ib700'?)");
    fails("{\"driver\": \"ib700\", \"id\": \"9x\"}",
          "Parameter 'id' expects an identifier");
    fails("{\"driver\": \"ib700\", \"bus\": \"xx\"}", "Bus 'xx' not found");
    g_assert_false(device_del("nobody", &err));
    expect_error(err, "Device 'nobody' not found");
}

static void test_no_hotplug(void)
{
    bus->bus.hotplug = NULL;
    fails("{\"driver\": \"ib700\"}",
          "Bus 'isa.0' does not support hotplugging");
}

static const HotplugHandler at_once;

static void test_hotplug(void)
{
    Error *err = NULL;

    bus->bus.hotplug = &at_once;
    for (int i = 0; i < 1000; i++) {
        g_assert_nonnull(add("{\"driver\": \"ib700\", \"id\": \"w\"}", &err));
        g_assert_null(err);
        address_space_stb_port(0x443, 0);
        if (i == 0) {
            fails("{\"driver\": \"ib700\", \"id\": \"w\"}",
                  "Duplicate device ID 'w'");
        }
        g_assert_true(device_del("w", &err));
        g_assert_true(list_empty(&bus->bus.devices));
        g_assert_cmpint(clock_next_deadline(CLOCK_VIRTUAL), ==, -1);
    }
    while (loop_run_once(loop_main(), false)) {
    }
}

static bool ask(void *opaque, DeviceState *dev, Error **errp)
{
    asked++;
    return true;
}

static const HotplugHandler slow_guest = { .unplug_request = ask };

static void test_unplug_request(void)
{
    Error *err = NULL;
    DeviceState *dev;

    bus->bus.hotplug = &slow_guest;
    dev = add("{\"driver\": \"ib700\", \"id\": \"w\"}", &err);
    g_assert_nonnull(dev);
    g_assert_true(device_del("w", &err));
    g_assert_cmpuint(asked, ==, 1);
    g_assert_true(dev->realized);
    /* It did not listen: it is asked again. */
    g_assert_true(device_del("/machine/peripheral/w", &err));
    g_assert_cmpuint(asked, ==, 2);
    device_unplugged(dev);
    g_assert_null(object_child(object_container("/machine/peripheral"), "w"));
}

static void test_round_trip(void)
{
    Error *err = NULL;
    DeviceState *dev;
    g_autoptr(GByteArray) one = g_byte_array_new();
    g_autoptr(GByteArray) two = g_byte_array_new();

    bus->bus.hotplug = &at_once;
    dev = add("{\"driver\": \"ib700\", \"id\": \"w\"}", &err);
    g_assert_nonnull(dev);
    address_space_stb_port(0x443, 3);
    vmstate_save(dev->info->vmsd, dev, one);
    device_reset(dev);
    g_assert_cmpint(clock_next_deadline(CLOCK_VIRTUAL), ==, -1);
    g_assert_true(vmstate_load(dev->info->vmsd, dev, one->data, one->len,
                               &err));
    g_assert_cmpint(clock_next_deadline(CLOCK_VIRTUAL), !=, -1);
    vmstate_save(dev->info->vmsd, dev, two);
    g_assert_cmpmem(one->data, one->len, two->data, two->len);
    address_space_stb_port(0x441, 0);
    g_assert_cmpint(clock_next_deadline(CLOCK_VIRTUAL), ==, -1);
    g_assert_true(device_del("w", &err));
}

static void test_text(void)
{
    g_autoptr(GString) tree = g_string_new(NULL);
    Error *err = NULL;

    bus->bus.hotplug = &at_once;
    g_assert_nonnull(add("{\"driver\": \"ib700\", \"id\": \"w\"}", &err));
    device_print_tree(tree);
    g_assert_nonnull(strstr(tree->str, "bus: main-system-bus\n  type System\n"));
    g_assert_nonnull(strstr(tree->str, "dev: ib700, id \"w\"\n"));
    g_assert_true(device_del("w", &err));
}

int main(int argc, char **argv)
{
    DeviceState *host;
    static const DeviceInfo host_info = {
        .name = "test-isa-host", .bus = BUS_SYSTEM, .internal = true,
        .size = sizeof(DeviceState),
    };

    g_test_init(&argc, &argv, NULL);
    bql_lock();
    clock_virtual_set_manual(true);
    memory_map_init();
    module_call_init(MODULE_OBJECT);
    module_call_init(MODULE_DEVICE);
    device_register(&host_info);
    host = device_create(system_bus(), "test-isa-host");
    bus = isa_bus_new(host, system_io(), system_memory());
    device_machine_ready();
    g_test_add_func("/qdev/errors", test_errors);
    g_test_add_func("/qdev/no-hotplug", test_no_hotplug);
    g_test_add_func("/qdev/hotplug", test_hotplug);
    g_test_add_func("/qdev/unplug-request", test_unplug_request);
    g_test_add_func("/qdev/round-trip", test_round_trip);
    g_test_add_func("/qdev/text", test_text);
    return g_test_run();
}
