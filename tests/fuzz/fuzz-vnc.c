/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random and mutated messages of VNC clients, N of them (first argument),
 * from a fixed seed (second), to a real server: handshake, reader, writer and
 * the library, over socket pairs.  The screen changes its size and contents
 * meanwhile; what the server sends is read, slowly.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "ui/vnc.h"
#include "ui/vnc-listen.h"
#include <sys/socket.h>
#include <zlib.h>

#define SESSION 3000 /* messages */

/* ---- what the server needs of the emulator ---- */

bool runstate_is_running(void)
{
    return true;
}

bool runstate_check(RunState s)
{
    return s == RUN_STATE_RUNNING;
}

bool system_wakeup_request(const char *reason, Error **errp)
{
    return true;
}

void system_reset_request(ShutdownCause cause)
{
}

void system_powerdown_request(void)
{
}

/* ---- the screen ---- */

static uint64_t state;

static uint32_t pick(uint32_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % n;
}

static Console *screen;

static void screen_refresh(void *opaque)
{
    static unsigned n;
    pixman_image_t *image = console_surface(screen);
    uint8_t *data;

    n = n * 1103515245 + 12345;
    if (n >> 16 & 1) {
        static const int sizes[][2] = { { 640, 480 }, { 720, 400 }, { 1, 1 },
                                        { 17, 33 }, { 8100, 20 },
                                        { 3, 2000 }, { 800, 600 } };
        unsigned s = (n >> 20) % ARRAY_SIZE(sizes);

        console_set_surface(screen, sizes[s][0], sizes[s][1],
                            n >> 17 & 1 ? PIXMAN_x8r8g8b8 : PIXMAN_r5g6b5,
                            NULL, 0);
        image = console_surface(screen);
    }
    data = (uint8_t *)pixman_image_get_data(image);
    for (int y = n >> 24 & 15; y < console_height(screen); y += 16) {
        memset(data + (size_t)y * pixman_image_get_stride(image), n >> 8,
               pixman_image_get_stride(image) / 2);
    }
    console_update(screen, 0, 0, console_width(screen),
                   console_height(screen));
}

static const ConsoleOps screen_ops = { .refresh = screen_refresh };

static unsigned keys, moves;

static void got_key(void *opaque, QKeyCode code, bool down)
{
    keys++;
}

static void got_move(void *opaque, InputAxis axis, int value)
{
    moves++;
}

static void got_button(void *opaque, InputButton button, bool down)
{
    moves++;
}

static const InputHandlerOps handler = {
    .name = "fuzz", .mask = INPUT_KEY | INPUT_REL | INPUT_BUTTON,
    .key = got_key, .rel = got_move, .button = got_button,
};

/* ---- a client ---- */

static size_t put(uint8_t *p, const void *bytes, size_t len)
{
    memcpy(p, bytes, len);
    return len;
}

static size_t put_encodings(uint8_t *p)
{
    static const int32_t all[] = {
        0, 1, 2, 5, 6, 7, 16, -32, -23, -27, -256, -247, -250, -223, -308,
        -224, -258, -257, -261, -309, -239, -240, 4711, -1063131698,
    };
    unsigned n = pick(8);
    size_t len = put(p, "\2\0\0", 3);

    p[len++] = n;
    while (n--) {
        int32_t e = all[pick(ARRAY_SIZE(all))];

        for (int i = 24; i >= 0; i -= 8) {
            p[len++] = (uint32_t)e >> i;
        }
    }
    return len;
}

static size_t put_format(uint8_t *p)
{
    static const char *const formats[] = {
        "\0\0\0\0\x20\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0",
        "\0\0\0\0\x20\x18\1\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0",
        "\0\0\0\0\x10\x10\0\1\0\x1f\0\x3f\0\x1f\x0b\x05\0\0\0\0",
        "\0\0\0\0\x10\x10\1\1\0\x1f\0\x3f\0\x1f\x0b\x05\0\0\0\0",
        "\0\0\0\0\x08\x08\0\1\0\x07\0\x07\0\x03\0\3\6\0\0\0",
        "\0\0\0\0\x08\x08\0\0\0\x07\0\x07\0\x03\0\3\6\0\0\0",
        "\0\0\0\0\x20\x20\0\1\7\xff\7\xff\3\xff\0\x0b\x16\0\0\0",
        "\0\0\0\0\x20\x01\0\1\0\1\0\1\0\1\x1f\x1e\x1d\0\0\0",
    };

    return put(p, formats[pick(ARRAY_SIZE(formats))], 20);
}

/* Flags and @n - 4 bytes: a deflated text, or anything. */
static size_t put_extended(uint8_t *p, unsigned n)
{
    static const uint8_t actions[] = { 1, 2, 4, 8, 16, 16, 16, 0x1f };
    uint8_t plain[4096] = { 0 };
    uLongf packed = n - 4;

    p[0] = actions[pick(ARRAY_SIZE(actions))];
    p[1] = p[2] = 0;
    p[3] = pick(4) != 0;
    for (unsigned i = 4; i < n; i++) {
        p[i] = pick(256);
    }
    if (pick(4)) {
        plain[3] = pick(256);
        plain[pick(4)] = pick(256);
        memset(plain + 4, 'a' + pick(26), pick(sizeof(plain) - 4));
        compress(p + 4, &packed, plain, pick(sizeof(plain)));
    }
    return n;
}

static size_t put_message(uint8_t *p)
{
    size_t len = 0;

    switch (pick(10)) {
    case 0:
        len = put_format(p);
        break;
    case 1:
        len = put_encodings(p);
        break;
    case 2:
    case 3:
    case 4:
        p[len++] = 3;
        p[len++] = pick(4) != 0;
        for (int i = 0; i < 4; i++) {
            p[len++] = pick(8) ? pick(4) : pick(256);
            p[len++] = pick(256);
        }
        break;
    case 5:
        len = put(p, "\4\1\0\0\0\0", 6);
        p[1] = pick(2);
        p[4] = pick(3) ? 0 : pick(256);
        p[5] = 0;
        p[len++] = pick(2) ? 0 : 0xff;
        p[len++] = pick(256);
        break;
    case 6:
        p[len++] = 5;
        for (int i = 0; i < 5; i++) {
            p[len++] = pick(256);
        }
        break;
    case 7:
        len = put(p, "\6\0\0\0\0\0\0", 7);
        p[len++] = pick(200);
        if (pick(2) && p[7] >= 4) { /* the extended clipboard's */
            p[4] = p[5] = p[6] = 0xff;
            p[7] = -p[7];
            len += put_extended(p + len, (uint8_t)-p[7]);
            break;
        }
        for (int i = p[7]; i > 0; i--) {
            p[len++] = pick(256);
        }
        break;
    case 8:
        len = put(p, "\xff\0\0\1\0\0\0", 7);
        p[3] = pick(2);
        p[len++] = pick(256);
        len += put(p + len, "\0\0\0", 3);
        p[len++] = pick(256);
        break;
    default:
        len = put(p, "\xfb\0\1\2\3\4\0\0", 8);
        break;
    }
    if (pick(SESSION / 4) == 0) { /* something else: it mostly ends there */
        p[pick(len)] ^= 1 << pick(8);
    }
    return len;
}

static void read_some(int fd, bool all)
{
    static uint8_t sink[1 << 16];

    while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0 && all) {
    }
}

/* How many messages went in before the server had enough. */
static long session(VncServer *s, long max)
{
    static const char hello[] = "RFB 003.008\n\1\1";
    uint8_t bytes[512];
    int pair[2];
    long n = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        write(pair[1], hello, 14) != 14) {
        g_error("no socket pair");
    }
    vnc_server_add(s, pair[0], NULL, false);
    while (n < max) {
        size_t len = put_message(bytes), at = 0;

        while (at < len) {
            ssize_t done = send(pair[1], bytes + at, len - at,
                                MSG_NOSIGNAL | MSG_DONTWAIT);

            if (done < 0 && errno != EAGAIN) {
                goto out;
            }
            at += MAX(done, 0);
            if (done < 0) {
                read_some(pair[1], true);
                loop_run_once(loop_main(), true);
            }
        }
        n++;
        if (n % 16 == 0) {
            read_some(pair[1], pick(2));
            loop_run_once(loop_main(), false);
        }
    }
out:
    close(pair[1]);
    return n;
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 100000, done = 0;
    VncServer *s;

    state = argc > 2 ? strtoull(argv[2], NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
    bql_lock();
    clock_virtual_start();
    screen = console_new(NULL, 0, "fuzz", &screen_ops, NULL);
    input_handler_new(&handler, NULL);
    vnc_start("none,lossy=on,key-delay-ms=0", "fuzz", false, NULL, &error_abort);
    s = vnc_server_find(NULL);
    while (done < n) {
        done += session(s, MIN(SESSION, n - done)) + 1;
        while (list_first(&s->clients, VncClient, node) !=
               list_entry(&s->clients, VncClient, node)) {
            loop_run_once(loop_main(), true);
        }
    }
    vnc_cleanup();
    printf("%ld messages, %u keys, %u moves\n", done, keys, moves);
    bql_unlock();
    return 0;
}
