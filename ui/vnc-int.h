/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the VNC server.  docs/vnc.md has the picture; in short:
 *
 *   main thread (BQL)        reader thread            writer thread
 *   listens, accepts    ->   handshake, then parses   waits for work, takes
 *   looks at consoles        messages; input goes     its part of a view and
 *   into views, drains       into a queue for the     lets libvncserver
 *   the input queues         main thread              encode and send it
 *
 * 1. A client's threads never take the BQL; the main thread never waits for a
 *    client: it only takes locks that are held for as long as a copy takes.
 * 2. `vnc_view_lock` guards the views and every client's damage;
 *    `VncClient.lock` what is marked so.  They are leaves, never nested.
 * 3. The rfbClientRec belongs to the writer.  The library reads nothing from
 *    a client: it encodes and writes.
 */
#ifndef UI_VNC_INT_H
#define UI_VNC_INT_H

#include "qapi/qapi-types.h"
#include "ui/clipboard.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/keymap.h"
#include "util/loop.h"
#include "util/thread.h"
#include "util/timer.h"

typedef struct VncServer VncServer;
typedef struct VncClient VncClient;
typedef struct VncView VncView;
typedef struct VncIo VncIo;

/* ---- messages of clients (vnc-msg.c) ------------------------------------- */

#define VNC_CUT_MAX (1 << 20) /* longer texts are skipped */

typedef struct VncPixelFormat {
    uint8_t bpp, depth;
    bool big_endian, true_colour;
    uint16_t red_max, green_max, blue_max;
    uint8_t red_shift, green_shift, blue_shift;
} VncPixelFormat;

/* What SetEncodings asks for. */
typedef struct VncEncodings {
    int32_t preferred;   /* rfbEncoding* */
    int quality;         /* 0..9, -1: lossless */
    int compress;        /* 0..9, -1: not said */
    bool resize, ext_resize, last_rect, ext_key, pointer_type, leds, xvp;
    bool ext_cut;
} VncEncodings;

typedef enum VncMsgType {
    VNC_MSG_PIXEL_FORMAT, VNC_MSG_ENCODINGS, VNC_MSG_UPDATE_REQUEST,
    VNC_MSG_KEY, VNC_MSG_POINTER, VNC_MSG_CUT_TEXT, VNC_MSG_SET_SIZE,
    VNC_MSG_XVP, VNC_MSG_IGNORE,
} VncMsgType;

typedef struct VncMsg {
    VncMsgType type;
    union {
        VncPixelFormat format;
        VncEncodings encodings;
        struct {
            bool incremental;
            uint16_t x, y, w, h;
        } request;
        struct {
            bool down;
            uint32_t keysym;
            uint16_t code;   /* PC set 1 number, 0: not said */
        } key;
        struct {
            uint8_t buttons;
            uint16_t x, y;
        } pointer;
        struct {
            const uint8_t *text; /* in the caller's buffer, Latin-1 */
            uint32_t len;
            bool extended;       /* flags, and what they make of the text */
            uint32_t flags;      /* VNC_CUT_* */
        } cut;
        struct {
            uint16_t w, h;
        } size;
        uint8_t xvp;         /* 2 shutdown, 3 reboot, 4 reset */
    };
    uint32_t skip;           /* bytes to drop after the message */
} VncMsg;

/* The first message in @buf: its length and *msg; 0: more bytes are needed
 * (never more than VNC_MSG_MAX); -1: no client says that. */
#define VNC_MSG_MAX (VNC_CUT_MAX + 8)
int vnc_msg_parse(const uint8_t *buf, size_t len, VncMsg *msg);

/* ---- transport (vnc-io.c) ------------------------------------------------ */

/* @fd is a connected socket, owned from here on. */
VncIo *vnc_io_new(int fd);
void vnc_io_free(VncIo *io);
/* Makes reads and writes fail from now on, and those that wait end.  Any
 * thread. */
void vnc_io_abort(VncIo *io);
/* At least one byte, at most @max; 0: the end.  One reader at a time. */
size_t vnc_io_read(VncIo *io, void *buf, size_t max);
bool vnc_io_read_all(VncIo *io, void *buf, size_t len);
/* Before vnc_io_output(): from any thread. */
bool vnc_io_write(VncIo *io, const void *buf, size_t len);
/* A descriptor that takes plain bytes for the client from now on; the
 * caller's to close.  -1 with errno set. */
int vnc_io_output(VncIo *io);
/* Waits until @len bytes can be seen without taking them; what is there at
 * the end of @ms (-1: no end). */
size_t vnc_io_peek(VncIo *io, void *buf, size_t len, int ms);
/* Turns it into a WebSocket (RFC 6455); the request has been read already and
 * is @head.  False: no such request, it was answered so. */
bool vnc_io_websocket(VncIo *io, const char *head);

/* ---- views (vnc-view.c) -------------------------------------------------- */

extern Mutex vnc_view_lock;

/* A line of 32-bit pixels must fit the library's buffer. */
#define VNC_MAX_WIDTH 8000
#define VNC_TILE 16 /* pixels: what damage is counted in */

/* A client's part in a view. */
typedef struct VncLook {
    ListNode node;       /* in the view; main thread */
    VncView *view;       /* lock: view_lock; NULL: none */
    uint64_t *damage;    /* lock: view_lock; rows of damage_words */
    int width, height;   /* lock: view_lock; of the view */
    int words, rows;     /* lock: view_lock */
    bool any;            /* lock: view_lock */
} VncLook;

/* Attach to @con's view, made when there is none.  Main thread. */
void vnc_view_join(VncLook *look, Console *con);
void vnc_view_leave(VncLook *look); /* harmless when not attached */
Console *vnc_view_console(const VncLook *look); /* main thread; NULL */
/* A client of the view wants to be told of changes again. */
void vnc_view_resume(VncLook *look);
/* Copies the tiles that changed since the last call into @fb (@w x @h, black
 * beyond the view) and calls @rect for each group of them.  Any thread. */
void vnc_view_take(VncLook *look, uint32_t *fb, int w, int h,
                   void (*rect)(void *opaque, int x, int y, int w, int h),
                   void *opaque);
void vnc_view_size(VncLook *look, int *w, int *h); /* any thread */
void vnc_view_damage_all(VncLook *look); /* any thread */
/* How vnc-view.c reaches the client of a look. */
typedef enum { VNC_LOOK_CHANGED, VNC_LOOK_GONE } VncLookEvent;
void vnc_client_look_event(VncLook *look, VncLookEvent event);
bool vnc_client_wants(VncLook *look); /* asked for updates not long ago */

/* ---- clients (vnc-client.c) ---------------------------------------------- */

typedef struct VncInputEvent {
    bool is_key, down;
    uint32_t keysym;
    uint16_t code;
    int x, y;
    uint8_t buttons;
} VncInputEvent;

#define VNC_QUEUE 64
#define VNC_REL_ZERO 0x7fff /* what a relative pointer that rests sends */

/* What the writer has to do. */
typedef struct VncTodo {
    bool closing;
    bool format_set, encodings_set, size_reply, leds, pointer_type;
    VncPixelFormat format;
    VncEncodings encodings;
    bool want, want_full;              /* update requests */
    int x1, y1, x2, y2;                /* of those */
    int fx1, fy1, fx2, fy2;            /* of the full ones */
    bool changed;                      /* the view has news */
    unsigned led_state;
    bool is_absolute;
    unsigned cut_say;                  /* VNC_CUT_* */
    GBytes *cut;                       /* owned, UTF-8; may be NULL */
} VncTodo;

/* Is it a client at all, who is it, it is in. */
typedef enum { VNC_DOOR, VNC_HELLO, VNC_READY } VncClientState;

struct VncClient {
    VncServer *server;   /* borrowed; NULL: it is gone */
    ListNode node;       /* in the server's clients; main thread */
    VncIo *io;           /* owned */
    Thread reader, writer;
    bool writing;        /* reader's: the writer runs */
    bool no_reader;
    VncLook look;

    /* Fixed before the reader starts. */
    VncBasicInfo *peer;  /* owned */
    VncServerInfo *local;/* owned */
    bool skip_auth;

    /* The reader's, and others' once it said so (opened, the writer). */
    bool websocket;
    int minor;           /* of the protocol: 3, 7 or 8 */
    unsigned tls_bits;   /* of the cipher's key, 0: no TLS */
    int first_width, first_height;


    Mutex lock;
    Cond todo_cond;      /* the writer waits for todo */
    Cond room_cond;      /* the reader waits for room in the queue */
    VncTodo todo;                     /* lock: lock */
    VncInputEvent queue[VNC_QUEUE];   /* lock: lock */
    unsigned queued, counted;         /* lock: lock; messages since a drain */
    /* lock: lock; news for the main thread. */
    bool opened, initialized, gone, resume, tell;
    bool shared, admitted;            /* lock: lock */
    bool outstanding;                 /* lock: lock; a request has no answer */
    bool idle;                        /* lock: lock; wants() said false */
    int power;                        /* lock: lock; xvp's code, 0: none */
    /* lock: lock; the client's text, owned; what it asks for; what it can. */
    GBytes *cut;
    unsigned cut_asked, cut_caps;
    bool cut_extended;                /* lock: lock */
    int64_t asked;                    /* lock: lock; ns, last request */
    bool ext_key, pointer_type_on;    /* lock: lock */
    bool relative;                    /* lock: lock; it sends differences */
    char *dname, *sasl_user;          /* lock: lock; owned */

    /* Main thread. */
    ClipboardPeer clip;
    BH *bh;
    Timer timer;
    int64_t drained;
    VncClientState state;
    bool exclusive;
    int last_x, last_y;
    unsigned last_buttons;
    uint64_t keys[4];    /* held, by number */
    QKeyCode by_sym[64];              /* what a keysym pressed */
    uint32_t syms[64];
};

/* Takes @fd, @peer and @local.  Main thread. */
VncClient *vnc_client_new(VncServer *s, int fd, VncBasicInfo *peer,
                          VncServerInfo *local, bool skip_auth);
/* It may look and type from now on.  Main thread. */
void vnc_client_admit(VncClient *c);
/* Ends it: it goes by itself, some time later.  Main thread. */
void vnc_client_drop(VncClient *c);
/* Waits for its threads and frees it. */
void vnc_client_free(VncClient *c);
void vnc_client_kick(VncClient *c); /* lock held: the main thread has work */
/* For the writer: wakes it.  lock held. */
void vnc_client_wake(VncClient *c);
VncClientInfo *vnc_client_info(VncClient *c);
/* Looks at another console. */
void vnc_client_show(VncClient *c, Console *con);
void vnc_client_tell(VncClient *c); /* LEDs, pointer type may have changed */

void *vnc_writer(void *client); /* vnc-encode.c: the thread */

/* ---- cut text (vnc-cut.c) ------------------------------------------------ */

enum { /* the extended clipboard's own bits, and one of ours */
    VNC_CUT_PLAIN = 1 << 16,
    VNC_CUT_CAPS = 1 << 24, VNC_CUT_REQUEST = 1 << 25, VNC_CUT_PEEK = 1 << 26,
    VNC_CUT_NOTIFY = 1 << 27, VNC_CUT_PROVIDE = 1 << 28,
};
void vnc_cut_received(VncClient *c, const VncMsg *m); /* reader */
/* Appends the messages that @say names, about @text (may be NULL).  Any. */
void vnc_cut_put(GByteArray *to, unsigned say, GBytes *text);
/* Main thread: it takes part from now on; it sent @text (UTF-8, may be NULL)
 * and asks for what the other sides have. */
void vnc_cut_join(VncClient *c);
void vnc_cut_news(VncClient *c, GBytes *text, unsigned asked);

/* ---- handshake (vnc-auth.c) ---------------------------------------------- */

/* On the reader thread, up to ClientInit and ServerInit.  False: drop it. */
bool vnc_handshake(VncClient *c);
/* Says on stderr who was turned away and why: a few a minute, so that nobody
 * can fill a log.  Any thread. */
void vnc_refused(VncClient *c, const char *why, ...) PRINTF(2, 3);
/* Random bytes of the kernel. */
bool vnc_random(void *buf, size_t len);

/* ---- input (vnc-input.c), main thread ------------------------------------ */

void vnc_input_event(VncClient *c, const VncInputEvent *e);
void vnc_input_release_all(VncClient *c);

/* ---- servers (vnc.c) ----------------------------------------------------- */

typedef enum { VNC_AUTH_NONE_ = 1, VNC_AUTH_VNC_ = 2, VNC_AUTH_SASL_ = 20,
               VNC_AUTH_VENCRYPT_ = 19 } VncAuth;
typedef enum { VNC_SHARE_ALLOW_EXCLUSIVE, VNC_SHARE_FORCE_SHARED,
               VNC_SHARE_IGNORE } VncShare;

typedef struct VncListener {
    ListNode node;
    VncServer *server;
    int fd;
    bool websocket;
    VncBasicInfo *info;  /* owned */
    char *path;          /* of a UNIX socket of ours; owned */
} VncListener;

struct VncServer {
    ListNode node;
    char *id;
    ListNode listeners, clients;
    bool reverse;
    VncAuth auth, sub_auth;           /* sub_auth: with VeNCrypt */
    bool x509;
    struct TlsCreds *creds;           /* borrowed, may be NULL */
    char *tls_authz, *sasl_authz;     /* owned; NULL: everybody */
    bool lossy, power_control, lock_key_sync, web;
    VncShare share;
    int key_delay;
    unsigned connections;             /* in the handshake at once */
    char *display;                    /* device id, or NULL */
    unsigned head;
    char *name;                       /* RFB's desktop name */

    Mutex lock;
    bool password_on;
    int64_t fetched;                  /* lock: lock; s, last HTTP request */
    int64_t refused_since;            /* lock: lock; s */
    unsigned refused;                 /* lock: lock; told since then */
    char *password;                   /* lock: lock; owned, NULL: none */
    int64_t expires;                  /* lock: lock; s, INT64_MAX: never */
};

/* NULL: the client's password is right and has not expired; else what is
 * wrong.  Any thread. */
const char *vnc_server_check(VncServer *s, const uint8_t *challenge,
                             const uint8_t *response);
Console *vnc_server_console(VncServer *s); /* NULL: there is none */
void vnc_server_opened(VncClient *c);
void vnc_server_initialized(VncClient *c);
void vnc_server_gone(VncClient *c);
void vnc_server_power(VncClient *c, int xvp_code);
extern ListNode vnc_servers;

#endif
