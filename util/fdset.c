/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors from clients.  Few of them, rarely used: plain lists under one
 * leaf lock.
 */
#include "osdep.h"
#include "util/fdset.h"
#include "util/list.h"
#include "util/thread.h"

typedef struct NamedFd {
    ListNode node;
    char *name;
    int fd;
} NamedFd;

typedef struct SetFd {
    ListNode node;    /* sorted by set */
    int64_t set;
    char *opaque;     /* may be NULL */
    int fd;
} SetFd;

static Mutex fds_lock = MUTEX_INITIALIZER;
static ListNode named_fds = LIST_INIT(named_fds); /* lock: fds_lock */
static ListNode set_fds = LIST_INIT(set_fds);     /* lock: fds_lock */

static NamedFd *find_named(const char *name)
{
    NamedFd *n;

    list_foreach(n, &named_fds, node) {
        if (!strcmp(n->name, name)) {
            return n;
        }
    }
    return NULL;
}

void fd_name_add(const char *name, int fd)
{
    LOCK_GUARD(&fds_lock);
    NamedFd *n = find_named(name);

    if (n) {
        close(n->fd);
    } else {
        n = g_new0(NamedFd, 1);
        n->name = g_strdup(name);
        list_append(&named_fds, &n->node);
    }
    n->fd = fd;
}

int fd_name_take(const char *name)
{
    LOCK_GUARD(&fds_lock);
    NamedFd *n = find_named(name);
    int fd;

    if (!n) {
        return -1;
    }
    fd = n->fd;
    list_remove(&n->node);
    g_free(n->name);
    g_free(n);
    return fd;
}

int fd_from_text(const char *text, Error **errp)
{
    char *end;
    long v;
    int fd;

    if (!g_ascii_isdigit(text[0])) {
        fd = fd_name_take(text);
        if (fd < 0) {
            error_setg(errp, "No file descriptor named '%s' found", text);
        }
        return fd;
    }
    errno = 0;
    v = strtol(text, &end, 10);
    if (*end || errno || v > INT_MAX) {
        error_setg(errp, "'%s' is not a file descriptor number or name", text);
        return -1;
    }
    if (fcntl(v, F_GETFD) < 0) {
        error_setg(errp, "File descriptor '%s' is not open", text);
        return -1;
    }
    return v;
}

/* A number that no set has: the lowest one. */
static int64_t free_set(void)
{
    int64_t set = 0;
    SetFd *s;

    list_foreach(s, &set_fds, node) {
        if (s->set == set) {
            set++;
        } else if (s->set > set) {
            break;
        }
    }
    return set;
}

static void insert_sorted(SetFd *new)
{
    SetFd *s;

    list_foreach(s, &set_fds, node) {
        if (s->set > new->set) {
            list_insert_before(&s->node, &new->node);
            return;
        }
    }
    list_append(&set_fds, &new->node);
}

int64_t fdset_add(int64_t set, int fd, const char *opaque, Error **errp)
{
    SetFd *s;

    if (set < -1) {
        error_setg(errp, "Parameter 'fdset-id' expects a non-negative value");
        close(fd);
        return -1;
    }
    s = g_new0(SetFd, 1);
    s->opaque = g_strdup(opaque);
    s->fd = fd;
    mutex_lock(&fds_lock);
    set = set < 0 ? free_set() : set;
    s->set = set;
    insert_sorted(s);
    mutex_unlock(&fds_lock);
    return set;
}

bool fdset_remove(int64_t set, int fd, Error **errp)
{
    SetFd *s, *tmp;
    bool found = false;

    mutex_lock(&fds_lock);
    list_foreach_safe(s, tmp, &set_fds, node) {
        if (s->set == set && (fd < 0 || s->fd == fd)) {
            found = true;
            list_remove(&s->node);
            close(s->fd);
            g_free(s->opaque);
            g_free(s);
        }
    }
    mutex_unlock(&fds_lock);
    if (found) {
        return true;
    }
    if (fd < 0) {
        error_setg(errp, "File descriptor named 'fdset-id:%" PRId64
                   "' not found", set);
    } else {
        error_setg(errp, "File descriptor named 'fdset-id:%" PRId64
                   ", fd:%d' not found", set, fd);
    }
    return false;
}

void fdset_foreach(void (*fn)(int64_t set, int fd, const char *opaque,
                              void *arg), void *arg)
{
    LOCK_GUARD(&fds_lock);
    SetFd *s;

    list_foreach(s, &set_fds, node) {
        fn(s->set, s->fd, s->opaque, arg);
    }
}

/* Status flags live in the open file that copies share, so the client must
 * hand over one descriptor for each access mode that is going to be used. */
static int fdset_open(const char *number, int flags)
{
    LOCK_GUARD(&fds_lock);
    char *end;
    int64_t set;
    SetFd *s;

    errno = 0;
    set = g_ascii_strtoll(number, &end, 10);
    if (end == number || *end || errno || set < 0) {
        errno = EINVAL;
        return -1;
    }
    list_foreach(s, &set_fds, node) {
        int have = s->set == set ? fcntl(s->fd, F_GETFL) : -1;

        if (have >= 0 && (have & O_ACCMODE) == (flags & O_ACCMODE)) {
            return fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
        }
    }
    errno = EACCES;
    return -1;
}

int open_path(const char *path, int flags, mode_t mode)
{
    static const char prefix[] = "/dev/fdset/";

    if (!strncmp(path, prefix, strlen(prefix))) {
        return fdset_open(path + strlen(prefix), flags);
    }
    return open(path, flags | O_CLOEXEC, mode);
}
