/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between vnc-io.c and the codecs (TLS, SASL). */
#ifndef UI_VNC_IO_H
#define UI_VNC_IO_H

#include "util/thread.h"
#include "vnc-int.h"

/* What stands between the stream and the socket.  One thread reads while
 * another writes. */
typedef struct VncCodec {
    /* Bytes, 0 at the end, -1 on failure; both block. */
    ssize_t (*read)(struct VncCodec *c, void *buf, size_t max);
    ssize_t (*write)(struct VncCodec *c, const void *buf, size_t len);
    void (*free)(struct VncCodec *c);
} VncCodec;

struct VncIo {
    int fd;              /* owned */
    Mutex lock;          /* leaf: the descriptors, against vnc_io_abort() */
    Mutex write_lock;    /* one message at a time; held while sending */
    VncCodec *codec;     /* owned; NULL: none */
    bool ws;
    uint64_t frame_left; /* reader: of the frame that is coming in */
    uint8_t mask[4];
    unsigned mask_at;
    int pair[2];         /* [1]: the pump's end; -1: none */
    Thread pump;
    bool pumping;
};

/* Before vnc_io_output(). */
void vnc_io_set_codec(VncIo *io, VncCodec *codec);
char *vnc_http_header(const char *head, const char *name);

#endif
