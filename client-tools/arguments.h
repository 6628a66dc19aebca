/* Tables of commands and their flags. Help, completion and the reference page walk them.
 *
 * Each command has one file with its flags, its examples and its function; commands.c lists the
 * commands. A letter means the same in every command (docs: commands). */
#ifndef CLIENT_TOOLS_ARGUMENTS_H
#define CLIENT_TOOLS_ARGUMENTS_H

#include "client-tools/failure.h"

enum flag_kind { FLAG_SWITCH, FLAG_VALUE, FLAG_LIST /* may be given several times */ };

struct flag {
    char letter; /* 0: none */
    const char *name;
    enum flag_kind kind;
    const char *placeholder; /* "N", "HOST:PORT,..." */
    const char *sentence;
    const char *alias;   /* another long spelling, or NULL */
    const char *choices; /* "none|gzip|zstd", for completion and checking; or NULL */
};

struct tool;
struct column;

struct command {
    const char *noun, *verb;     /* verb NULL: the command is one word */
    const char *arguments;       /* "TOPIC...", or "" */
    int min, max;                /* how many arguments; max -1: any number */
    const char *sentence;        /* what it does, one sentence without a full stop */
    const struct flag *flags;    /* its own; ends with a row whose name is NULL; may be NULL */
    const char *const *examples; /* NULL-terminated, without "tidemill " */
    const char *see_also;
    const struct column *columns; /* of its main table; ends with a null name; may be NULL */
    bool destructive;             /* asks, and has --yes and --dry-run */
    bool streaming;               /* Ctrl-C ends it with exit code 0; --timeout is for connecting */
    /* False: tool->failure is set. */
    bool (*run)(struct tool *t);
};

extern const struct flag global_flags[];
extern const struct command *const commands[]; /* NULL-terminated */

struct argument_value {
    const struct flag *flag;
    struct bytes value;
};

enum { MAX_ARGUMENTS = 4096 };

struct arguments {
    const struct command *command;
    struct argument_value *flags;
    struct bytes *names; /* the arguments without flags and without the command's words */
    size_t flag_count, name_count;
};

/* Parses a command line without the program's name. The command is NULL when only global flags
 * were given (help, version). Views point into `values`. */
bool arguments_parse(struct arguments *a, int count, char **values, struct failure *f);
void arguments_free(struct arguments *a);

/* Whether a value is one of "a|b|c". */
bool choice_is_one(const char *choices, struct bytes value);
bool flag_is_set(const struct arguments *a, const char *name);
/* Splits "key=value" at the first of the separators. False when there is none. */
bool pair_split(struct bytes text, const char *separators, struct bytes *key, struct bytes *value);
/* The last value of a flag, or null. */
struct bytes flag_text(const struct arguments *a, const char *name);
/* Walks all values of a FLAG_LIST: start with *at = 0; null at the end. */
struct bytes flag_next(const struct arguments *a, const char *name, size_t *at);
/* An integer in [minimum, maximum]; `otherwise` when the flag is absent. */
bool flag_int(const struct arguments *a, const char *name, int64_t minimum, int64_t maximum,
              int64_t otherwise, int64_t *out, struct failure *f);

#endif
