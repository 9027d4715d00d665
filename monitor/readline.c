/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Line editing.  Control sequences are those of ECMA-48 as xterm sends them
 * (CSI A..D, H, F, n~); output uses CR, CSI K and CSI nD only.
 */
#include "osdep.h"
#include "readline.h"

#define CTRL(c) ((c) - 'A' + 1)
#define ESC 27
#define DEL 127

static void put(Readline *rl, const char *s)
{
    rl->ops->write(rl->opaque, s, strlen(s));
}

void readline_init(Readline *rl, const char *prompt, const ReadlineOps *ops,
                   void *opaque)
{
    *rl = (Readline) { .ops = ops, .opaque = opaque, .prompt = prompt };
    rl->line = g_string_new(NULL);
    rl->history = g_ptr_array_new_with_free_func(g_free);
    rl->completions = g_ptr_array_new_with_free_func(g_free);
}

void readline_fini(Readline *rl)
{
    g_string_free(rl->line, TRUE);
    g_ptr_array_free(rl->history, TRUE);
    g_ptr_array_free(rl->completions, TRUE);
    g_free(rl->typed);
}

void readline_redraw(Readline *rl)
{
    size_t back = rl->line->len - rl->cursor;

    put(rl, "\r");
    put(rl, rl->prompt);
    put(rl, rl->line->str);
    put(rl, "\033[K");
    if (back) {
        g_autofree char *move = g_strdup_printf("\033[%zuD", back);

        put(rl, move);
    }
}

void readline_prompt(Readline *rl)
{
    g_string_truncate(rl->line, 0);
    rl->cursor = 0;
    rl->history_pos = rl->history->len;
    g_clear_pointer(&rl->typed, g_free);
    put(rl, rl->prompt);
}

static void insert(Readline *rl, const char *s, size_t len)
{
    if (rl->line->len + len > READLINE_MAX) {
        return;
    }
    g_string_insert_len(rl->line, rl->cursor, s, len);
    rl->cursor += len;
    if (rl->cursor == rl->line->len) {
        rl->ops->write(rl->opaque, s, len);
    } else {
        readline_redraw(rl);
    }
}

static void move_to(Readline *rl, size_t pos)
{
    if (pos <= rl->line->len && pos != rl->cursor) {
        rl->cursor = pos;
        readline_redraw(rl);
    }
}

/* Removes the bytes from @from up to @to and leaves the cursor there. */
static void delete_range(Readline *rl, size_t from, size_t to)
{
    if (from < to) {
        g_string_erase(rl->line, from, to - from);
        rl->cursor = from;
        readline_redraw(rl);
    }
}

static size_t word_start(const Readline *rl)
{
    size_t i = rl->cursor;

    while (i > 0 && g_ascii_isspace(rl->line->str[i - 1])) {
        i--;
    }
    while (i > 0 && !g_ascii_isspace(rl->line->str[i - 1])) {
        i--;
    }
    return i;
}

static void add_history(Readline *rl)
{
    guint n = rl->history->len;

    /* A line that was there moves to the end. */
    for (guint i = 0; i < n; i++) {
        if (!strcmp(g_ptr_array_index(rl->history, i), rl->line->str)) {
            g_ptr_array_remove_index(rl->history, i);
            break;
        }
    }
    if (rl->history->len == READLINE_HISTORY) {
        g_ptr_array_remove_index(rl->history, 0);
    }
    g_ptr_array_add(rl->history, g_strdup(rl->line->str));
}

static void walk_history(Readline *rl, bool back)
{
    const char *text;

    if (back ? rl->history_pos == 0 : rl->history_pos == rl->history->len) {
        return;
    }
    if (rl->history_pos == rl->history->len) {
        g_free(rl->typed);
        rl->typed = g_strdup(rl->line->str);
    }
    rl->history_pos += back ? -1 : 1;
    text = rl->history_pos == rl->history->len
        ? rl->typed : g_ptr_array_index(rl->history, rl->history_pos);
    g_string_assign(rl->line, text);
    rl->cursor = rl->line->len;
    readline_redraw(rl);
}

static void enter(Readline *rl)
{
    g_autofree char *line = NULL;

    put(rl, "\r\n");
    if (rl->line->len) {
        add_history(rl);
    }
    line = g_strdup(rl->line->str);
    g_string_truncate(rl->line, 0);
    rl->cursor = 0;
    rl->ops->line(rl->opaque, line);
}

/* ---- Completion ---- */

void readline_add_completion(Readline *rl, const char *word)
{
    for (guint i = 0; i < rl->completions->len; i++) {
        if (!strcmp(g_ptr_array_index(rl->completions, i), word)) {
            return;
        }
    }
    g_ptr_array_add(rl->completions, g_strdup(word));
}

static gint compare_words(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t common_prefix(const GPtrArray *words)
{
    const char *first = g_ptr_array_index(words, 0);
    size_t len = strlen(first);

    for (guint i = 1; i < words->len; i++) {
        const char *w = g_ptr_array_index(words, i);
        size_t n = 0;

        while (n < len && w[n] == first[n]) {
            n++;
        }
        len = n;
    }
    return len;
}

static void list_completions(Readline *rl)
{
    size_t width = 0, column = 0;

    for (guint i = 0; i < rl->completions->len; i++) {
        width = MAX(width, strlen(g_ptr_array_index(rl->completions, i)));
    }
    width += 2;
    put(rl, "\r\n");
    for (guint i = 0; i < rl->completions->len; i++) {
        g_autofree char *cell = g_strdup_printf(
            "%-*s", (int)MIN(width, 80),
            (char *)g_ptr_array_index(rl->completions, i));

        put(rl, cell);
        column += width;
        if (column + width > 80 || i + 1 == rl->completions->len) {
            put(rl, "\r\n");
            column = 0;
        }
    }
    readline_redraw(rl);
}

static void complete(Readline *rl)
{
    g_autofree char *head = g_strndup(rl->line->str, rl->cursor);
    size_t start = rl->cursor, have, len;

    while (start > 0 && !g_ascii_isspace(head[start - 1])) {
        start--;
    }
    have = rl->cursor - start;
    g_ptr_array_set_size(rl->completions, 0);
    rl->ops->complete(rl->opaque, head);
    if (!rl->completions->len) {
        return;
    }
    g_ptr_array_sort(rl->completions, compare_words);
    len = common_prefix(rl->completions);
    if (len > have) {
        insert(rl, (char *)g_ptr_array_index(rl->completions, 0) + have,
               len - have);
    }
    if (rl->completions->len == 1) {
        insert(rl, " ", 1);
    } else if (len <= have) {
        list_completions(rl);
    }
}

/* ---- Keys ---- */

static void csi_key(Readline *rl, uint8_t byte)
{
    switch (byte) {
    case 'A':
        walk_history(rl, true);
        break;
    case 'B':
        walk_history(rl, false);
        break;
    case 'C':
        move_to(rl, rl->cursor + 1);
        break;
    case 'D':
        move_to(rl, rl->cursor - (rl->cursor > 0));
        break;
    case 'H':
        move_to(rl, 0);
        break;
    case 'F':
        move_to(rl, rl->line->len);
        break;
    case '~':
        if (rl->csi_arg == 1 || rl->csi_arg == 7) {
            move_to(rl, 0);
        } else if (rl->csi_arg == 4 || rl->csi_arg == 8) {
            move_to(rl, rl->line->len);
        } else if (rl->csi_arg == 3 && rl->cursor < rl->line->len) {
            delete_range(rl, rl->cursor, rl->cursor + 1);
        }
        break;
    }
}

static void plain_key(Readline *rl, uint8_t byte)
{
    char c = byte;

    switch (byte) {
    case CTRL('A'):
        move_to(rl, 0);
        break;
    case CTRL('B'):
        move_to(rl, rl->cursor - (rl->cursor > 0));
        break;
    case CTRL('D'):
        if (rl->cursor < rl->line->len) {
            delete_range(rl, rl->cursor, rl->cursor + 1);
        }
        break;
    case CTRL('E'):
        move_to(rl, rl->line->len);
        break;
    case CTRL('F'):
        move_to(rl, rl->cursor + 1);
        break;
    case CTRL('I'):
        complete(rl);
        break;
    case CTRL('K'):
        g_string_truncate(rl->line, rl->cursor);
        readline_redraw(rl);
        break;
    case CTRL('L'):
        put(rl, "\033[H\033[2J");
        readline_redraw(rl);
        break;
    case CTRL('N'):
        walk_history(rl, false);
        break;
    case CTRL('P'):
        walk_history(rl, true);
        break;
    case CTRL('U'):
        delete_range(rl, 0, rl->cursor);
        break;
    case CTRL('W'):
        delete_range(rl, word_start(rl), rl->cursor);
        break;
    case '\r':
    case '\n':
        enter(rl);
        break;
    case '\b':
    case DEL:
        delete_range(rl, rl->cursor - (rl->cursor > 0), rl->cursor);
        break;
    case ESC:
        rl->state = KEY_ESC;
        break;
    default:
        if (byte >= ' ') {
            insert(rl, &c, 1);
        }
        break;
    }
}

void readline_feed(Readline *rl, uint8_t byte)
{
    bool after_cr = rl->last_was_cr;

    rl->last_was_cr = byte == '\r';
    switch (rl->state) {
    case KEY_PLAIN:
        if (byte != '\n' || !after_cr) { /* CR LF is one Return */
            plain_key(rl, byte);
        }
        return;
    case KEY_ESC:
        rl->csi_arg = 0;
        rl->state = byte == '[' ? KEY_CSI : byte == 'O' ? KEY_SS3 : KEY_PLAIN;
        return;
    case KEY_CSI:
        if (g_ascii_isdigit(byte)) {
            rl->csi_arg = MIN(rl->csi_arg * 10 + byte - '0', 1000);
        } else if (byte != ';') {
            rl->state = KEY_PLAIN;
            csi_key(rl, byte);
        }
        return;
    case KEY_SS3:
        rl->state = KEY_PLAIN;
        csi_key(rl, byte);
        return;
    }
}
