/*
 * md5.h - MD5 (RFC 1321), for others' formats that are made of it; it secures nothing.
 *
 * Pure.
 */
#ifndef BASE_MD5_H
#define BASE_MD5_H

#include <stddef.h>
#include <stdint.h>

#define DT_MD5_SIZE 16

void dt_md5(const void *data, size_t size, uint8_t out[DT_MD5_SIZE]);

#endif
