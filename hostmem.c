/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects memory-backend-ram, -file and -memfd. */
#include "osdep.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "exec/hostmem.h"
#include "util/module.h"
#include "util/property.h"

typedef struct MemoryBackend {
    Object obj;
    /* Properties. */
    uint64_t size;
    bool share, prealloc, merge, dump;
    char *mem_path;          /* -file */
    bool discard_data, readonly;
    bool hugetlb, seal;      /* -memfd */
    uint64_t hugetlbsize;
    /* Made by complete. */
    RAMBlock *block;
    bool in_use;
} MemoryBackend;

static bool backend_check(MemoryBackend *b, Error **errp)
{
    if (b->size == 0) {
        error_setg(errp, "property 'size' of %s must be greater than 0",
                   b->obj.type->name);
        return false;
    }
    return true;
}

static bool backend_keep(MemoryBackend *b, RAMBlock *block)
{
    if (!block) {
        return false;
    }
    b->block = block;
    if (b->merge) {
        madvise(block->host, block->max_length, MADV_MERGEABLE);
    }
    if (!b->dump) {
        madvise(block->host, block->max_length, MADV_DONTDUMP);
    }
    return true;
}

static const char *backend_name(const MemoryBackend *b)
{
    return b->obj.name ? b->obj.name : b->obj.type->name;
}

static bool ram_complete(Object *obj, Error **errp)
{
    MemoryBackend *b = (MemoryBackend *)obj;

    return backend_check(b, errp) &&
           backend_keep(b, ram_block_new(backend_name(b), b->size, b->share,
                                         b->prealloc, errp));
}

/* An existing file, or a new one where the path is a directory. */
static int backing_open(MemoryBackend *b, Error **errp)
{
    int flags = b->readonly ? O_RDONLY : O_RDWR;
    struct stat st;
    int fd;

    if (stat(b->mem_path, &st) == 0 && S_ISDIR(st.st_mode)) {
        g_autofree char *t = g_strdup_printf("%s/qemu_back_mem.%s.XXXXXX",
                                             b->mem_path, backend_name(b));
        fd = mkostemp(t, O_CLOEXEC);
        if (fd >= 0) {
            unlink(t);
        }
    } else {
        fd = open(b->mem_path, flags | O_CLOEXEC | (b->readonly ? 0 : O_CREAT),
                  0644);
    }
    if (fd < 0) {
        error_setg_errno(errp, errno, "can't open backing store %s for guest "
                         "RAM", b->mem_path);
        return -1;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (st.st_size == 0 && !b->readonly &&
            ftruncate(fd, (off_t)b->size) == 0) {
            return fd;
        }
        if ((uint64_t)st.st_size < b->size) {
            error_setg(errp, "backing store %s size 0x%" PRIx64 " is smaller "
                       "than the 0x%" PRIx64 " that '%s' asks for",
                       b->mem_path, (uint64_t)st.st_size, b->size,
                       backend_name(b));
            close(fd);
            return -1;
        }
    }
    return fd;
}

static bool fd_complete(MemoryBackend *b, int fd, Error **errp)
{
    RAMBlock *block = ram_block_from_fd(backend_name(b), b->size, fd, 0,
                                        b->share, b->readonly, b->prealloc,
                                        errp);
    if (!block) {
        close(fd);
    }
    return backend_keep(b, block);
}

static bool file_complete(Object *obj, Error **errp)
{
    MemoryBackend *b = (MemoryBackend *)obj;
    int fd;

    if (!backend_check(b, errp)) {
        return false;
    }
    if (!b->mem_path) {
        error_setg(errp, "property 'mem-path' of %s is missing",
                   obj->type->name);
        return false;
    }
    fd = backing_open(b, errp);
    return fd >= 0 && fd_complete(b, fd, errp);
}

static bool memfd_complete(Object *obj, Error **errp)
{
    MemoryBackend *b = (MemoryBackend *)obj;
    unsigned flags = MFD_CLOEXEC | (b->seal ? MFD_ALLOW_SEALING : 0);
    int fd;

    if (!backend_check(b, errp)) {
        return false;
    }
    if (b->hugetlbsize & (b->hugetlbsize - 1)) {
        error_setg(errp, "property 'hugetlbsize' must be a power of two");
        return false;
    }
    if (b->hugetlb) {
        flags |= MFD_HUGETLB;
        if (b->hugetlbsize) {
            flags |= (unsigned)__builtin_ctzll(b->hugetlbsize) << 26;
        }
    }
    fd = memfd_create(backend_name(b), flags);
    if (fd < 0 || ftruncate(fd, (off_t)b->size) < 0) {
        error_setg_errno(errp, errno, "cannot make a memfd of %" PRIu64
                         " bytes for '%s'", b->size, backend_name(b));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    if (b->seal) {
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    }
    return fd_complete(b, fd, errp);
}

static bool backend_can_go(Object *obj, Error **errp)
{
    if (((MemoryBackend *)obj)->in_use) {
        error_setg(errp, "object '%s' is in use, can not be deleted",
                   obj->name);
        return false;
    }
    return true;
}

static void backend_finalize(Object *obj)
{
    MemoryBackend *b = (MemoryBackend *)obj;

    if (b->block && b->discard_data) {
        madvise(b->block->host, b->block->max_length, MADV_REMOVE);
    }
    ram_block_free(g_steal_pointer(&b->block));
}

RAMBlock *memory_backend_block(Object *obj)
{
    return object_dynamic_cast(obj, "memory-backend")
               ? ((MemoryBackend *)obj)->block
               : NULL;
}

bool memory_backend_claim(Object *obj, Error **errp)
{
    MemoryBackend *b = (MemoryBackend *)obj;

    if (b->in_use) {
        error_setg(errp, "memory backend %s is used by another device already",
                   backend_name(b));
        return false;
    }
    b->in_use = true;
    return true;
}

void memory_backend_release(Object *obj)
{
    ((MemoryBackend *)obj)->in_use = false;
}

static const Property common_props[] = {
    PROP_SIZE("size", MemoryBackend, size, 0),
    PROP_BOOL("prealloc", MemoryBackend, prealloc, false),
    PROP_BOOL("merge", MemoryBackend, merge, true),
    PROP_BOOL("dump", MemoryBackend, dump, true),
    PROP_END(),
};

static const Property ram_props[] = {
    PROP_BOOL("share", MemoryBackend, share, false),
    PROP_END(),
};

static const Property file_props[] = {
    PROP_STR("mem-path", MemoryBackend, mem_path),
    PROP_BOOL("share", MemoryBackend, share, false),
    PROP_BOOL("discard-data", MemoryBackend, discard_data, false),
    PROP_BOOL("readonly", MemoryBackend, readonly, false),
    PROP_END(),
};

static const Property memfd_props[] = {
    PROP_BOOL("share", MemoryBackend, share, true),
    PROP_BOOL("hugetlb", MemoryBackend, hugetlb, false),
    PROP_SIZE("hugetlbsize", MemoryBackend, hugetlbsize, 0),
    PROP_BOOL("seal", MemoryBackend, seal, true),
    PROP_END(),
};

static const ObjectType types[] = {
    { .name = "memory-backend", .abstract = true,
      .size = sizeof(MemoryBackend), .props = common_props,
      .finalize = backend_finalize },
    { .name = "memory-backend-ram", .parent = "memory-backend",
      .user_creatable = true, .size = sizeof(MemoryBackend),
      .props = ram_props, .complete = ram_complete,
      .can_be_deleted = backend_can_go },
    { .name = "memory-backend-file", .parent = "memory-backend",
      .user_creatable = true, .size = sizeof(MemoryBackend),
      .props = file_props, .complete = file_complete,
      .can_be_deleted = backend_can_go },
    { .name = "memory-backend-memfd", .parent = "memory-backend",
      .user_creatable = true, .size = sizeof(MemoryBackend),
      .props = memfd_props, .complete = memfd_complete,
      .can_be_deleted = backend_can_go },
};

static void hostmem_register(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        object_type_register(&types[i]);
    }
}
object_init(hostmem_register)
