#include "model/id.h"

#include <string.h>

static const char *const side_names[DUET_SIDES] = {
    [DUET_KAFKA] = "kafka",
    [DUET_ROCKETMQ] = "rocketmq",
};

const char *duet_side_name(enum duet_side side)
{
    return (unsigned)side < DUET_SIDES ? side_names[side] : "unknown";
}

const char *duet_role_name(enum duet_role role)
{
    switch (role) {
    case DUET_LIVE:
        return "live";
    case DUET_SHADOW:
        return "shadow";
    case DUET_ROLES:
        break;
    }
    return "unknown";
}

bool duet_side_parse(const char *text, enum duet_side *side)
{
    for (unsigned i = 0; i < DUET_SIDES; i++) {
        if (strcmp(text, side_names[i]) == 0) {
            *side = (enum duet_side)i;
            return true;
        }
    }
    return false;
}

static void put(uint8_t *out, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t get(const uint8_t *in, int width)
{
    uint64_t value = 0;

    for (int i = 0; i < width; i++)
        value = value << 8 | in[i];
    return value;
}

/* | kind:4 instance:28 | boot:16 | partition:16 | sequence:48 |   big-endian */
void duet_id_encode(uint8_t out[DUET_ID_SIZE], const struct duet_id *id)
{
    put(out, (uint64_t)(id->kind & 0xf) << 28 | (id->instance & DUET_INSTANCE_MAX), 4);
    put(out + 4, id->boot, 2);
    put(out + 6, id->partition, 2);
    put(out + 8, id->sequence, 6);
}

void duet_id_decode(struct duet_id *id, const uint8_t in[DUET_ID_SIZE])
{
    uint32_t first = (uint32_t)get(in, 4);

    id->kind = (uint8_t)(first >> 28);
    id->instance = first & DUET_INSTANCE_MAX;
    id->boot = (uint16_t)get(in + 4, 2);
    id->partition = (uint16_t)get(in + 6, 2);
    id->sequence = get(in + 8, 6);
}

struct duet_id duet_id_of_number(struct dt_u128 x)
{
    struct duet_id id;

    id.kind = (uint8_t)(x.hi >> 44 & 0xf);
    id.instance = (uint32_t)(x.hi >> 16) & DUET_INSTANCE_MAX;
    id.boot = (uint16_t)x.hi;
    id.partition = (uint16_t)(x.lo >> 48);
    id.sequence = x.lo & DUET_SEQUENCE_MAX;
    return id;
}

bool duet_id_equal(const struct duet_id *a, const struct duet_id *b)
{
    return a->sequence == b->sequence && a->instance == b->instance && a->boot == b->boot &&
           a->partition == b->partition && a->kind == b->kind;
}

void duet_id_text(char out[DUET_ID_TEXT_SIZE], const struct duet_id *id)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[DUET_ID_SIZE];

    duet_id_encode(bytes, id);
    for (size_t i = 0; i < DUET_ID_SIZE; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * DUET_ID_SIZE] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool duet_id_parse(struct duet_id *id, const char *text)
{
    uint8_t bytes[DUET_ID_SIZE];

    if (strlen(text) != 2 * DUET_ID_SIZE)
        return false;
    for (size_t i = 0; i < DUET_ID_SIZE; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    duet_id_decode(id, bytes);
    return true;
}
