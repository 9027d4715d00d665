/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of options.def and what their handlers share.  A handler gets the
 * row, the argument (NULL for options without one) and where it stands ("-m
 * 1G"); it fills the configuration in or says what is wrong.  Main thread,
 * at start.
 */
#ifndef OPTIONS_INT_H
#define OPTIONS_INT_H

#include "vmconfig.h"

typedef struct OptionDef OptionDef;
typedef bool OptionFn(VMConfig *cfg, const OptionDef *o, const char *arg,
                      const char *loc, Error **errp);
struct OptionDef {
    const char *section;       /* a title instead of an option */
    const char *name, *form, *help;
    OptionFn *fn;
    size_t field;              /* in VMConfig */
    const char *data;          /* implied key, property, reason, ... */
    const char *text;          /* value of a -machine property */
    const char *const *known;  /* the keys it takes; NULL: others know */
    int value;
};

/* Ends with a row that has neither section nor name. */
extern const OptionDef option_table[];
/* NULL: there is none. */
const OptionDef *find_option(const char *name);

/* The groups of configuration files, each with the option whose text form has
 * the same keys; ends with NULL. */
typedef struct OptionGroup {
    const char *group, *option;
} OptionGroup;
extern const OptionGroup option_groups[];

/* Handlers of whole kinds of rows. */
OptionFn do_mprop, do_later, do_never;
/* The handlers of single rows. */
#define SECTION(title)
#define FLAG(n, h, f, v)
#define STR(n, fo, h, f)
#define TEXT(n, fo, h, f)
#define DICT(n, fo, h, f, imp, k)
#define JSON(n, fo, h, f, imp)
#define MERGE(n, fo, h, f, imp, k)
#define MPROP(n, fo, h, p, v)
#define CALL(n, fo, h, f, d) OptionFn f;
#define LATER(n, fo, what)
#define NEVER(n, fo, why)
#include "options.def"
#undef SECTION
#undef FLAG
#undef STR
#undef TEXT
#undef DICT
#undef JSON
#undef MERGE
#undef MPROP
#undef CALL
#undef LATER
#undef NEVER

/* All keys of @opts are among @known (NULL: any). */
bool option_check_keys(const QObject *opts, const char *const *known,
                       Error **errp);
/* The id in @opts, if there is one, is well formed. */
bool option_check_id(const QObject *opts, Error **errp);
/* The index of @value among @names, else -1 and an error that names @key. */
int option_find_value(const char *key, const char *value,
                      const char *const *names, Error **errp);
/* Leaves *@out alone where @opts lacks @key. */
bool option_get_bool(const QObject *opts, const char *key, bool *out,
                     Error **errp);
/* Takes the references of @opts. */
void config_list_add(ConfigList *list, const char *loc, const char *text,
                     QObject *opts);
/* Keeps the entries of @to, replaces those that @from has too. */
void config_dict_merge(QObject **to, const QObject *from);
void config_set_str(char **to, const char *s);

#endif
