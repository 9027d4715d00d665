/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Daemonizing, pid file, privileges, the system-call filter. */
#include "osdep.h"
#include "process.h"
#include "exec/runstate.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#ifdef CONFIG_SECCOMP
#include <sched.h>
#include <seccomp.h>
#endif

static struct {
    int ready_fd;        /* the waiting parent's pipe; -1: no daemon */
    char *pidfile;       /* absolute path of the file we made */
    int pid_fd;          /* keeps it locked */
} process = { .ready_fd = -1, .pid_fd = -1 };

static void on_signal(int signo, siginfo_t *info, void *context)
{
    system_killed(signo, info->si_pid);
}

void process_catch_signals(void)
{
    struct sigaction act = { .sa_sigaction = on_signal,
                             .sa_flags = SA_SIGINFO };

    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* In the parent: the child's word, then the end of this process. */
static void NORETURN wait_for_child(int fd)
{
    char status = 1;
    ssize_t n = RETRY_ON_EINTR(read(fd, &status, 1));

    _exit(n == 1 && status == 0 ? 0 : 1);
}

bool process_daemonize(Error **errp)
{
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_setg_errno(errp, errno, "-daemonize: cannot make a pipe");
        return false;
    }
    pid = fork();
    if (pid < 0) {
        error_setg_errno(errp, errno, "-daemonize: cannot fork");
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    if (pid > 0) {
        close(fds[1]);
        wait_for_child(fds[0]);
    }
    close(fds[0]);
    process.ready_fd = fds[1];
    setsid();
    /* Not a session leader any more: no terminal can become ours. */
    pid = fork();
    if (pid < 0) {
        error_setg_errno(errp, errno, "-daemonize: cannot fork");
        return false;
    }
    if (pid > 0) {
        _exit(0);
    }
    umask(027);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    return true;
}

bool process_ready(Error **errp)
{
    int fd;
    char status = 0;

    if (process.ready_fd < 0) {
        return true;
    }
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || chdir("/") < 0) {
        error_setg_errno(errp, errno, "-daemonize: cannot open /dev/null");
        return false;
    }
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    if (RETRY_ON_EINTR(write(process.ready_fd, &status, 1)) != 1) {
        /* The parent was killed: nobody waits, the VM runs all the same. */
    }
    close(process.ready_fd);
    process.ready_fd = -1;
    return true;
}

bool process_write_pidfile(const char *path, Error **errp)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    g_autofree char *text = g_strdup_printf("%ld\n", (long)getpid());
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_setg_errno(errp, errno, "-pidfile %s: cannot create it", path);
        return false;
    }
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_setg_errno(errp, errno, "-pidfile %s: another process holds it",
                         path);
        goto fail;
    }
    if (ftruncate(fd, 0) < 0 ||
        write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        error_setg_errno(errp, errno, "-pidfile %s: cannot write it", path);
        goto fail;
    }
    process.pid_fd = fd;
    process.pidfile = realpath(path, NULL);
    return true;

fail:
    close(fd);
    return false;
}

void process_cleanup(void)
{
    if (process.pidfile) {
        unlink(process.pidfile);
        free(process.pidfile);
        process.pidfile = NULL;
    }
}

/* "UID:GID" or a user's name. */
static bool parse_user(const char *user, uid_t *uid, gid_t *gid, char **name,
                       Error **errp)
{
    struct passwd *pw;
    unsigned long u, g;
    char *end;

    errno = 0;
    pw = getpwnam(user);
    if (pw) {
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
        *name = g_strdup(pw->pw_name);
        return true;
    }
    if (g_ascii_isdigit(*user)) {
        u = strtoul(user, &end, 10);
        if (*end == ':' && g_ascii_isdigit(end[1])) {
            g = strtoul(end + 1, &end, 10);
            if (!*end && u < UINT32_MAX && g < UINT32_MAX) {
                *uid = u;
                *gid = g;
                return true;
            }
        }
    }
    error_setg(errp, "-runas %s: there is no such user, and it is not of the "
               "form UID:GID", user);
    return false;
}

bool process_drop_privileges(const char *root, const char *user, Error **errp)
{
    g_autofree char *name = NULL;
    uid_t uid = 0;
    gid_t gid = 0;

    /* The user's name is looked up in the root we come from. */
    if (user && !parse_user(user, &uid, &gid, &name, errp)) {
        return false;
    }
    if (root && (chroot(root) < 0 || chdir("/") < 0)) {
        error_setg_errno(errp, errno, "-chroot %s: cannot change to it", root);
        return false;
    }
    if (!user) {
        return true;
    }
    if (setgid(gid) < 0 ||
        (name ? initgroups(name, gid) : setgroups(1, &gid)) < 0 ||
        setuid(uid) < 0) {
        error_setg_errno(errp, errno, "-runas %s: cannot change to it", user);
        return false;
    }
    if (uid != 0 && setuid(0) == 0) {
        error_setg(errp, "-runas %s: root could be had back", user);
        return false;
    }
    return true;
}

bool process_lock_memory(Error **errp)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        error_setg_errno(errp, errno, "-overcommit mem-lock=on: cannot lock "
                         "memory");
        return false;
    }
    return true;
}

#ifdef CONFIG_SECCOMP
#define S(name) SCMP_SYS(name)
/* Nothing an emulator ever needs. */
static const int calls_never[] = {
    S(reboot), S(swapon), S(swapoff), S(syslog), S(mount), S(umount2),
    S(pivot_root), S(kexec_load), S(kexec_file_load), S(init_module),
    S(finit_module), S(delete_module), S(acct), S(quotactl), S(settimeofday),
    S(clock_settime), S(adjtimex), S(sethostname), S(setdomainname), S(iopl),
    S(ioperm), S(bpf), S(ptrace), S(process_vm_writev), S(add_key),
    S(request_key), S(keyctl), S(nfsservctl), S(lookup_dcookie), S(move_mount),
    S(open_tree), S(fsopen), S(fsmount), S(vhangup),
};
static const int calls_obsolete[] = {
    S(_sysctl), S(create_module), S(get_kernel_syms), S(query_module),
    S(uselib), S(ustat), S(sysfs), S(getpmsg), S(putpmsg), S(afs_syscall),
    S(tuxcall), S(security), S(vserver), S(modify_ldt), S(epoll_ctl_old),
    S(epoll_wait_old),
};
static const int calls_elevate[] = {
    S(setuid), S(setgid), S(setreuid), S(setregid), S(setresuid),
    S(setresgid), S(setfsuid), S(setfsgid), S(setgroups),
};
static const int calls_spawn[] = {
    S(fork), S(vfork), S(execve), S(execveat),
};
static const int calls_resource[] = {
    S(setpriority), S(sched_setparam), S(sched_setscheduler), S(sched_setattr),
    S(sched_setaffinity), S(ioprio_set), S(set_mempolicy), S(mbind),
    S(migrate_pages), S(move_pages), S(setrlimit),
};
#undef S

static int forbid(scmp_filter_ctx ctx, uint32_t action, const int *calls,
                  size_t n)
{
    int ret = 0;

    for (size_t i = 0; i < n && ret == 0; i++) {
        /* Negative: this host does not have the call. */
        if (calls[i] >= 0) {
            ret = seccomp_rule_add(ctx, action, calls[i], 0);
        }
    }
    return ret;
}

static bool answer_is(const QObject *opts, const char *key, const char *answer)
{
    return !g_strcmp0(qdict_get_str(opts, key), answer);
}

/* Processes, not threads: clone3 hides its flags, so that libc must take
 * clone. */
static int forbid_spawn(scmp_filter_ctx ctx)
{
    int ret = forbid(ctx, SCMP_ACT_KILL_PROCESS, calls_spawn,
                     ARRAY_SIZE(calls_spawn));

    if (ret == 0) {
        ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
                               0);
    }
    if (ret == 0) {
        ret = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    }
    return ret;
}

#define FORBID(action, list) forbid(ctx, action, list, ARRAY_SIZE(list))

bool process_sandbox(const QObject *opts, Error **errp)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    bool children = answer_is(opts, "elevateprivileges", "children");
    int ret = ctx ? 0 : -ENOMEM;

    if (ret == 0) {
        ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    if (ret == 0) {
        ret = FORBID(SCMP_ACT_KILL_PROCESS, calls_never);
    }
    if (ret == 0 && !answer_is(opts, "obsolete", "allow")) {
        ret = FORBID(SCMP_ACT_KILL_PROCESS, calls_obsolete);
    }
    if (ret == 0 &&
        (children || answer_is(opts, "elevateprivileges", "deny"))) {
        ret = FORBID(SCMP_ACT_KILL_PROCESS, calls_elevate);
    }
    if (ret == 0 && children && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        ret = -errno;
    }
    if (ret == 0 && answer_is(opts, "spawn", "deny")) {
        ret = forbid_spawn(ctx);
    }
    if (ret == 0 && answer_is(opts, "resourcecontrol", "deny")) {
        /* Libraries try these for speed and take no for an answer. */
        ret = FORBID(SCMP_ACT_ERRNO(EPERM), calls_resource);
    }
    if (ret == 0) {
        ret = seccomp_load(ctx);
    }
    if (ctx) {
        seccomp_release(ctx);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "-sandbox: cannot load the filter");
        return false;
    }
    return true;
}
#else
bool process_sandbox(const QObject *opts, Error **errp)
{
    error_setg(errp, "-sandbox: this build has no libseccomp");
    return false;
}
#endif
