/* Where in a block of memory a large frame should begin.
 *
 * Bytes that lie in memory as they will lie in the segment's file, modulo the block, are written to
 * it from there (storage/segment_writer.h); others are copied once more. So the frame of a produce
 * request is placed by where its first batch will go, as far as its head tells. A wrong guess
 * (another producer was faster, the segment rolls) costs that copy, no more. */
#ifndef BROKER_CONNECTION_FRAME_PHASE_H
#define BROKER_CONNECTION_FRAME_PHASE_H

#include "broker/shard.h"

/* `head` is the beginning of a frame without its length, as much of it as has come. The address of
 * its first byte, modulo BUFFER_PHASES; or BUFFER_ANYWHERE. */
int frame_phase(struct shard *shard, struct bytes head);

#endif
