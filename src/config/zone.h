/*
 * zone.h - a time zone as a value: UTC, a fixed offset, or an IANA name from the system's
 * zone files (TZif). The C library knows one zone per process; a library must not change it.
 */
#ifndef CONFIG_ZONE_H
#define CONFIG_ZONE_H

#include <stdint.h>

#include "rmq/status.h"

struct duet_zone;

/* "UTC", "+08:00", "-03:30" or an IANA name. DT_EINVAL names what is allowed. */
dt_status duet_zone_load(const char *name, struct duet_zone **out);
void duet_zone_free(struct duet_zone *zone);
/* Seconds east of UTC at that moment. Thread: any. */
int32_t duet_zone_offset_s(const struct duet_zone *zone, int64_t wall_ms);

#endif
