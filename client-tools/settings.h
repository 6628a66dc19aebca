/* Client properties with Kafka's names, and the source of each value: flag, -X, -F file,
 * environment, profile, default. The first source that has a value wins, and errors name it. */
#ifndef CLIENT_TOOLS_SETTINGS_H
#define CLIENT_TOOLS_SETTINGS_H

#include "base/arena.h"
#include "client-tools/arguments.h"

enum client_key {
    KEY_BOOTSTRAP_SERVERS,
    KEY_CLIENT_ID,
    KEY_TIMEOUT, /* of the whole command; Kafka has no such property */
    KEY_ACKS,
    KEY_BATCH_SIZE,
    KEY_COMPRESSION_TYPE,
    KEY_ENABLE_IDEMPOTENCE,
    KEY_GROUP_INSTANCE_ID,
    KEY_HEARTBEAT_INTERVAL_MS,
    KEY_ISOLATION_LEVEL,
    KEY_LINGER_MS,
    KEY_SECURITY_PROTOCOL,
    KEY_SESSION_TIMEOUT_MS,
    CLIENT_KEY_COUNT
};

struct client_setting {
    struct bytes value;
    const char *from; /* "--brokers", "TIDEMILL_BROKERS", "profile \"prod\" (FILE:12)", "default" */
};

struct client_settings {
    struct client_setting values[CLIENT_KEY_COUNT];
};

/* Reads all sources. `environment` looks up a variable (getenv outside of tests). Texts live in the
 * arena. Fails with EXIT_USAGE on unknown keys, unreadable files and a missing profile. */
bool client_settings_load(struct client_settings *s, const struct arguments *a,
                          const char *(*environment)(const char *name), struct arena *arena,
                          struct failure *f);

/* Parse a setting as a number with a unit; a failure names the source of the value. */
bool client_setting_duration(const struct client_settings *s, enum client_key key, int64_t *ms,
                             struct failure *f);
bool client_setting_size(const struct client_settings *s, enum client_key key, int64_t *bytes,
                         struct failure *f);

#endif
