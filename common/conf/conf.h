/* Configuration: one table of keys (keys.def), read from flags, environment, a file, and defaults, in that
 * order of precedence (house.md §5). A key `max-disk-usage` is the flag --max-disk-usage, the variable
 * SPILLWAY_MAX_DISK_USAGE and the file's line `max-disk-usage = 20G`.
 *
 * Loading happens once, in main(), before threads; the values are constant after that and may be read by any
 * thread. */
#ifndef SPILLWAY_CONF_H
#define SPILLWAY_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/err.h"

enum conf_program {
    CONF_W = 1,  /* walwriter */
    CONF_G = 2,  /* diskguard */
    CONF_P = 4,  /* peerd */
    CONF_U = 8,  /* uploader */
    CONF_S = 16, /* spillway */
    CONF_ALL = 31,
};

enum conf_id {
#define KEY(id, name, type, programs, fallback, argument, allowed, help) CONF_##id,
#include "common/conf/keys.def"
#undef KEY
    CONF_KEYS
};

enum conf_type {
    TYPE_FLAG,   /* no value needed: --strict; yes or no in a file */
    TYPE_BOOL,   /* yes or no */
    TYPE_TEXT,   /* not empty */
    TYPE_PATH,   /* not empty */
    TYPE_SIZE,   /* bytes */
    TYPE_TIME,   /* milliseconds */
    TYPE_COUNT,  /* a number */
    TYPE_CHOICE, /* one of some words; its number is the word's place */
    TYPE_LIST,   /* may be given several times */
};

struct conf_key {
    const char *name;
    enum conf_type type;
    unsigned programs;
    const char *fallback, *argument, *allowed, *help;
};

/* The table itself, for whoever prints it. `id` in 0..CONF_KEYS-1. */
const struct conf_key *conf_key(enum conf_id id);

/* What a program says of itself in --help and in its man page. */
struct conf_about {
    const char *program; /* as on the command line */
    unsigned bit;        /* one of enum conf_program */
    const char *summary; /* one line, without a full stop */
    const char *usage;   /* what comes after the flags, such as "< rows"; may be "" */
    const char *text;    /* what it does, some paragraphs */
    const char *examples;
};

struct conf;

/* What main() does after conf_load. */
enum conf_verdict {
    CONF_RUN,   /* go on */
    CONF_CHECK, /* --check: look at what was configured, and exit without doing anything */
    CONF_EXIT,  /* --help, --version or --man did all there was to do */
};

/* Read everything. `*conf` is to be freed with conf_free() whatever is returned. Words that are not flags are
 * left for conf_words(). Prints to stdout what --help and the like ask for. On error `err` names file, line,
 * key and what would be accepted; the program exits EXIT_USAGE. */
NODISCARD int conf_load(struct conf **conf, const struct conf_about *about, int argc, char **argv,
                        enum conf_verdict *verdict, struct err *err);
void conf_free(struct conf *conf);

/* Was it said at all (flag, environment or file)? */
bool conf_is_set(const struct conf *conf, enum conf_id id);

/* Values. A key without a default that was not given: NULL, or an assertion for numbers. Strings live as long
 * as conf. */
const char *conf_text(const struct conf *conf, enum conf_id id);
int64_t conf_number(const struct conf *conf, enum conf_id id);
bool conf_flag(const struct conf *conf, enum conf_id id);

/* The values of a LIST, `*count` of them. */
char *const *conf_list(const struct conf *conf, enum conf_id id, size_t *count);

/* Is `word` among the texts of a list, each of which may be several words separated by commas? */
NODISCARD bool conf_words_have(char *const *texts, size_t count, const char *word);

/* The words of the command line that are not flags. */
char *const *conf_words(const struct conf *conf, size_t *count);

/* Where the value comes from: "flag", "environment", "FILE:LINE" or "default". */
const char *conf_origin(const struct conf *conf, enum conf_id id);

/* -EINVAL with a text when any of the keys (the list ends with CONF_KEYS) has no value. */
NODISCARD int conf_require(const struct conf *conf, const enum conf_id *ids, struct err *err);

/* Read and check a file alone, as `spillway conf --check FILE` does. */
NODISCARD int conf_check_file(const char *path, struct err *err);

/* Check one value against the type of its key; `*number` is what it means, where it is a number. */
NODISCARD int conf_check_value(enum conf_id id, const char *text, int64_t *number, struct err *err);

#endif
