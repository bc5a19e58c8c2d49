/*
 * schema.h - every key of the configuration file, once.
 *
 * The table drives reading, defaults, errors and docs/configuration.md. Only config/ includes
 * this.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stddef.h>

#include "config/config.h"

enum duet_shape {
    DUET_SHAPE_SCALAR,   /* one value, stored by `store` */
    DUET_SHAPE_NAMES,    /* a list of names */
    DUET_SHAPE_SETTINGS, /* any key, text values */
    DUET_SHAPE_SECTION,  /* a mapping whose keys are the rows of section `name` */
    DUET_SHAPE_ROUTES    /* a list of mappings, rows of section DUET_SECTION_ROUTE */
};

#define DUET_SECTION_ROUTE "routes[]"

/* A value being stored: who asks, and room for a better sentence than "found, allowed". */
struct duet_storing {
    const struct duet_schema_key *key;
    const char *folder; /* absolute; relative paths start here */
    char
        sentence[256]; /* "" at first; set by a store function that refuses with a reason */
};

/* Reads `text` into `field`; DT_EINVAL: not allowed; DT_ENOMEM. */
typedef dt_status (*duet_store_fn)(struct duet_storing *storing, const char *text,
                                   void *field);

struct duet_schema_key {
    const char *section; /* "" at the top */
    const char *name;
    enum duet_shape shape;
    const char *type;          /* for people */
    const char *fallback;      /* the default as it would be written; NULL: required */
    const char *fallback_test; /* under `gates: {preset: test}`; NULL: the same */
    const char *allowed;       /* for people: the end of "...; allowed is" */
    const char *about;         /* what it does: a sentence or two */
    duet_store_fn store;
    size_t offset;    /* in duet_config, or in duet_route_config for a route's keys */
    int64_t min, max; /* of numbers */
};

extern const struct duet_schema_key duet_schema[];
extern const size_t duet_schema_count;

const struct duet_schema_key *duet_schema_find(const char *section, const char *name);

/* "a, b, c": the keys of a section. */
void duet_schema_names(struct dt_buf *out, const char *section);

/* Kafka properties that duet sets itself: another value would break what it promises. Ends
 * with NULL. */
extern const char *const duet_schema_kafka_own[];
bool duet_schema_kafka_owned(const char *name);

#endif
