/*
 * crc32c.h - CRC-32C (Castagnoli), the checksum of the journal's records.
 *
 * With the processor's own instruction where it has one, else by tables; both give the same.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what was summed so far (`crc`; 0 to begin) and `size` more bytes. */
uint32_t dt_crc32c(uint32_t crc, const void *data, size_t size);

/* The same by tables alone, on every processor: for the test that compares the two. */
uint32_t dt_crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
