/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's state as a whole.  Main thread, BQL. */
#include "osdep.h"
#include "exec/cpu.h"
#include "exec/runstate.h"
#include "hw/vmstate.h"
#include "qapi/qapi-commands.h"

/* RAM stays: devices read it no more, as the VM is stopped and drained. */
static GByteArray *save_again(const GByteArray *state, Error **errp)
{
    system_devices_reset();
    if (!vmstate_load_all(state->data, state->len, errp)) {
        error_prepend(errp, "the state could not be loaded again: ");
        return NULL;
    }
    return vmstate_save_all(errp);
}

HumanReadableText *qmp_x_vmstate_roundtrip(Error **errp)
{
    bool running = runstate_is_running();
    g_autoptr(GByteArray) before = NULL, after = NULL;
    HumanReadableText *text;
    GString *out;
    unsigned n;

    if (running) {
        int ret = vm_stop(RUN_STATE_SAVE_VM);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "the machine cannot be stopped");
            vm_start();
            return NULL;
        }
    }
    cpus_synchronize_all();
    before = vmstate_save_all(errp);
    after = before ? save_again(before, errp) : NULL;
    /* With half a state loaded the guest must not go on. */
    if (!after) {
        return NULL;
    }
    out = g_string_new(NULL);
    n = vmstate_compare(before, after, out);
    g_string_append_printf(out, "%u sections, %zu bytes\n", n,
                           (size_t)before->len);
    if (running) {
        vm_start();
    }
    text = g_new0(HumanReadableText, 1);
    text->human_readable_text = g_string_free(out, FALSE);
    return text;
}

/* "events": whether MIGRATION events are wanted, which a client says at every
 * start.  Others come with the code that honours them. */
static bool migrate_events;

MigrationCapabilityStatusList *qmp_query_migrate_capabilities(Error **errp)
{
    MigrationCapabilityStatusList *list = NULL, **tail = &list;
    MigrationCapabilityStatus *s = g_new0(MigrationCapabilityStatus, 1);

    s->capability = MIGRATION_CAPABILITY_EVENTS;
    s->state = migrate_events;
    QAPI_LIST_APPEND(tail, s);
    return list;
}

void qmp_migrate_set_capabilities(MigrationCapabilityStatusList *capabilities,
                                  Error **errp)
{
    for (; capabilities; capabilities = capabilities->next) {
        migrate_events = capabilities->value->state;
    }
}
