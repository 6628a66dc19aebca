/* One run of a campaign: a machine, its faults, and the clients that use the broker meanwhile.
 *
 * A client is an actor. It has at most one connection, and makes a new one when it lost the old
 * one. Its turn comes when its time has come and it is drawn. */
#ifndef TESTS_SIMULATION_SUPPORT_TRIAL_H
#define TESTS_SIMULATION_SUPPORT_TRIAL_H

#include "protocol/kafka_error.h"
#include "protocol/messages.h"
#include "tests/simulation/support_facts.h"
#include "tests/simulation/support_wire.h"

enum { TRIAL_ACTORS = 32 };

struct actor;
struct trial;

struct actor_ops {
    void (*act)(struct actor *a); /* its time has come, and it has a connection */
    void (*answered)(struct actor *a, struct exchange *e, const void *response);
    void (*lost)(struct actor *a); /* its exchanges have no answer */
    void (*free)(struct actor *a);
};

struct actor {
    struct wire_owner owner;
    const struct actor_ops *ops;
    struct trial *trial;
    struct wire *wire;
    char name[24];
    int64_t wake_ms;
    uint64_t successes; /* of what it is there for */
    bool resting;       /* it has nothing more to do */
};

struct trial {
    struct chronicle chronicle;
    struct machine machine;
    struct facts facts;
    struct actor *actors[TRIAL_ACTORS], *veteran;
    struct fact_group *veterans; /* its group */
    int actor_count;
    int64_t pace_ms;   /* between the actions of an actor, at most */
    bool calm;         /* the faults are over */
    int life_round;    /* everybody must do something in each round */
    int64_t healed_ms; /* since then */
    bool ending;       /* actors finish what they began, and begin nothing */
    bool keeps_groups; /* nothing happens that would change a group */
    bool drains;       /* fetchers read everything from the start */
    int drain_round;
    bool large_values;     /* some records have many kilobytes */
    int64_t full_until_ms; /* errors of a full disk may come until then */
};

/* --- for actors --- */

void actor_init(struct actor *a, struct trial *trial, const struct actor_ops *ops, const char *kind,
                int number);
/* Sends a request on the actor's connection. */
void actor_send(struct actor *a, int16_t api, int16_t version, const void *request,
                struct exchange *e);
/* Comes back after at most `ms` (a random time). */
void actor_wait(struct actor *a, int64_t ms);
/* Gives up the connection. */
void actor_hang_up(struct actor *a);
void actor_note(struct actor *a, const char *format, ...) PRINTF_LIKE(2, 3);
uint64_t actor_below(struct actor *a, uint64_t bound);
bool actor_once_in(struct actor *a, uint64_t n);
__attribute__((noreturn)) void actor_unexpected(struct actor *a, const char *what, int error);
/* Whether a request may be refused for want of space. */
bool trial_may_be_full(const struct trial *t, const struct exchange *e);

/* Whether requests may still be executed that their clients have given up. */
bool trial_has_late_requests(const struct trial *t);
/* Whether clients wait for requests that they sent up to this step. */
bool trial_has_requests_from(const struct trial *t, uint64_t step);

/* Connections of lost requests that may still be executed. */
struct late_requests {
    struct machine *machine;
    uint64_t *wires;
    size_t count, capacity;
};
void late_requests_add(struct late_requests *l, uint64_t wire);
bool late_requests_any(struct late_requests *l);
void late_requests_free(struct late_requests *l);

/* The kinds. */
struct actor *producer_create(struct trial *t, int number);
struct actor *fetcher_create(struct trial *t, int number);
struct actor *member_create(struct trial *t, int number, struct fact_group *group);
struct actor *committer_create(struct trial *t, int number, struct fact_group *group);
struct actor *veteran_create(struct trial *t, int number, struct fact_group *group);
struct actor *admin_create(struct trial *t, int number);
struct actor *operator_create(struct trial *t, int number);
struct actor *reuser_create(struct trial *t, int number);

/* --- for the campaign --- */

/* A step of the machine or of an actor; time passes when there is nothing to do now. */
void trial_step(struct trial *t);
/* Runs the chaos, then checks everything. */
void trial_run(struct trial *t, uint64_t seed, bool verbose, uint64_t *reached);

#endif
