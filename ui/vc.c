/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "vc": a text console beside the guest's screens, as a character device.
 *
 * A subset of the VT100 (ECMA-48; the sequences that xterm's ctlseqs lists
 * under the same names), with a thousand lines to scroll back to (Ctrl-Page
 * Up and Down, Ctrl-Up and Down).  The lines are a ring of cells; refresh()
 * draws those that changed.  Glyphs are those of the VGA BIOS that is
 * installed, found by the shape of its letters.
 */
#include "osdep.h"
#include "chardev/char-int.h"
#include "ui/console.h"
#include "util/datadir.h"
#include "util/module.h"
#include "util/option.h"

#define FONT_W   8
#define FONT_H   16
#define HISTORY  1000
#define MAX_ARGS 16
#define MAX_COLS 1000
#define MAX_ROWS 500
#define INPUT_MAX 4096

typedef struct Cell {
    uint8_t ch;
    uint8_t fg : 4, bg : 4;
} Cell;

enum { ATTR_BOLD = 1, ATTR_INVERSE = 2 };

typedef struct VcChardev {
    Chardev chr;
    Console *con;
    int cols, rows;       /* of the screen */
    int lines;            /* of the ring: rows + HISTORY */
    Cell *cells;          /* lines x cols */
    int top;              /* ring line of the screen's first row */
    int kept;             /* lines of history there are */
    int back;             /* how many of them are scrolled into view */
    int x, y;             /* the cursor */
    int saved_x, saved_y;
    int region_top, region_bottom; /* rows that scroll, inclusive */
    bool wrap;            /* the next character begins a line */
    bool cursor_off;
    uint8_t fg, bg, attr;
    enum { TEXT, ESCAPE, CSI, CHARSET, OSC } state;
    int args[MAX_ARGS], n_args;
    char intermediate;    /* '?' of private sequences */
    bool *dirty;          /* by row of the screen */
    bool drawn;           /* the surface is of the right size */
    int drawn_x, drawn_y; /* where the cursor was drawn, -1: nowhere */
    GByteArray *input;    /* keys that nobody took yet */
} VcChardev;

/* ---- glyphs -------------------------------------------------------------- */

static const uint8_t *font; /* 256 glyphs of FONT_H bytes, or NULL */

/* Where in a VGA BIOS the font is: "A" has to look like one, and the space
 * and the full block too. */
static const uint8_t *find_font(const uint8_t *rom, size_t size)
{
    static const uint8_t blank[FONT_H];
    static const uint8_t letter_i[FONT_H] = {
        0, 0, 0x3c, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x3c,
    };

    for (size_t at = 0; at + 256 * FONT_H <= size; at++) {
        const uint8_t *f = rom + at;

        if (!memcmp(f + 'I' * FONT_H, letter_i, FONT_H) &&
            !memcmp(f + ' ' * FONT_H, blank, FONT_H) &&
            f[0xdb * FONT_H] == 0xff && f[0xdb * FONT_H + FONT_H - 1] == 0xff) {
            return f;
        }
    }
    return NULL;
}

static void load_font(void)
{
    static bool tried;
    char *rom;
    gsize size;

    if (tried) {
        return;
    }
    tried = true;
    if (datadir_load("vgabios-stdvga.bin", &rom, &size, NULL)) {
        font = find_font((uint8_t *)rom, size); /* kept */
    }
    if (!font) {
        warn_report("text consoles: no font was found in vgabios-stdvga.bin "
                    "(package seabios)");
    }
}

static const uint32_t palette[16] = {
    0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa,
    0xaaaaaa, 0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff,
    0x55ffff, 0xffffff,
};

static void draw_cell(VcChardev *s, int x, int y, Cell c, bool inverse)
{
    pixman_image_t *image = console_surface(s->con);
    int stride = pixman_image_get_stride(image) / 4;
    uint32_t *to = pixman_image_get_data(image);
    uint32_t fg = palette[inverse ? c.bg : c.fg];
    uint32_t bg = palette[inverse ? c.fg : c.bg];

    to += (size_t)y * FONT_H * stride + x * FONT_W;
    for (int row = 0; row < FONT_H; row++, to += stride) {
        uint8_t bits = font ? font[c.ch * FONT_H + row]
                            : c.ch > ' ' && row > 3 && row < 12 ? 0x7e : 0;

        for (int i = 0; i < FONT_W; i++) {
            to[i] = bits & (0x80 >> i) ? fg : bg;
        }
    }
}

/* ---- lines --------------------------------------------------------------- */

static Cell *line(VcChardev *s, int row)
{
    return s->cells +
           (size_t)((s->top + row + s->lines) % s->lines) * s->cols;
}

static void touch(VcChardev *s, int row)
{
    s->dirty[row] = true;
}

static void touch_all(VcChardev *s)
{
    memset(s->dirty, true, s->rows);
}

static void clear(VcChardev *s, int row, int from, int to)
{
    Cell blank = { .ch = ' ', .fg = 7, .bg = s->bg };

    for (int i = MAX(from, 0); i < MIN(to, s->cols); i++) {
        line(s, row)[i] = blank;
    }
    touch(s, row);
}

/* Rows @first..@last move up (@n > 0) or down. */
static void scroll(VcChardev *s, int first, int last, int n)
{
    size_t size = s->cols * sizeof(Cell);
    int count = last - first + 1;

    n = CLAMP(n, -count, count);
    if (first == 0 && last == s->rows - 1 && n > 0) {
        /* The whole screen: what goes is history. */
        s->top = (s->top + n) % s->lines;
        s->kept = MIN(s->kept + n, HISTORY);
    } else if (n > 0) {
        for (int row = first; row + n <= last; row++) {
            memcpy(line(s, row), line(s, row + n), size);
        }
    } else {
        for (int row = last; row + n >= first; row--) {
            memcpy(line(s, row), line(s, row + n), size);
        }
    }
    for (int i = 0; i < abs(n); i++) {
        clear(s, n > 0 ? last - i : first + i, 0, s->cols);
    }
    touch_all(s);
}

static void line_feed(VcChardev *s)
{
    if (s->y == s->region_bottom) {
        scroll(s, s->region_top, s->region_bottom, 1);
    } else if (s->y < s->rows - 1) {
        s->y++;
    }
}

static void reverse_feed(VcChardev *s)
{
    if (s->y == s->region_top) {
        scroll(s, s->region_top, s->region_bottom, -1);
    } else if (s->y > 0) {
        s->y--;
    }
}

static void go_to(VcChardev *s, int x, int y)
{
    s->x = CLAMP(x, 0, s->cols - 1);
    s->y = CLAMP(y, 0, s->rows - 1);
    s->wrap = false;
}

static void put(VcChardev *s, uint8_t ch)
{
    bool inverse = s->attr & ATTR_INVERSE;
    uint8_t fg = s->fg | (s->attr & ATTR_BOLD ? 8 : 0);
    Cell c = { .ch = ch, .fg = inverse ? s->bg : fg,
               .bg = inverse ? fg : s->bg };

    if (s->wrap) {
        s->wrap = false;
        s->x = 0;
        line_feed(s);
    }
    line(s, s->y)[s->x] = c;
    touch(s, s->y);
    if (s->x == s->cols - 1) {
        s->wrap = true;
    } else {
        s->x++;
    }
}

/* ---- escape sequences ---------------------------------------------------- */

static void key_bytes(VcChardev *s, const char *bytes, int len);

static void reset(VcChardev *s)
{
    s->fg = 7;
    s->bg = 0;
    s->attr = 0;
    s->region_top = 0;
    s->region_bottom = s->rows - 1;
    s->cursor_off = false;
    go_to(s, 0, 0);
}

static void set_attributes(VcChardev *s)
{
    for (int i = 0; i < MAX(s->n_args, 1); i++) {
        int a = s->args[i];

        if (a == 0) {
            s->fg = 7;
            s->bg = 0;
            s->attr = 0;
        } else if (a == 1) {
            s->attr |= ATTR_BOLD;
        } else if (a == 7) {
            s->attr |= ATTR_INVERSE;
        } else if (a == 22) {
            s->attr &= ~ATTR_BOLD;
        } else if (a == 27) {
            s->attr &= ~ATTR_INVERSE;
        } else if (a >= 30 && a <= 37) {
            s->fg = a - 30;
        } else if (a == 39) {
            s->fg = 7;
        } else if (a >= 40 && a <= 47) {
            s->bg = a - 40;
        } else if (a == 49) {
            s->bg = 0;
        } else if (a >= 90 && a <= 97) {
            s->fg = a - 90 + 8;
        } else if (a >= 100 && a <= 107) {
            s->bg = a - 100 + 8;
        }
    }
}

static void erase_display(VcChardev *s, int how)
{
    int from = how == 0 ? s->y : 0, to = how == 1 ? s->y : s->rows - 1;

    for (int row = from; row <= to; row++) {
        clear(s, row, how == 0 && row == s->y ? s->x : 0,
              how == 1 && row == s->y ? s->x + 1 : s->cols);
    }
}

static void shift_cells(VcChardev *s, int n)
{
    Cell *l = line(s, s->y);
    int room = s->cols - s->x;

    n = CLAMP(n, -room, room);
    if (n > 0) { /* make room */
        memmove(l + s->x + n, l + s->x, (room - n) * sizeof(Cell));
        clear(s, s->y, s->x, s->x + n);
    } else {
        memmove(l + s->x, l + s->x - n, (room + n) * sizeof(Cell));
        clear(s, s->y, s->cols + n, s->cols);
    }
}

static void report(VcChardev *s)
{
    g_autofree char *text = NULL;

    if (s->args[0] == 5) {
        key_bytes(s, "\033[0n", 4);
    } else if (s->args[0] == 6) {
        text = g_strdup_printf("\033[%d;%dR", s->y + 1, s->x + 1);
        key_bytes(s, text, strlen(text));
    }
}

static void csi(VcChardev *s, uint8_t final)
{
    int n = MAX(s->args[0], 1), m = MAX(s->args[1], 1);
    bool inside = s->y >= s->region_top && s->y <= s->region_bottom;

    if (s->intermediate) {
        if (s->intermediate == '?' && s->args[0] == 25 &&
            (final == 'h' || final == 'l')) {
            s->cursor_off = final == 'l';
        }
        return;
    }
    switch (final) {
    case '@':
        shift_cells(s, n);
        break;
    case 'A':
        go_to(s, s->x, s->y - n);
        break;
    case 'B':
    case 'e':
        go_to(s, s->x, s->y + n);
        break;
    case 'C':
    case 'a':
        go_to(s, s->x + n, s->y);
        break;
    case 'D':
        go_to(s, s->x - n, s->y);
        break;
    case 'E':
        go_to(s, 0, s->y + n);
        break;
    case 'F':
        go_to(s, 0, s->y - n);
        break;
    case 'G':
    case '`':
        go_to(s, n - 1, s->y);
        break;
    case 'H':
    case 'f':
        go_to(s, m - 1, n - 1);
        break;
    case 'J':
        if (s->args[0] <= 2) {
            erase_display(s, s->args[0]);
        }
        break;
    case 'K':
        clear(s, s->y, s->args[0] == 0 ? s->x : 0,
              s->args[0] == 1 ? s->x + 1 : s->cols);
        break;
    case 'L':
        if (inside) {
            scroll(s, s->y, s->region_bottom, -n);
        }
        break;
    case 'M':
        if (inside) {
            if (s->y == 0 && s->region_bottom == s->rows - 1) {
                /* No history of lines that were taken out. */
                int kept = s->kept;

                scroll(s, 0, s->region_bottom, n);
                s->kept = kept;
            } else {
                scroll(s, s->y, s->region_bottom, n);
            }
        }
        break;
    case 'P':
        shift_cells(s, -n);
        break;
    case 'S':
        scroll(s, s->region_top, s->region_bottom, n);
        break;
    case 'T':
        scroll(s, s->region_top, s->region_bottom, -n);
        break;
    case 'X':
        clear(s, s->y, s->x, s->x + MIN(n, s->cols));
        break;
    case 'd':
        go_to(s, s->x, n - 1);
        break;
    case 'm':
        set_attributes(s);
        break;
    case 'n':
        report(s);
        break;
    case 'r':
        m = s->args[1] ? MIN(s->args[1], s->rows) : s->rows;
        if (n < m) {
            s->region_top = n - 1;
            s->region_bottom = m - 1;
            go_to(s, 0, 0);
        }
        break;
    case 's':
        s->saved_x = s->x;
        s->saved_y = s->y;
        break;
    case 'u':
        go_to(s, s->saved_x, s->saved_y);
        break;
    default:
        break;
    }
}

static void escape(VcChardev *s, uint8_t ch)
{
    s->state = TEXT;
    switch (ch) {
    case '[':
        s->state = CSI;
        memset(s->args, 0, sizeof(s->args));
        s->n_args = 0;
        s->intermediate = 0;
        break;
    case ']':
        s->state = OSC;
        break;
    case '(':
    case ')':
    case '#':
        s->state = CHARSET;
        break;
    case '7':
        s->saved_x = s->x;
        s->saved_y = s->y;
        break;
    case '8':
        go_to(s, s->saved_x, s->saved_y);
        break;
    case 'D':
        line_feed(s);
        break;
    case 'E':
        go_to(s, 0, s->y);
        line_feed(s);
        break;
    case 'M':
        reverse_feed(s);
        break;
    case 'c':
        reset(s);
        erase_display(s, 2);
        break;
    default:
        break;
    }
}

static void in_csi(VcChardev *s, uint8_t ch)
{
    if (ch >= '0' && ch <= '9') {
        int *a = &s->args[MIN(s->n_args, MAX_ARGS - 1)];

        *a = MIN(*a * 10 + ch - '0', 9999);
    } else if (ch == ';') {
        s->n_args = MIN(s->n_args + 1, MAX_ARGS - 1);
    } else if (ch >= 0x40 && ch <= 0x7e) {
        s->n_args++;
        s->state = TEXT;
        csi(s, ch);
    } else if (ch >= 0x20 && ch <= 0x3f) {
        s->intermediate = ch;
    }
}

static void control(VcChardev *s, uint8_t ch)
{
    switch (ch) {
    case '\b':
        go_to(s, s->x - 1, s->y);
        break;
    case '\t':
        go_to(s, (s->x + 8) & ~7, s->y);
        break;
    case '\n':
    case '\v':
    case '\f':
        s->wrap = false;
        line_feed(s);
        break;
    case '\r':
        go_to(s, 0, s->y);
        break;
    case 27:
        s->state = ESCAPE;
        break;
    default:
        break;
    }
}

static void take(VcChardev *s, uint8_t ch)
{
    if (s->state == OSC) { /* a title: up to BEL or ESC \ */
        s->state = ch == 7 ? TEXT : ch == 27 ? CHARSET : OSC;
    } else if (ch < 0x20) {
        control(s, ch);
    } else if (s->state == ESCAPE) {
        escape(s, ch);
    } else if (s->state == CSI) {
        in_csi(s, ch);
    } else if (s->state == CHARSET) {
        s->state = TEXT;
    } else if (ch != 0x7f) {
        put(s, ch);
    }
}

/* ---- the screen ---------------------------------------------------------- */

static void vc_refresh(void *opaque)
{
    VcChardev *s = opaque;
    bool cursor = !s->cursor_off && !s->back;

    load_font();
    if (!s->drawn) {
        s->drawn = true;
        console_set_surface(s->con, s->cols * FONT_W, s->rows * FONT_H,
                            PIXMAN_x8r8g8b8, NULL, 0);
        touch_all(s);
    }
    if (s->drawn_y >= 0 && s->drawn_y < s->rows &&
        (s->drawn_x != s->x || s->drawn_y != s->y || !cursor)) {
        touch(s, s->drawn_y);
        s->drawn_y = -1;
    }
    if (cursor && s->drawn_y < 0) {
        touch(s, s->y);
    }
    for (int row = 0; row < s->rows; row++) {
        const Cell *l;

        if (!s->dirty[row]) {
            continue;
        }
        s->dirty[row] = false;
        l = line(s, row - s->back);
        for (int x = 0; x < s->cols; x++) {
            draw_cell(s, x, row, l[x], cursor && x == s->x && row == s->y);
        }
        console_update(s->con, 0, row * FONT_H, s->cols * FONT_W, FONT_H);
    }
    if (cursor) {
        s->drawn_x = s->x;
        s->drawn_y = s->y;
    }
}

static void vc_invalidate(void *opaque)
{
    touch_all(opaque);
}

static void look_back(VcChardev *s, int n)
{
    int back = CLAMP(s->back + n, 0, s->kept);

    if (back != s->back) {
        s->back = back;
        touch_all(s);
        console_wake(s->con);
    }
}

/* ---- keys ---------------------------------------------------------------- */

static void deliver(VcChardev *s)
{
    int n = MIN(chr_be_can_read(&s->chr), (int)s->input->len);

    while (n > 0) {
        g_autofree uint8_t *copy = g_memdup2(s->input->data, n);

        g_byte_array_remove_range(s->input, 0, n);
        chr_be_read(&s->chr, copy, n);
        n = MIN(chr_be_can_read(&s->chr), (int)s->input->len);
    }
}

static void key_bytes(VcChardev *s, const char *bytes, int len)
{
    if (s->input->len + len <= INPUT_MAX) {
        g_byte_array_append(s->input, (const uint8_t *)bytes, len);
    }
}

static void vc_keysym(void *opaque, uint32_t keysym)
{
    static const struct {
        uint16_t sym;
        const char *text;
    } keys[] = {
        { 0xff08, "\177" }, { 0xff09, "\t" }, { 0xff0d, "\r" },
        { 0xff1b, "\033" }, { 0xff50, "\033[1~" }, { 0xff51, "\033[D" },
        { 0xff52, "\033[A" }, { 0xff53, "\033[C" }, { 0xff54, "\033[B" },
        { 0xff55, "\033[5~" }, { 0xff56, "\033[6~" }, { 0xff57, "\033[4~" },
        { 0xff63, "\033[2~" }, { 0xff8d, "\r" }, { 0xffff, "\033[3~" },
    };
    VcChardev *s = opaque;
    bool ctrl = keysym & CONSOLE_KEY_CTRL;
    char ch;

    keysym &= ~CONSOLE_KEY_CTRL;
    if (ctrl && keysym >= 0xff52 && keysym <= 0xff56 && keysym != 0xff53) {
        bool up = keysym == 0xff52 || keysym == 0xff55;
        int n = keysym >= 0xff55 ? s->rows / 2 : 1;

        look_back(s, up ? n : -n);
        return;
    }
    look_back(s, -s->back);
    if (keysym >= 0x20 && keysym < 0x7f) {
        ch = ctrl ? keysym & 0x1f : keysym;
        key_bytes(s, &ch, 1);
    } else if (keysym >= 0xa0 && keysym <= 0xff) {
        g_autofree char *utf8 = g_strdup_printf("%c%c",
                                                0xc0 | (int)keysym >> 6,
                                                0x80 | ((int)keysym & 0x3f));

        key_bytes(s, utf8, 2);
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
            if (keys[i].sym == keysym) {
                key_bytes(s, keys[i].text, strlen(keys[i].text));
            }
        }
    }
    deliver(s);
}

static const ConsoleOps vc_ops = {
    .refresh = vc_refresh,
    .invalidate = vc_invalidate,
    .keysym = vc_keysym,
};

/* ---- the character device ------------------------------------------------ */

static int vc_write(Chardev *chr, const uint8_t *buf, int len)
{
    VcChardev *s = (VcChardev *)chr;

    if (s->back) {
        s->back = 0;
        touch_all(s);
    }
    for (int i = 0; i < len; i++) {
        take(s, buf[i]);
    }
    console_wake(s->con);
    if (s->input->len) {
        deliver(s); /* an answer to a question */
    }
    return len;
}

static void vc_want_write(Chardev *chr, bool on)
{
}

static void vc_update_read(Chardev *chr)
{
    VcChardev *s = (VcChardev *)chr;

    if (s->input && s->input->len) {
        deliver(s);
    }
}

/* -serial vc:800x600 or vc:80Cx24C. */
static bool parse_extent(const char *text, uint64_t *width, uint64_t *height,
                         uint64_t *cols, uint64_t *rows)
{
    unsigned a, b;
    char rest;

    if (sscanf(text, "%uCx%uC%c", &a, &b, &rest) == 2) {
        *cols = a;
        *rows = b;
        return true;
    }
    *width = *height = 0;
    if (sscanf(text, "%ux%u%c", &a, &b, &rest) == 2) {
        *width = a;
        *height = b;
        return true;
    }
    return false;
}

static bool vc_open(Chardev *chr, QObject *opts, Error **errp)
{
    VcChardev *s = (VcChardev *)chr;
    uint64_t width = 0, height = 0, cols = 0, rows = 0;
    g_autofree char *size = NULL;

    if (!opts_take_str(opts, "size", &size, errp)) {
        return false;
    }
    if (size && !parse_extent(size, &width, &height, &cols, &rows)) {
        error_setg(errp, "chardev: vc: '%s' is no size: 800x600 and 80Cx24C "
                   "are", size);
        return false;
    }
    if (!opts_take_u64(opts, "width", &width, errp) ||
        !opts_take_u64(opts, "height", &height, errp) ||
        !opts_take_u64(opts, "cols", &cols, errp) ||
        !opts_take_u64(opts, "rows", &rows, errp)) {
        return false;
    }
    cols = cols ? cols : width ? width / FONT_W : 80;
    rows = rows ? rows : height ? height / FONT_H : 24;
    if (cols < 1 || cols > MAX_COLS || rows < 1 || rows > MAX_ROWS) {
        error_setg(errp, "chardev: vc: a text console has 1 to %d columns and "
                   "1 to %d rows", MAX_COLS, MAX_ROWS);
        return false;
    }
    s->cols = cols;
    s->rows = rows;
    s->lines = s->rows + HISTORY;
    s->cells = g_new0(Cell, (size_t)s->lines * s->cols);
    s->dirty = g_new0(bool, s->rows);
    s->input = g_byte_array_new();
    s->drawn_y = -1;
    reset(s);
    s->con = console_new(NULL, 0, chr->label, &vc_ops, s);
    erase_display(s, 2);
    chr_set_filename(chr, g_strdup("vc"));
    chr_be_event(chr, CHR_EVENT_OPENED);
    return true;
}

static void vc_close(Chardev *chr)
{
    VcChardev *s = (VcChardev *)chr;

    console_free(s->con);
    g_free(s->cells);
    g_free(s->dirty);
    if (s->input) {
        g_byte_array_unref(s->input);
    }
}

static const char *const vc_opts[] = { "width", "height", "cols", "rows",
                                       "size", NULL };

static const ChardevDriver vc_info = {
    .name = "vc", .size = sizeof(VcChardev), .opts = vc_opts,
    .open = vc_open, .close = vc_close, .write = vc_write,
    .want_write = vc_want_write, .update_read = vc_update_read,
};

static void vc_register(void)
{
    chr_driver_register(&vc_info);
}
chardev_init(vc_register)
