#include "dual/rules.h"

#include <stdatomic.h>

static atomic_uint without;

void duet_rules_without(unsigned rules)
{
    atomic_store(&without, rules);
}

int duet_rule(enum duet_rule rule)
{
    return (atomic_load_explicit(&without, memory_order_relaxed) & (unsigned)rule) == 0;
}
