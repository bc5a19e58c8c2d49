/*
 * address.h - "host:port" texts. Pure.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define DT_HOST_SIZE 256 /* NUL included */

struct dt_address {
    char host[DT_HOST_SIZE]; /* without the brackets of an IPv6 address */
    char port[6];            /* 1 to 65535 in digits */
};

/* Splits at the last colon: "localhost:9876", "10.0.0.1:9876", "[::1]:9876", "::1:9876". False
 * if a part is missing or wrong. `length` characters of `text` count. */
bool dt_address_parse(const char *text, size_t length, struct dt_address *out);

#endif
