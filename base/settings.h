/* Settings are a table, and the table is the documentation.
 *
 * A setting is one row: key, type, the place of its value in a structure, default, range, one
 * sentence. Parsing, range checks, reports and the reference page all walk the rows. Values are
 * given as text. Numbers may have units if the type permits it (plain numbers always work). */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include "base/error.h"

enum setting_type {
    SETTING_INT,      /* int64_t field */
    SETTING_BOOL,     /* bool field; "true" or "false" */
    SETTING_STRING,   /* char * field, owned by the structure; may be empty */
    SETTING_ENUM,     /* int64_t field: index into `choices`; its default is that index */
    SETTING_LIST,     /* char * field: comma-separated names, each one of `choices` if given */
    SETTING_DOUBLE,   /* double field */
    SETTING_SIZE,     /* int64_t bytes: 1GiB, 64KiB */
    SETTING_DURATION, /* int64_t in the unit of the key's last part: ms, s, minutes, hours */
    SETTING_IGNORED,  /* a key of Kafka without meaning here: accepted, named in the log */
};

struct setting {
    const char *key;
    enum setting_type type;
    size_t field; /* offsetof in the structure */
    int64_t minimum, maximum;
    const char *initial;        /* the default, as text */
    const char *const *choices; /* NULL-terminated */
    bool dynamic;               /* may change while running */
    bool secret;
    const char *sentence;
    const char *broker_key;    /* topic settings: the broker key that gives the default */
    const char *kafka_default; /* if ours differs */
};

/* The row for a key, or NULL. The table ends with a row whose key is NULL. */
const struct setting *setting_find(const struct setting *table, struct bytes key);
/* The known key nearest to a wrong one (edit distance <= 2), or NULL. */
const char *setting_suggest(const struct setting *table, struct bytes key);

/* Parses and checks `text`; writes it to `values` unless that is NULL (then it is only checked). On
 * ERR_INVALID the message has the key, the value and what is allowed. */
MUST_USE enum error setting_set(const struct setting *row, void *values, struct bytes text,
                                struct message *message);
/* The same, but the message has only what is allowed, for callers with a form of their own. */
MUST_USE enum error setting_parse(const struct setting *row, void *values, struct bytes text,
                                  struct message *message);
/* Sets every field to its default. String fields must be NULL or owned. */
void settings_defaults(const struct setting *table, void *values);
void settings_free(const struct setting *table, void *values);
/* Gives a copied structure its own texts. After a plain copy it shares the texts of the original.
 */
void settings_copy_text(const struct setting *table, void *values);
/* Walks a comma-separated list: start with *at = 0; null at the end. Drops blanks around items. */
struct bytes setting_list_next(struct bytes list, size_t *at);
/* The value in canonical form (base units, no suffix), appended. Secrets are "***". */
void setting_format(const struct setting *row, const void *values, struct buffer *out);

#endif
