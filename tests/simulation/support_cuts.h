/* The files that a power cut at a moment of a recording (support_recorder.h) may leave.
 *
 * A sync of a file makes its content durable. Of later writes, a cut keeps none, all, the first
 * ones, or any pages or sectors. The size of a file may have grown without its data, which is then
 * zeros, or the data may be lost because the size did not grow. There are two rules for names:
 *
 * - CUT_ORDERED: as ext4 and XFS do by default, which have one journal for all names. Names come
 *   and go on the disk in the order of the calls, in all directories. A sync of a directory with
 *   changed names, or of a file that is new or was written to, makes all names before it durable.
 * - CUT_ANY: what every file system must do. The sync of a new file makes its own name durable, as
 *   ext4, XFS and btrfs promise beyond POSIX and as LevelDB needs: it never syncs a directory
 *   for a log or a table. The sync of a directory makes the names in it durable. Each other change
 *   of a name is kept or lost, independent of all others.
 *
 * With both, a rename is one change: the old name goes if and only if the new one comes. */
#ifndef TESTS_SIMULATION_SUPPORT_CUTS_H
#define TESTS_SIMULATION_SUPPORT_CUTS_H

#include "base/random.h"
#include "tests/simulation/support_recorder.h"

enum cut_names { CUT_ORDERED, CUT_ANY };

/* The disk at a moment of a recording. */
struct cut_disk;
struct cut_disk *cut_disk_create(const struct recording *recording, enum cut_names names);
void cut_disk_free(struct cut_disk *disk);
/* Goes on to the moment before event `position`. */
void cut_disk_advance(struct cut_disk *disk, size_t position);
/* The files after a power cut. The caller frees them. */
struct image cut_disk_lose_power(const struct cut_disk *disk, struct random *random);
/* The files when the process ends and the machine continues. */
struct image cut_disk_kill(const struct cut_disk *disk);

#endif
