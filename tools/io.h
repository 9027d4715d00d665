/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the commands of qemu-io and who runs them: its program, and the
 * emulator's monitor (hmp-io.c). */
#ifndef TOOLS_IO_H
#define TOOLS_IO_H

#include "block/block-int.h"
#include "util/option.h"

typedef struct IoCommand {
    const char *name, *alt;
    int (*run)(int argc, char **argv); /* 0 or -errno, reported */
    int min, max;                      /* arguments; max -1: any number */
    bool needs_image;
    const char *args, *oneline;
    const char *help;                  /* for "help NAME"; may be NULL */
} IoCommand;

BlockBackend *io_image(void);          /* NULL: none is open */
/* Splits and runs one; 0 or -errno. */
int io_command(const char *line);
void io_usage(const char *name);       /* the one-line text */
void io_join(char **all, const char *more);
extern bool io_misalign;

int io_open(int argc, char **argv);
int io_close(int argc, char **argv);
int io_quit(int argc, char **argv);

#endif
