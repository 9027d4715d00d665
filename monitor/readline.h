/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line editor for one terminal: Emacs keys, history, completion.  It knows
 * nothing of monitors; bytes come in by readline_feed() and go out by
 * callbacks.  Main thread.
 */
#ifndef READLINE_H
#define READLINE_H

#include "osdep.h"

#define READLINE_MAX      4095 /* bytes in a line; more are not taken */
#define READLINE_HISTORY  64

typedef struct ReadlineOps {
    void (*write)(void *opaque, const char *text, size_t len);
    /* Return was pressed.  The editor shows no prompt until
     * readline_prompt() is called. */
    void (*line)(void *opaque, const char *line);
    /* Candidates for the last word of @line (up to the cursor), by
     * readline_add_completion(). */
    void (*complete)(void *opaque, const char *line);
} ReadlineOps;

typedef struct Readline {
    const ReadlineOps *ops;
    void *opaque;
    const char *prompt;
    GString *line;
    size_t cursor;
    enum { KEY_PLAIN, KEY_ESC, KEY_CSI, KEY_SS3 } state;
    int csi_arg;
    bool last_was_cr;
    GPtrArray *history;     /* char *, oldest first */
    guint history_pos;      /* == history->len: the line being typed */
    char *typed;            /* kept while the user walks through history */
    GPtrArray *completions; /* char * */
} Readline;

/* @prompt and @ops are borrowed. */
void readline_init(Readline *rl, const char *prompt, const ReadlineOps *ops,
                   void *opaque);
void readline_fini(Readline *rl);
/* A fresh line with the prompt. */
void readline_prompt(Readline *rl);
/* Prompt and line again, after something else was printed. */
void readline_redraw(Readline *rl);
void readline_feed(Readline *rl, uint8_t byte);
void readline_add_completion(Readline *rl, const char *word);

#endif
