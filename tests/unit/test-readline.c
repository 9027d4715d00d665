/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys in, lines out. */
#include "osdep.h"
#include "monitor/readline.h"

typedef struct Fixture {
    Readline rl;
    GString *out;
    char *line;   /* the last one entered */
} Fixture;

static void on_write(void *opaque, const char *text, size_t len)
{
    g_string_append_len(((Fixture *)opaque)->out, text, len);
}

static void on_line(void *opaque, const char *line)
{
    Fixture *f = opaque;

    g_free(f->line);
    f->line = g_strdup(line);
    readline_prompt(&f->rl);
}

static void on_complete(void *opaque, const char *line)
{
    static const char *const words[] = { "stop", "status", "sum", "system" };
    Fixture *f = opaque;
    const char *word = strrchr(line, ' ') ? strrchr(line, ' ') + 1 : line;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (g_str_has_prefix(words[i], word)) {
            readline_add_completion(&f->rl, words[i]);
        }
    }
}

static const ReadlineOps ops = { on_write, on_line, on_complete };

static void set_up(Fixture *f, gconstpointer data)
{
    f->out = g_string_new(NULL);
    readline_init(&f->rl, "> ", &ops, f);
    readline_prompt(&f->rl);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    readline_fini(&f->rl);
    g_string_free(f->out, TRUE);
    g_free(f->line);
}

static void type(Fixture *f, const char *keys)
{
    while (*keys) {
        readline_feed(&f->rl, *keys++);
    }
}

static void expect(Fixture *f, const char *keys, const char *line)
{
    type(f, keys);
    type(f, "\r");
    g_assert_cmpstr(f->line, ==, line);
}

static void test_editing(Fixture *f, gconstpointer data)
{
    expect(f, "stop", "stop");
    expect(f, "sop\033[D\033[Dt", "stop");
    expect(f, "top\001s", "stop");
    expect(f, "top\033[Hs\033[F!", "stop!");
    expect(f, "stoxp\002\010", "stop");
    expect(f, "xstop\001\004", "stop");
    expect(f, "xstop\033[1~\033[3~", "stop");
    expect(f, "stop it\027now", "stop now");
    expect(f, "stop it\002\002\013", "stop ");
    expect(f, "bad\025good", "good");
    expect(f, "\033[5~\033Ok\033xa\177\177\177b", "b");
    expect(f, "\302\265s", "\302\265s");
}

static void test_bounds(Fixture *f, gconstpointer data)
{
    expect(f, "\177\004\002\006\013\025\027\033[A\033[B\033[C\033[D", "");
    for (int i = 0; i < READLINE_MAX + 100; i++) {
        readline_feed(&f->rl, 'x');
    }
    type(f, "\r");
    g_assert_cmpint(strlen(f->line), ==, READLINE_MAX);
    type(f, "\033[99999999999999999999~a\r");
    g_assert_cmpstr(f->line, ==, "a");
    /* CR LF is one line. */
    type(f, "one\r\n");
    g_string_truncate(f->out, 0);
    type(f, "\n");
    g_assert_cmpstr(f->line, ==, "");
}

static void test_history(Fixture *f, gconstpointer data)
{
    expect(f, "one", "one");
    expect(f, "two", "two");
    expect(f, "\033[A", "two");
    expect(f, "\033[A\033[A", "one"); /* moved to the end */
    expect(f, "\020", "one");
    expect(f, "ty\033[A\033[A\033[Bx\033[Bped", "typed");
    expect(f, "\033[A\033[A\033[A\033[A\033[A\033[A", "two");
    for (int i = 0; i < 2 * READLINE_HISTORY; i++) {
        g_autofree char *s = g_strdup_printf("line %d\r", i);

        type(f, s);
    }
    g_assert_cmpint(f->rl.history->len, ==, READLINE_HISTORY);
    g_assert_cmpstr(g_ptr_array_index(f->rl.history, 0), ==, "line 64");
}

static void test_completion(Fixture *f, gconstpointer data)
{
    expect(f, "su\t1", "sum 1");
    expect(f, "st\tx", "stx"); /* ambiguous: listed, nothing added */
    g_assert_nonnull(strstr(f->out->str, "status  stop"));
    expect(f, "zz\t", "zz");
    expect(f, "a sy\t", "a system ");
    expect(f, "sta\001\033[C\033[C\033[C\t", "status ");
}

static void test_screen(Fixture *f, gconstpointer data)
{
    type(f, "ab");
    g_assert_cmpstr(f->out->str, ==, "> ab");
    g_string_truncate(f->out, 0);
    type(f, "\002x");
    g_assert_cmpstr(f->out->str, ==,
                    "\r> ab\033[K\033[1D\r> axb\033[K\033[1D");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/readline/editing", Fixture, NULL, set_up, test_editing,
               tear_down);
    g_test_add("/readline/bounds", Fixture, NULL, set_up, test_bounds,
               tear_down);
    g_test_add("/readline/history", Fixture, NULL, set_up, test_history,
               tear_down);
    g_test_add("/readline/completion", Fixture, NULL, set_up, test_completion,
               tear_down);
    g_test_add("/readline/screen", Fixture, NULL, set_up, test_screen,
               tear_down);
    return g_test_run();
}
