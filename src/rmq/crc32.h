/*
 * crc32.h - CRC-32 (IEEE 802.3), which guards the body of a stored message.
 *
 * By carry-less multiplication where the processor has it, else and for what is short by zlib;
 * both give the same. Pure. Thread: any.
 */
#ifndef RMQ_CRC32_H
#define RMQ_CRC32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t rmq_crc32(const void *data, size_t size);

/* True if rmq_crc32() does not leave all of it to zlib here. */
bool rmq_crc32_has_instruction(void);

#endif
