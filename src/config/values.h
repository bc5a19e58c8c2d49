/*
 * values.h - how the text of one value becomes a field of the configuration.
 *
 * Each function is a duet_store_fn; text fields are freed by duet_config_free().
 */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include "config/schema.h"

dt_status duet_store_text(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_server(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_optional(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_migration(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_store(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_path(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_optional_path(struct duet_storing *storing, const char *text,
                                   void *field);
dt_status duet_store_addresses(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_integer(struct duet_storing *storing, const char *text, void *field);
/* The same, or 0 where the range begins higher. */
dt_status duet_store_integer_or_none(struct duet_storing *storing, const char *text,
                                     void *field);
dt_status duet_store_partitions(struct duet_storing *storing, const char *text,
                                void *field);
dt_status duet_store_bytes(struct duet_storing *storing, const char *text, void *field);
/* The same, or 0 where the range begins higher. */
dt_status duet_store_bytes_or_none(struct duet_storing *storing, const char *text,
                                   void *field);
dt_status duet_store_boolean(struct duet_storing *storing, const char *text, void *field);
/* One of the words in `allowed`, separated by ", " or " or ". */
dt_status duet_store_choice(struct duet_storing *storing, const char *text, void *field);
/* Only the default is done so far; nothing is stored. */
dt_status duet_store_only(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_topic(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_rmq_topic(struct duet_storing *storing, const char *text, void *field);
dt_status duet_store_zone(struct duet_storing *storing, const char *text, void *field);

bool duet_group_name_legal(const char *name);

#endif
