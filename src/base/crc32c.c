#include "base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL 0x82F63B78u /* reversed 0x1EDC6F41 */

static uint32_t tables[8][256];
static bool has_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        tables[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int n = 1; n < 8; n++)
            tables[n][byte] =
                (tables[n - 1][byte] >> 8) ^ tables[0][tables[n - 1][byte] & 0xff];
#if defined(__x86_64__)
    has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#endif
}

uint32_t dt_crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *at = data;

    pthread_once(&once, prepare);
    crc = ~crc;
    for (; size >= 8; at += 8, size -= 8) {
        crc ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
               (uint32_t)at[3] << 24;
        crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^
              tables[5][crc >> 16 & 0xff] ^ tables[4][crc >> 24] ^ tables[3][at[4]] ^
              tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
    }
    for (; size > 0; at++, size--)
        crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *at, size_t size)
{
    uint64_t sum = ~crc;

    for (; size >= 8; at += 8, size -= 8) {
        uint64_t eight;

        memcpy(&eight, at, sizeof(eight));
        sum = _mm_crc32_u64(sum, eight);
    }
    for (; size > 0; at++, size--)
        sum = _mm_crc32_u8((uint32_t)sum, *at);
    return ~(uint32_t)sum;
}
#endif

uint32_t dt_crc32c(uint32_t crc, const void *data, size_t size)
{
    pthread_once(&once, prepare);
#if defined(__x86_64__)
    if (has_instruction)
        return by_instruction(crc, data, size);
#endif
    return dt_crc32c_portable(crc, data, size);
}
