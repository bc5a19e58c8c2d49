/*
 * limits.h - the configuration's gates as the model takes them.
 */
#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include "config/config.h"
#include "model/gates.h"

static inline struct duet_gate_limits cli_limits(const struct duet_config *config)
{
    struct duet_gate_limits limits = {
        .windows_min = config->gates.windows_min,
        .span_min_s = config->gates.span_min_s,
        .dual_write_min_s = config->gates.dual_write_min_s,
        .lag_max = config->gates.lag_max,
        .retention_compared = config->gates.retention_compared,
    };

    return limits;
}

#endif
