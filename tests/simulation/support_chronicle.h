/* The events of a simulated run of the whole broker: the newest ones as text, a hash over
 * all events, and how often rare situations were reached.
 *
 * The same seed must give the same events. So the hash of a run that is repeated is the same. */
#ifndef TESTS_SIMULATION_SUPPORT_CHRONICLE_H
#define TESTS_SIMULATION_SUPPORT_CHRONICLE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Situations that a campaign must reach, or else it proves nothing about them. */
#define REACHES(X)                                                              \
    X(REACH_KILL, "process killed")                                             \
    X(REACH_POWER_CUT, "power cut")                                             \
    X(REACH_TORN, "power cut that tears an unsynced write")                     \
    X(REACH_CRASH_IN_RECOVERY, "crash in recovery")                             \
    X(REACH_CRASH_IN_STOP, "crash in a clean stop")                             \
    X(REACH_CRASH_IN_CHECKPOINT, "checkpoint interrupted by a crash")           \
    X(REACH_CLEAN_RESTART, "clean restart")                                     \
    X(REACH_OTHER_SHARDS, "restart with another number of shards")              \
    X(REACH_LEAP_FORWARD, "wall clock leaps forward")                           \
    X(REACH_LEAP_BACK, "wall clock leaps back")                                 \
    X(REACH_LEAP_BACK_RESTART, "wall clock leaps back across a restart")        \
    X(REACH_LOST_REPLY, "connection lost after the request was delivered")      \
    X(REACH_LOST_REQUEST, "connection lost before the request was delivered")   \
    X(REACH_LATE_REQUEST, "request delivered after its client had given it up") \
    X(REACH_SPLIT, "request delivered in pieces")                               \
    X(REACH_TIMEOUT, "client gave up waiting for a reply")                      \
    X(REACH_DUPLICATE, "retry answered with the original offset")               \
    X(REACH_RETRY_AFTER_RESTART, "batch sent in one life, acknowledged later")  \
    X(REACH_RETRY_STORED_BEFORE, "retry after a restart of a stored batch")     \
    X(REACH_TRIM, "log start moved")                                            \
    X(REACH_OUT_OF_RANGE, "fetch below the log start")                          \
    X(REACH_DELETED_DATA, "topic with records deleted")                         \
    X(REACH_DELETION_RETRIED, "deletion of a topic with a lost reply")          \
    X(REACH_DISK_FULL, "disk full")                                             \
    X(REACH_FULL_UNIT, "disk full inside a journal write")                      \
    X(REACH_FULL_REFUSED, "produce refused by a full disk")                     \
    X(REACH_DISK_ERROR, "disk error stops the broker")                          \
    X(REACH_FULL_START, "start refused by a full disk")                         \
    X(REACH_SESSION, "incremental fetch session used")                          \
    X(REACH_SESSION_LOST, "fetch session lost by a restart")                    \
    X(REACH_REBALANCE, "rebalance")                                             \
    X(REACH_REBALANCE_CRASH, "rebalance under way at a crash")                  \
    X(REACH_MEMBER_EXPIRED, "group member expired")                             \
    X(REACH_STATIC_BACK, "static member came back")                             \
    X(REACH_COMMIT_REFUSED, "offset commit of an old generation refused")       \
    X(REACH_COMMIT_UNKNOWN, "offset commit with an unknown outcome")            \
    X(REACH_COMMIT_FOUND, "offset commit with an unknown outcome was stored")   \
    X(REACH_DEAD_LETTER, "dead letter written")                                 \
    X(REACH_DEDUPLICATED, "record deduplicated")                                \
    X(REACH_LATE, "late record")                                                \
    X(REACH_WINDOW, "window emitted")                                           \
    X(REACH_PARCELS, "processor output for another shard")                      \
    X(REACH_NO_FILES, "no file can be opened")                                  \
    X(REACH_NO_FILES_START, "start refused without descriptors")                \
    X(REACH_SLEEP, "process stopped for a while")                               \
    X(REACH_EXPIRED, "segment deleted because of its age")                      \
    X(REACH_OFFSET_EXPIRED, "committed offset expired")                         \
    X(REACH_DELETE_RECORDS, "records deleted by DeleteRecords")                 \
    X(REACH_GROWN, "partitions added")                                          \
    X(REACH_GROWN_UNKNOWN, "partitions added by a request without a reply")     \
    X(REACH_GROWN_RETRIED, "adding partitions was repeated, and was done")      \
    X(REACH_ALTERED, "config of a topic changed")                               \
    X(REACH_POLICY, "cleanup.policy changed")                                   \
    X(REACH_PROCESSOR_ALTERED, "config of a running processor changed")         \
    X(REACH_DESCRIBED, "changed config read back")                              \
    X(REACH_REUSED, "name of a deleted topic used again")                       \
    X(REACH_REUSED_OFFSET, "group with an offset of the deleted topic")         \
    X(REACH_CLEANED, "partition compacted")                                     \
    X(REACH_CLEANED_IN_PASSES, "compaction cut short by a full map")            \
    X(REACH_CRASH_IN_CLEANING, "crash in a step of a compaction")               \
    X(REACH_SWAP_UNDONE, "start removed the files of a compaction")             \
    X(REACH_SWAP_FINISHED, "start finished the swap of a compaction")           \
    X(REACH_HOLE, "consumer moved over a hole")                                 \
    X(REACH_POSITION_IN_HOLE, "consumer began inside a hole")                   \
    X(REACH_TOMBSTONE_KEPT, "deleted key whose tombstone is still there")       \
    X(REACH_TOMBSTONE_GONE, "deleted key whose tombstone has expired")

#define REACH_NAME(name, text) name,
enum reach { REACHES(REACH_NAME) REACH_COUNT };
#undef REACH_NAME

extern const char *const reach_texts[REACH_COUNT];

enum { CHRONICLE_LINES = 120, CHRONICLE_LINE_SIZE = 200 };

struct chronicle {
    uint64_t seed, hash, events;
    bool verbose;
    int64_t now_ms;
    uint64_t *reached; /* one count for each reach */
    char lines[CHRONICLE_LINES][CHRONICLE_LINE_SIZE];
};

void chronicle_init(struct chronicle *c, uint64_t seed, bool verbose, uint64_t *reached);
void chronicle_note(struct chronicle *c, const char *format, ...) PRINTF_LIKE(2, 3);
void chronicle_reach(struct chronicle *c, enum reach reach);
/* Prints the newest events, the broken rule and the command that replays the run; then ends the
 * process. */
__attribute__((noreturn)) void chronicle_fail(struct chronicle *c, const char *rule,
                                              const char *format, ...) PRINTF_LIKE(3, 4);

#endif
