/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of qemu-img share. */
#ifndef TOOLS_IMG_H
#define TOOLS_IMG_H

#include <getopt.h>
#include "block/block-int.h"
#include "util/option.h"

typedef struct ImgCommand {
    const char *name;
    int (*run)(int argc, char **argv); /* exit code */
    const char *usage;                 /* as --help shows it */
} ImgCommand;

int img_amend(int argc, char **argv);
int img_bench(int argc, char **argv);
int img_bitmap(int argc, char **argv);
int img_check(int argc, char **argv);
int img_commit(int argc, char **argv);
int img_compare(int argc, char **argv);
int img_convert(int argc, char **argv);
int img_create(int argc, char **argv);
int img_dd(int argc, char **argv);
int img_info(int argc, char **argv);
int img_link(int argc, char **argv);
int img_map(int argc, char **argv);
int img_measure(int argc, char **argv);
int img_rebase(int argc, char **argv);
int img_resize(int argc, char **argv);
int img_snapshot(int argc, char **argv);

/* Long options without a letter. */
enum {
    OPT_OUTPUT = 256, OPT_BACKING_CHAIN, OPT_OBJECT, OPT_IMAGE_OPTS,
    OPT_TARGET_IMAGE_OPTS, OPT_TARGET_IS_ZERO, OPT_BITMAPS, OPT_SKIP_BROKEN,
    OPT_SALVAGE, OPT_SIZE, OPT_PREALLOCATION, OPT_SHRINK, OPT_PATTERN,
    OPT_FLUSH_INTERVAL, OPT_NO_DRAIN, OPT_FORCE, OPT_START_OFFSET,
    OPT_MAX_LENGTH, OPT_PROGRESS, OPT_ADD, OPT_REMOVE, OPT_CLEAR, OPT_ENABLE,
    OPT_DISABLE, OPT_MERGE,
};

/* Prints usage trouble and exits with 1. */
void img_die(const char *fmt, ...) PRINTF(1, 2) NORETURN;
/* getopt_long() that turns its complaints into img_die(); "-h" shows help. */
int img_getopt(int argc, char **argv, const char *letters,
               const struct option *longs);
void img_help(void) NORETURN;
void img_refuse_object(void) NORETURN;

/* NULL when it was reported. */
BlockBackend *img_open(bool image_opts, const char *filename, const char *fmt,
                       unsigned flags, bool writethrough);
/* The same with node options beside the name; consumed. */
BlockBackend *img_open_with(const char *filename, QObject *opts,
                            unsigned flags, bool writethrough);
/* Reports that @fmt is no format, or none of this build's. */
void img_no_format(const char *prefix, const char *fmt);
BlockBackend *img_open_opts(const char *text, unsigned flags,
                            bool writethrough);
/* Flushes and lets go; -1 (reported) when data may be lost. */
int img_close(BlockBackend *blk, const char *filename);
/* A cache mode into flags; exits when there is none of that name. */
void img_cache(const char *mode, const char *what, unsigned *flags,
               bool *writethrough);
/* "1.5G"; -1 (reported). */
int64_t img_size(const char *name, const char *text);
/* Prints -o help for @fmt. */
int img_option_help(const char *fmt, bool amend);
/* "-o a=b,c=d" given again: joined. */
void img_join_options(char **all, const char *more);
bool img_wants_help(const char *options);

/* How much convert, dd and compare take at once. */
#define IMG_COPY_BUF (2 * MiB)

typedef struct ImgProgress {
    bool on, json;
    double shown;
} ImgProgress;
/* "-p" or "--progress=json"; shows nothing when off. */
void img_progress(ImgProgress *p, uint64_t done, uint64_t total);
void img_progress_end(ImgProgress *p);

/* Is a JSON output asked for?  Exits on another word. */
bool img_output_json(const char *word);

/* How many of the bytes are zero (*zero), or not, from the start, in pieces of
 * @unit; at least one of them. */
size_t img_zero_run(const uint8_t *buf, size_t len, size_t unit, bool *zero);

#endif
