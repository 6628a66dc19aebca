/* Where in a block of memory a large frame should begin.
 *
 * Bytes that have the same position within a block in memory and in the segment's file are written
 * directly from memory (storage/segment_writer.h); other bytes are copied once more. So a produce
 * request's frame is placed according to the future position of its first batch, if its head shows
 * this. A wrong guess (another producer was faster, the segment rolls) only costs that copy. */
#ifndef BROKER_CONNECTION_FRAME_PHASE_H
#define BROKER_CONNECTION_FRAME_PHASE_H

#include "broker/shard.h"

/* `head` is the part of a frame that has arrived, without the length prefix. Returns the address
 * for its first byte modulo BUFFER_PHASES, or BUFFER_ANYWHERE. */
int frame_phase(struct shard *shard, struct bytes head);

#endif
