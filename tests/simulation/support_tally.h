/* Accounts for every input record of the processors of a simulated run, from nothing but the
 * records that consumers have read: no code of the processors is used.
 *
 *   in = passed + duplicates + dead letters; passed = counted in windows + late
 *   in = even + odd (filtered) + dead letters
 *
 * A window's result has the number and the sum of exactly the records that belong to it. A window
 * without a result is not complete yet. */
#ifndef TESTS_SIMULATION_SUPPORT_TALLY_H
#define TESTS_SIMULATION_SUPPORT_TALLY_H

#include "tests/simulation/support_facts.h"

/* When everything was read. */
void tally_check(struct facts *f);

#endif
