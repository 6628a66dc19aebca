/* CRC-32C (Castagnoli), as Kafka's batches and our journal frames use it. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `size` bytes; to go on over several pieces pass the last result as `crc`, at
 * first 0. Uses the SSE 4.2 instruction where the CPU has it. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
