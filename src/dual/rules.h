/*
 * rules.h - the rules of the protocol that keep effects exactly once and in order, by name.
 *
 * Always in force. A test may take one away (duet_rules_without) to see what it prevents: each
 * rule has a test that passes with it and shows the damage without it. Nothing but tests may
 * call it. The rule ONE, one request in flight per RocketMQ queue, is librmq's lane itself:
 * tests/component/test_one_in_flight.c breaks it by sending through two lanes.
 */
#ifndef DUAL_RULES_H
#define DUAL_RULES_H

enum duet_rule {
    DUET_RULE_PASS_OVER = 1 << 0, /* an id that is in the set is passed over */
    DUET_RULE_HOLES = 1 << 1,     /* the set keeps holes, not only the highest */
    DUET_RULE_ATOMIC = 1 << 2,    /* the set changes in the transaction of the effects */
    DUET_RULE_VERSION = 1 << 3,   /* a commit needs the version that was loaded */
    DUET_RULE_CURSOR = 1 << 4, /* the unread side's cursor moves over ids in the set only */
    DUET_RULE_SPLIT = 1 << 5,  /* after a switch the new side is read from its own cursor */
    DUET_RULE_MARK = 1 << 6,   /* the record before the cursor must be the one read then */
    DUET_RULE_FIFO = 1 << 7,   /* the secondary's lane keeps the primary's order */
    DUET_RULE_ONE = 1 << 8,    /* one request in flight per RocketMQ queue */
    DUET_RULE_LINK =
        1 << 9, /* a link closes numbers that were given up, or tells of them */
    DUET_RULE_BOOTGAP = 1 << 10, /* a link tells where the boot before ended */
    DUET_RULE_LANE = 1 << 11,    /* the lane to a new primary is empty before it is one */
    DUET_RULE_PEND =
        1 << 12, /* nothing in doubt at the old primary is missing at the new */
    DUET_RULE_FETCH = 1 << 13,  /* what the read side never had is taken from the other */
    DUET_RULE_BEFORE = 1 << 14, /* ... after all that its producer issued before it */
    DUET_RULE_ORDER = 1 << 15   /* a gap sets its producer's later messages aside */
};

/* All but these are in force; 0 again: all. Before any instance is opened. */
void duet_rules_without(unsigned rules);
int duet_rule(enum duet_rule rule);

#endif
