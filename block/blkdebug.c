/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `blkdebug`: errors on request, for tests.  Rules are armed by events that
 * format drivers announce (node_debug_event()) and by a state that other rules
 * change.  Breakpoints hold a request at an event until it is resumed.
 * Options as QEMU's: config (a file), inject-error, set-state, image, align,
 * max-transfer.  "blkdebug:CONFIG:FILE" as a file name.
 */
#include "osdep.h"
#include "block/filter.h"
#include "util/module.h"
#include "util/option.h"

typedef enum RuleKind { RULE_ERROR, RULE_STATE, RULE_BREAK } RuleKind;
enum { IO_READ = 1, IO_WRITE = 2, IO_ZEROES = 4, IO_DISCARD = 8, IO_FLUSH = 16,
       IO_STATUS = 32, IO_ALL = 31 };

typedef struct Rule {
    ListNode node;
    RuleKind kind;
    char *event;        /* NULL: armed from the start */
    unsigned state;     /* 0: any */
    bool armed;
    int error;          /* errno */
    int64_t offset;     /* bytes, -1: anywhere */
    unsigned iotypes;
    bool once, immediately;
    unsigned new_state;
    char *tag;          /* of a breakpoint */
    unsigned held;      /* requests that wait at it */
} Rule;

typedef struct DebugState {
    Mutex lock;
    Cond cond;
    ListNode rules;     /* Rule */
    unsigned state;
} DebugState;

/* ---- rules --------------------------------------------------------------------- */

static void rule_free(Rule *r)
{
    list_remove(&r->node);
    g_free(r->event);
    g_free(r->tag);
    g_free(r);
}

static bool take_int(QObject *o, const char *key, int64_t min, int64_t max,
                     int64_t *out, Error **errp)
{
    g_autoptr(QObject) v = qdict_steal(o, key);
    bool ok = true;

    if (v && !qint_try_i64(v, out)) {
        ok = qobject_type(v) == QTYPE_STRING &&
             parse_int64(key, qstring_get(v), out, NULL);
    }
    if (!ok || (v && (*out < min || *out > max))) {
        error_setg(errp, "blkdebug: parameter '%s' expects a number between %"
                   PRId64 " and %" PRId64, key, min, max);
        return false;
    }
    return true;
}

static bool add_rule(DebugState *s, RuleKind kind, QObject *o, Error **errp)
{
    static const char *const types[] = { "none", "read", "write",
                                         "write-zeroes", "discard", "flush",
                                         "block-status", NULL };
    static const unsigned masks[] = { IO_ALL, IO_READ, IO_WRITE, IO_ZEROES,
                                      IO_DISCARD, IO_FLUSH, IO_STATUS };
    Rule *r = g_new0(Rule, 1);
    int64_t state = 0, error = EIO, sector = -1, new_state = 0;
    int type = 0;

    list_init(&r->node);
    r->kind = kind;
    if (!opts_take_str(o, "event", &r->event, errp) ||
        !take_int(o, "state", 0, UINT32_MAX, &state, errp) ||
        (kind == RULE_ERROR &&
         (!take_int(o, "errno", 0, 4095, &error, errp) ||
          !take_int(o, "sector", -1, INT64_MAX / 512, &sector, errp) ||
          !opts_take_enum(o, "iotype", types, &type, errp) ||
          !opts_take_bool(o, "once", &r->once, errp) ||
          !opts_take_bool(o, "immediately", &r->immediately, errp))) ||
        (kind == RULE_STATE &&
         !take_int(o, "new_state", 0, UINT32_MAX, &new_state, errp)) ||
        !opts_done(o, NULL, errp)) {
        rule_free(r);
        return false;
    }
    if (!r->event) {
        error_setg(errp, "Missing event name for rule");
        rule_free(r);
        return false;
    }
    if (!strcmp(r->event, "none")) {
        r->armed = true;
    }
    r->state = state;
    r->error = error;
    r->offset = sector < 0 ? -1 : sector * 512;
    r->iotypes = type ? masks[type] : IO_ALL;
    r->new_state = new_state;
    list_append(&s->rules, &r->node);
    return true;
}

static bool take_list(DebugState *s, RuleKind kind, QObject *opts,
                      const char *key, Error **errp)
{
    g_autoptr(QObject) list = qdict_steal(opts, key);

    if (!list) {
        return true;
    }
    if (qobject_type(list) != QTYPE_LIST) {
        error_setg(errp, "blkdebug: '%s' expects a list", key);
        return false;
    }
    for (size_t i = 0; i < qlist_size(list); i++) {
        g_autoptr(QObject) one = qobject_deep_copy(qlist_at(list, i));

        if (qobject_type(one) != QTYPE_DICT) {
            error_setg(errp, "blkdebug: '%s' expects objects", key);
            return false;
        }
        if (!add_rule(s, kind, one, errp)) {
            return false;
        }
    }
    return true;
}

/* "[inject-error]" sections with key = "value" lines. */
static bool read_config(DebugState *s, const char *path, Error **errp)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(QObject) cur = NULL;
    RuleKind kind = RULE_ERROR;
    GError *gerr = NULL;
    bool ok = true;

    if (!g_file_get_contents(path, &text, NULL, &gerr)) {
        error_setg(errp, "Could not read blkdebug config file: %s",
                   gerr->message);
        g_error_free(gerr);
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (int i = 0; lines[i] && ok; i++) {
        char *line = g_strstrip(lines[i]), *eq = strchr(line, '=');

        if (!*line || *line == '#') {
            continue;
        }
        if (*line == '[') {
            if (cur) {
                ok = add_rule(s, kind, cur, errp);
                g_clear_pointer(&cur, qobject_unref);
            }
            if (ok && (!strcmp(line, "[inject-error]") ||
                       !strcmp(line, "[set-state]"))) {
                kind = line[1] == 'i' ? RULE_ERROR : RULE_STATE;
                cur = qdict_new();
            } else if (ok) {
                error_setg(errp, "%s:%d: unknown section %s", path, i + 1,
                           line);
                ok = false;
            }
        } else if (!cur || !eq) {
            error_setg(errp, "%s:%d: cannot be parsed", path, i + 1);
            ok = false;
        } else {
            char *value;

            *eq = 0;
            value = g_strstrip(eq + 1);
            if (*value == '"' && strlen(value) > 1 &&
                value[strlen(value) - 1] == '"') {
                value[strlen(value) - 1] = 0;
                value++;
            }
            qdict_put_str(cur, g_strstrip(line), value);
        }
    }
    return ok && (!cur || add_rule(s, kind, cur, errp));
}

/* ---- opening ------------------------------------------------------------------- */

static void state_free(DebugState *s)
{
    Rule *r, *tmp;

    list_foreach_safe (r, tmp, &s->rules, node) {
        rule_free(r);
    }
    mutex_destroy(&s->lock);
    cond_destroy(&s->cond);
}

static bool take_name(QObject *opts, char **config, Error **errp)
{
    g_autofree char *name = NULL;
    const char *rest, *colon;
    QObject *image;

    if (!opts_take_str(opts, "filename", &name, errp)) {
        return false;
    }
    if (!name) {
        return true;
    }
    rest = g_str_has_prefix(name, "blkdebug:") ? name + 9 : name;
    colon = strchr(rest, ':');
    if (!colon) {
        error_setg(errp, "blkdebug requires both config file and image path");
        return false;
    }
    if (colon > rest) {
        *config = g_strndup(rest, colon - rest);
    }
    image = qdict_new();
    qdict_put_str(image, "filename", colon + 1);
    qdict_put(opts, "image", image);
    return true;
}

static bool debug_open(BlockNode *n, QObject *opts, Error **errp)
{
    DebugState *s = n->state;
    g_autofree char *config = NULL;
    uint64_t align = 0, max = 0;
    QObject *image;

    mutex_init(&s->lock);
    cond_init(&s->cond);
    list_init(&s->rules);
    s->state = 1;
    if (!take_name(opts, &config, errp) ||
        (!config && !opts_take_str(opts, "config", &config, errp)) ||
        (config && !read_config(s, config, errp)) ||
        !take_list(s, RULE_ERROR, opts, "inject-error", errp) ||
        !take_list(s, RULE_STATE, opts, "set-state", errp) ||
        !opts_take_size(opts, "align", &align, errp) ||
        !opts_take_size(opts, "max-transfer", &max, errp)) {
        goto fail;
    }
    image = qdict_steal(opts, "image");
    if (image) {
        qdict_put(opts, "file", image);
    }
    if (!filter_open_file(n, opts, errp)) {
        goto fail;
    }
    if (align && (align > 65536 || (align & (align - 1)))) {
        error_setg(errp, "Cannot meet constraints with align %" PRIu64, align);
        goto fail;
    }
    n->request_alignment = MAX(n->request_alignment, align);
    if (max && (max % n->request_alignment || max > INT32_MAX)) {
        error_setg(errp, "Cannot meet constraints with max-transfer %" PRIu64,
                   max);
        goto fail;
    }
    n->max_transfer = max;
    return true;
fail:
    state_free(s);
    return false;
}

static void debug_close(BlockNode *n)
{
    state_free(n->state);
}

/* ---- events -------------------------------------------------------------------- */

static void debug_event(BlockNode *n, const char *event)
{
    DebugState *s = n->state;
    unsigned state;
    Rule *r;

    mutex_lock(&s->lock);
    state = s->state;
    list_foreach (r, &s->rules, node) {
        if (strcmp(r->event, event) || (r->state && r->state != state)) {
            continue;
        }
        if (r->kind == RULE_ERROR) {
            r->armed = true;
        } else if (r->kind == RULE_STATE) {
            s->state = r->new_state;
        } else if (r->armed) {
            r->armed = false; /* one request */
            r->held++;
            cond_broadcast(&s->cond);
            while (r->held) {
                cond_wait(&s->cond, &s->lock);
            }
            rule_free(r);
            cond_broadcast(&s->cond);
            break;
        }
    }
    mutex_unlock(&s->lock);
}

static Rule *find_break(DebugState *s, const char *tag)
{
    Rule *r;

    list_foreach (r, &s->rules, node) {
        if (r->kind == RULE_BREAK && !strcmp(r->tag, tag)) {
            return r;
        }
    }
    return NULL;
}

static int debug_break(BlockNode *n, const char *event, const char *tag)
{
    DebugState *s = n->state;
    Rule *r = g_new0(Rule, 1);

    r->kind = RULE_BREAK;
    r->event = g_strdup(event);
    r->tag = g_strdup(tag);
    r->armed = true;
    mutex_lock(&s->lock);
    list_append(&s->rules, &r->node);
    mutex_unlock(&s->lock);
    return 0;
}

static int debug_resume(BlockNode *n, const char *tag, bool remove)
{
    DebugState *s = n->state;
    Rule *r;
    int ret = -ENOENT;

    mutex_lock(&s->lock);
    r = find_break(s, tag);
    if (r && r->held) {
        r->held = 0; /* its request frees it */
        cond_broadcast(&s->cond);
        ret = 0;
    } else if (r && remove) {
        rule_free(r);
        ret = 0;
    }
    mutex_unlock(&s->lock);
    return ret;
}

static bool debug_held(BlockNode *n, const char *tag)
{
    DebugState *s = n->state;
    Rule *r;
    bool held;

    mutex_lock(&s->lock);
    r = find_break(s, tag);
    held = r && r->held;
    mutex_unlock(&s->lock);
    return held;
}

/* ---- requests ------------------------------------------------------------------ */

static int inject(BlockNode *n, unsigned iotype, uint64_t offset,
                  uint64_t bytes)
{
    DebugState *s = n->state;
    Rule *r, *tmp;
    int ret = 0;

    mutex_lock(&s->lock);
    list_foreach_safe (r, tmp, &s->rules, node) {
        if (r->kind == RULE_ERROR && r->armed && (r->iotypes & iotype) &&
            (!r->state || r->state == s->state) &&
            (r->offset < 0 || (iotype != IO_FLUSH &&
                               (uint64_t)r->offset >= offset &&
                               (uint64_t)r->offset - offset < bytes))) {
            ret = -r->error;
            if (r->once) {
                rule_free(r);
            }
            break;
        }
    }
    mutex_unlock(&s->lock);
    return ret;
}

static int debug_preadv(BlockNode *n, uint64_t offset, uint64_t bytes,
                        BlockVec v)
{
    int ret = inject(n, IO_READ, offset, bytes);

    return ret ? ret : filter_preadv(n, offset, bytes, v);
}

static int debug_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                         BlockVec v, unsigned flags)
{
    int ret = inject(n, IO_WRITE, offset, bytes);

    return ret ? ret : filter_pwritev(n, offset, bytes, v, flags);
}

static int debug_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                        unsigned flags)
{
    int ret = inject(n, IO_ZEROES, offset, bytes);

    return ret ? ret : filter_pwrite_zeroes(n, offset, bytes, flags);
}

static int debug_discard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    int ret = inject(n, IO_DISCARD, offset, bytes);

    return ret ? ret : filter_pdiscard(n, offset, bytes);
}

static int debug_flush(BlockNode *n)
{
    return inject(n, IO_FLUSH, 0, 0);
}

static int debug_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                              uint64_t bytes, uint64_t *pnum, uint64_t *map,
                              BlockNode **file)
{
    int ret = inject(n, IO_STATUS, offset, bytes);

    if (ret) {
        return ret;
    }
    *pnum = bytes;
    *map = offset;
    *file = n->file->node;
    return BLK_ST_RAW | BLK_ST_OFFSET_VALID;
}

static const BlockDriver driver_blkdebug = {
    .name = "blkdebug",
    .kind = BLK_FILTER,
    .protocol = "blkdebug",
    .state_size = sizeof(DebugState),
    .open = debug_open,
    .close = debug_close,
    .preadv = debug_preadv,
    .pwritev = debug_pwritev,
    .pwrite_zeroes = debug_zeroes,
    .pdiscard = debug_discard,
    .flush = debug_flush,
    .block_status = debug_block_status,
    .getlength = filter_getlength,
    .debug_event = debug_event,
    .debug_break = debug_break,
    .debug_resume = debug_resume,
    .debug_held = debug_held,
};

static void blkdebug_register(void)
{
    block_driver_register(&driver_blkdebug);
}
block_init(blkdebug_register)
