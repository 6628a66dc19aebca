/* The rows of a simulated disk: a sorted array that every write replaces as a whole. */
#ifndef TESTS_SIMULATION_SUPPORT_KV_H
#define TESTS_SIMULATION_SUPPORT_KV_H

#include "tests/simulation/support_disk.h"

struct sim_kv_state *sim_kv_state_create(void);
struct sim_kv_state *sim_kv_state_ref(struct sim_kv_state *state);
void sim_kv_state_unref(struct sim_kv_state *state);

/* Sets up disk->driver and disk->kv. `refuse` may fail a write. `happened` is called once with the
 * old rows and once with the new ones, for a crash inside the write. */
void sim_kv_init(struct sim_disk *disk, enum error (*refuse)(struct sim_disk *disk, bool grows),
                 void (*happened)(struct sim_disk *disk));

#endif
