/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accelerators: the table, the choice at start-up, and "qtest", which runs no
 * guest code: its vCPUs wait, and virtual time moves when the tester says so.
 */
#include "osdep.h"

#include "exec/accel.h"
#include "util/module.h"
#include "util/qobject.h"
#include "util/timer.h"

#define ACCEL_MAX 8

const AccelOps *accel;
bool accel_perfmap;
bool accel_by_default;
static Object *accel_obj;
static const AccelOps *accels[ACCEL_MAX];
static unsigned accel_count;

static const ObjectType accel_base_type = {
    .name = "accel",
    .abstract = true,
    .size = sizeof(Object),
};

void accel_register(const AccelOps *ops)
{
    ObjectType *type = g_new0(ObjectType, 1); /* lives for ever */

    assert(accel_count < ACCEL_MAX && !accel_find(ops->name));
    if (accel_count == 0) {
        object_type_register(&accel_base_type);
    }
    type->name = g_strdup_printf("%s-accel", ops->name);
    type->parent = "accel";
    type->size = MAX(ops->size, sizeof(Object));
    type->props = ops->props;
    object_type_register(type);
    accels[accel_count++] = ops;
}

const AccelOps *accel_find(const char *name)
{
    for (unsigned i = 0; i < accel_count; i++) {
        if (strcmp(accels[i]->name, name) == 0) {
            return accels[i];
        }
    }
    return NULL;
}

Object *accel_object(void)
{
    return accel_obj;
}

static bool accel_try(const AccelOps *ops, const QObject *opts, Error **errp)
{
    g_autofree char *type = g_strdup_printf("%s-accel", ops->name);
    g_autoptr(QObject) props = qobject_deep_copy(opts);
    Object *obj = object_new(type);

    qdict_del(props, "accel");
    if (!object_set_dict(obj, props, errp) ||
        (ops->init && !ops->init(obj, errp))) {
        object_free(obj);
        return false;
    }
    accel = ops;
    accel_obj = obj;
    ram_dirty_sync_hook = ops->dirty_sync;
    return true;
}

bool accel_start(const QObject *list, Error **errp)
{
    size_t n = qlist_size(list);
    bool failed = false;

    for (size_t i = 0; i < n; i++) {
        const QObject *opts = qlist_at(list, i);
        const char *name = qdict_get_str(opts, "accel");
        const AccelOps *ops = name ? accel_find(name) : NULL;
        Error *err = NULL;

        if (!ops) {
            error_setg(&err, "invalid accelerator %s", name ? name : "");
        } else if (accel_try(ops, opts, &err)) {
            if (failed) {
                error_report("falling back to %s", ops->name);
            }
            return true;
        }
        failed = true;
        if (i + 1 == n) {
            error_propagate(errp, err);
            return false;
        }
        error_report_err(err);
    }
    error_setg(errp, "no accelerator found");
    return false;
}

/* "qtest" */

static bool qtest_accel_init(Object *obj, Error **errp)
{
    clock_virtual_set_manual(true);
    return true;
}

static bool qtest_vcpu_init(CPUState *cpu, Error **errp)
{
    return true;
}

static VCPUExit qtest_vcpu_run(CPUState *cpu)
{
    return VCPU_EXIT_HALTED;
}

static bool qtest_has_work(CPUState *cpu)
{
    return false;
}

static void qtest_nothing(CPUState *cpu)
{
    /* There is no state but the common copy, and no guest code to leave. */
}

static const AccelOps qtest_accel = {
    .name = "qtest",
    .init = qtest_accel_init,
    .vcpu_init = qtest_vcpu_init,
    .vcpu_destroy = qtest_nothing,
    .vcpu_run = qtest_vcpu_run,
    .vcpu_has_work = qtest_has_work,
    .kick = qtest_nothing,
    .get_state = qtest_nothing,
    .put_state = qtest_nothing,
    .reset_state = qtest_nothing,
    .thread_name = "CPU %d/DUMMY",
};

static void qtest_accel_register(void)
{
    accel_register(&qtest_accel);
}
object_init(qtest_accel_register)
