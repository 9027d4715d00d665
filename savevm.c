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

/* Each comes with the code that honours it. */
MigrationCapabilityStatusList *qmp_query_migrate_capabilities(Error **errp)
{
    return NULL;
}

void qmp_migrate_set_capabilities(MigrationCapabilityStatusList *capabilities,
                                  Error **errp)
{
    for (; capabilities; capabilities = capabilities->next) {
        if (capabilities->value->state) {
            error_setg(errp, "Parameter 'capabilities': '%s' is not in this "
                       "build yet",
                       MigrationCapability_str(capabilities->value->capability));
            return;
        }
    }
}
