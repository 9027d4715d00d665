/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a device's state is saved: typed field tables beside the struct,
 * written to and read from a versioned, self-describing byte stream.
 * post_load gets hostile input: check every index and length there.
 */
#ifndef HW_VMSTATE_H
#define HW_VMSTATE_H

#include "osdep.h"
#include "util/error.h"
#include "util/timer.h"

typedef struct VMStateField VMStateField;
typedef struct VMStateDescription VMStateDescription;
typedef struct VMStateWriter VMStateWriter;
typedef struct VMStateReader VMStateReader;

typedef enum VMStateKind {
    VMS_INT,      /* integers of 1, 2, 4, 8 bytes, bool, enums: little endian */
    VMS_BUFFER,   /* bytes */
    VMS_TIMER,    /* remaining time is kept as the absolute virtual time */
    VMS_STRUCT,   /* field.vmsd */
    VMS_CUSTOM,   /* field.save / field.load */
} VMStateKind;

struct VMStateField {
    const char *name;
    VMStateKind kind;
    size_t offset;
    size_t size;       /* of one element */
    size_t count;      /* elements, 1 for scalars */
    /* Elements that count: a uint32_t at this offset, at most `count` (or,
     * for pointers, at most what post_alloc made room for). */
    ptrdiff_t count_offset; /* 0: always `count` */
    bool pointer;      /* the field is a pointer to the elements */
    const VMStateDescription *vmsd;
    int version;       /* first stream version that has it */
    bool (*exists)(const void *opaque);
    void (*save)(const void *field, VMStateWriter *w);
    bool (*load)(void *field, VMStateReader *r, Error **errp);
};

struct VMStateDescription {
    const char *name;
    int version_id;
    int minimum_version_id;
    /* Before the fields are written: bring the struct up to date. */
    void (*pre_save)(void *opaque);
    /* After they were read; false with an error: the stream is refused. */
    bool (*post_load)(void *opaque, int version_id, Error **errp);
    /* Subsections: written only if it says so (NULL: always). */
    bool (*needed)(const void *opaque);
    const VMStateField *fields;
    const VMStateDescription *const *subsections; /* NULL-terminated */
};

/* The type of f must be t (or array of t): a mismatch does not compile. */
#define VMS_OFF(S, f, t) \
    (offsetof(S, f) + 0 * sizeof(1 ? (t *)0 : &((S *)0)->f))
#define VMS_ARR_OFF(S, f, t, n) \
    (offsetof(S, f) + 0 * sizeof(1 ? (t(*)[n])0 : &((S *)0)->f))
#define VMS_SCALAR(f, S, t) \
    { .name = #f, .kind = VMS_INT, .offset = VMS_OFF(S, f, t), \
      .size = sizeof(t), .count = 1 }
#define VMS_ARRAY(f, S, t, n) \
    { .name = #f, .kind = VMS_INT, .offset = VMS_ARR_OFF(S, f, t, n), \
      .size = sizeof(t), .count = (n) }

#define VMSTATE_BOOL(f, S)   VMS_SCALAR(f, S, bool)
#define VMSTATE_UINT8(f, S)  VMS_SCALAR(f, S, uint8_t)
#define VMSTATE_UINT16(f, S) VMS_SCALAR(f, S, uint16_t)
#define VMSTATE_UINT32(f, S) VMS_SCALAR(f, S, uint32_t)
#define VMSTATE_UINT64(f, S) VMS_SCALAR(f, S, uint64_t)
#define VMSTATE_INT8(f, S)   VMS_SCALAR(f, S, int8_t)
#define VMSTATE_INT16(f, S)  VMS_SCALAR(f, S, int16_t)
#define VMSTATE_INT32(f, S)  VMS_SCALAR(f, S, int32_t)
#define VMSTATE_INT64(f, S)  VMS_SCALAR(f, S, int64_t)
#define VMSTATE_BOOL_ARRAY(f, S, n)   VMS_ARRAY(f, S, bool, n)
#define VMSTATE_UINT8_ARRAY(f, S, n)  VMS_ARRAY(f, S, uint8_t, n)
#define VMSTATE_UINT16_ARRAY(f, S, n) VMS_ARRAY(f, S, uint16_t, n)
#define VMSTATE_UINT32_ARRAY(f, S, n) VMS_ARRAY(f, S, uint32_t, n)
#define VMSTATE_UINT64_ARRAY(f, S, n) VMS_ARRAY(f, S, uint64_t, n)
#define VMSTATE_INT32_ARRAY(f, S, n)  VMS_ARRAY(f, S, int32_t, n)
#define VMSTATE_INT64_ARRAY(f, S, n)  VMS_ARRAY(f, S, int64_t, n)
/* An enum or other 4-byte field whose type is not an integer's. */
#define VMSTATE_ENUM(f, S, t) VMS_SCALAR(f, S, t)
/* Bytes of an array member of any element type. */
#define VMSTATE_BUFFER(f, S) \
    { .name = #f, .kind = VMS_BUFFER, .offset = offsetof(S, f), \
      .size = sizeof(((S *)0)->f), .count = 1 }
/* f is a uint8_t * with room for uint32_t S.len bytes (<= max). */
#define VMSTATE_VBUFFER(f, S, len, max) \
    { .name = #f, .kind = VMS_BUFFER, .offset = VMS_OFF(S, f, uint8_t *), \
      .size = 1, .count = (max), .pointer = true, \
      .count_offset = VMS_OFF(S, len, uint32_t) }
#define VMSTATE_TIMER(f, S) \
    { .name = #f, .kind = VMS_TIMER, .offset = VMS_OFF(S, f, Timer), \
      .size = sizeof(Timer), .count = 1 }
#define VMSTATE_TIMER_ARRAY(f, S, n) \
    { .name = #f, .kind = VMS_TIMER, .offset = VMS_ARR_OFF(S, f, Timer, n), \
      .size = sizeof(Timer), .count = (n) }
#define VMSTATE_STRUCT(f, S, t, d) \
    { .name = #f, .kind = VMS_STRUCT, .offset = VMS_OFF(S, f, t), \
      .size = sizeof(t), .count = 1, .vmsd = &(d) }
#define VMSTATE_STRUCT_ARRAY(f, S, t, n, d) \
    { .name = #f, .kind = VMS_STRUCT, .offset = VMS_ARR_OFF(S, f, t, n), \
      .size = sizeof(t), .count = (n), .vmsd = &(d) }
#define VMSTATE_CUSTOM(nm, S, f, sv, ld) \
    { .name = (nm), .kind = VMS_CUSTOM, .offset = offsetof(S, f), \
      .size = sizeof(((S *)0)->f), .count = 1, .save = (sv), .load = (ld) }
#define VMSTATE_END() { .name = NULL }

/* For custom fields and the section writer. */
void vmstate_put_bytes(VMStateWriter *w, const void *p, size_t len);
void vmstate_put_u8(VMStateWriter *w, uint8_t v);
void vmstate_put_u32(VMStateWriter *w, uint32_t v);
void vmstate_put_u64(VMStateWriter *w, uint64_t v);
/* False at the end of the section's data, with an error set. */
bool vmstate_get_bytes(VMStateReader *r, void *p, size_t len, Error **errp);
bool vmstate_get_u8(VMStateReader *r, uint8_t *v, Error **errp);
bool vmstate_get_u32(VMStateReader *r, uint32_t *v, Error **errp);
bool vmstate_get_u64(VMStateReader *r, uint64_t *v, Error **errp);

/* One struct to a byte array and back. */
void vmstate_save(const VMStateDescription *vmsd, void *opaque, GByteArray *to);
bool vmstate_load(const VMStateDescription *vmsd, void *opaque,
                  const uint8_t *data, size_t len, Error **errp);
/* The stream as JSON text, for reporting differences. */
char *vmstate_describe(const VMStateDescription *vmsd, const uint8_t *data,
                       size_t len);

/*
 * State that belongs to no device (RAM, the vCPUs, the clock).  Sections are
 * written in order of @prio, then of registration; devices come with
 * VMSTATE_PRIO_DEVICE in tree order and are found by themselves.
 */
enum { VMSTATE_PRIO_CLOCK, VMSTATE_PRIO_CPU = 10, VMSTATE_PRIO_DEVICE = 20 };
void vmstate_register(const char *section, int prio,
                      const VMStateDescription *vmsd, void *opaque);
void vmstate_unregister(const VMStateDescription *vmsd, void *opaque);

/* The whole machine but RAM.  VM stopped and drained; BQL. */
GByteArray *vmstate_save_all(Error **errp);
/* Appends a line for every field in which two such states differ
 * ("SECTION: field: old -> new"); the number of sections of @a. */
unsigned vmstate_compare(const GByteArray *a, const GByteArray *b,
                         GString *out);
bool vmstate_load_all(const uint8_t *data, size_t len, Error **errp);

#endif
