/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's option grammar: `key=value,...`.  `,,` is a comma in a value, a first
 * word without `=` goes to the implied key, later ones are on/off flags
 * (`server`, `nowait`, `noserver`).  JSON text (first byte `{`) is taken where
 * the option allows it.
 */
#ifndef UTIL_OPTION_H
#define UTIL_OPTION_H

#include "osdep.h"
#include "util/error.h"
#include "util/qobject.h"

/*
 * Parses into a dict of strings, in order; a repeated key keeps the last
 * value.  @implied may be NULL.  `help`/`?` as a word of its own sets *@help
 * when @help is not NULL.  Flags give "on", `noX` gives X="off".
 */
QObject *keyval_parse(const char *text, const char *implied, bool *help,
                      Error **errp);
/* The same, but the keys of @lists (NULL-terminated) may be repeated: each
 * gives a list of dicts {"str": VALUE}, QAPI's `String`. */
QObject *keyval_parse_lists(const char *text, const char *implied,
                            const char *const *lists, bool *help, Error **errp);
/* As keyval_parse(), but JSON text gives its typed dict. */
QObject *keyval_or_json_parse(const char *text, const char *implied,
                              bool *help, Error **errp);
/* Turns dotted keys ("file.driver", "list.0") into nested dicts and lists. */
QObject *keyval_crumple(QObject *flat, Error **errp);
/* The reverse: nested to dotted. */
QObject *keyval_flatten(QObject *nested);
/* Back to option text with commas doubled; "id=" comes first. */
char *keyval_to_text(const QObject *dict);

/* Errors name @name: "Parameter 'size' expects a size". */
bool parse_bool(const char *name, const char *s, bool *out, Error **errp);
bool parse_uint64(const char *name, const char *s, uint64_t *out, Error **errp);
bool parse_int64(const char *name, const char *s, int64_t *out, Error **errp);
/* "4M", "1.5G", plain bytes; suffixes B K M G T P E, powers of 1024.
 * @unit_default multiplies a number without a suffix (1 or MiB). */
bool parse_size(const char *name, const char *s, uint64_t unit_default,
                uint64_t *out, Error **errp);

/*
 * Typed readers over a parsed dict, strings or JSON types.  Each takes the
 * key out of the dict, so that what is left at the end is unknown:
 * opts_done() then names it and the nearest known key.
 */
bool opts_take_str(QObject *opts, const char *key, char **out, Error **errp);
bool opts_take_bool(QObject *opts, const char *key, bool *out, Error **errp);
bool opts_take_u64(QObject *opts, const char *key, uint64_t *out, Error **errp);
bool opts_take_size(QObject *opts, const char *key, uint64_t *out,
                    Error **errp);
/* -> index in @names (NULL-terminated); the error lists the valid ones. */
bool opts_take_enum(QObject *opts, const char *key, const char *const *names,
                    int *out, Error **errp);
/* Outputs are untouched when the key is absent (and true is returned). */
bool opts_done(const QObject *opts, const char *const *known, Error **errp);

/* The nearest of @names (NULL-terminated) by edit distance, or NULL. */
const char *nearest_name(const char *word, const char *const *names);
/* Identifiers as QEMU takes them: a letter, then letters, digits, "-._". */
bool id_wellformed(const char *id);

#endif
