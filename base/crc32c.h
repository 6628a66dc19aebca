/* CRC-32C (Castagnoli), for Kafka's batches and our journal frames. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `size` bytes. `crc` is 0 for the first piece, and the last result for each
 * further piece. Uses the SSE 4.2 instruction if the CPU has it. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
