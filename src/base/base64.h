/*
 * base64.h - base64url without padding (RFC 4648 section 5), as stamps travel in RocketMQ.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DT_BASE64_SIZE(bytes) (((bytes)*4 + 2) / 3)

/* Writes DT_BASE64_SIZE(size) characters to `out`, no NUL. */
void dt_base64_encode(char *out, const void *data, size_t size);

/* Decodes `length` characters into `out`, which holds length * 3 / 4 bytes. False, with
 * *size = 0, if a character, the length or the unused low bits are not canonical, so that two
 * texts never mean the same bytes. */
bool dt_base64_decode(uint8_t *out, size_t *size, const char *text, size_t length);

#endif
