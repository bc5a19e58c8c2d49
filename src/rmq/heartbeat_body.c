/* What a heartbeat says of our groups. */
#include <string.h>

#include "rmq/heartbeat.h"
#include "rmq/tags.h"

/* Java's hash of a string: 31 h + u over UTF-16 units. */
static int32_t java_hash(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    uint32_t hash = 0;

    while (*at != 0) {
        unsigned more = *at >= 0xF0 ? 3 : *at >= 0xE0 ? 2 : *at >= 0xC0 ? 1 : 0;
        uint32_t rune = more == 0 ? *at : *at & (0x3Fu >> more);

        for (at++; more > 0 && *at != 0; more--)
            rune = rune << 6 | (*at++ & 0x3Fu);
        if (rune >= 0x10000) {
            hash = 31 * hash + (0xD800u + ((rune - 0x10000) >> 10));
            rune = 0xDC00u + (rune & 0x3FFu);
        }
        hash = 31 * hash + rune;
    }
    return (int32_t)hash;
}

static void write_tags(struct dt_json *json, const struct rmq_tag_filter *tags,
                       bool as_hashes)
{
    const char *name = tags == NULL ? NULL : tags->names;

    dt_json_array(json);
    for (size_t i = 0; tags != NULL && i < tags->count; i++) {
        if (as_hashes)
            dt_json_int(json, java_hash(name));
        else
            dt_json_string(json, name);
        name += strlen(name) + 1;
    }
    dt_json_array_end(json);
}

void rmq_member_write_subscription(struct dt_json *json, const struct rmq_member *member)
{
    dt_json_object(json);
    dt_json_kv_string(json, "topic", member->topic);
    dt_json_kv_string(json, "subString",
                      member->expression == NULL ? "*" : member->expression);
    dt_json_kv_string(json, "expressionType", "TAG");
    dt_json_kv_bool(json, "classFilterMode", false);
    dt_json_kv_int(json, "subVersion", member->since_wall_ms);
    dt_json_key(json, "tagsSet");
    write_tags(json, member->tags, false);
    dt_json_key(json, "codeSet");
    write_tags(json, member->tags, true);
    dt_json_object_end(json);
}

static bool is_consumer_of(const struct rmq_member *member, const char *group)
{
    return member->topic != NULL && strcmp(member->group, group) == 0;
}

/* A group with all its topics, where its first member stands. */
static void write_consumer(struct dt_json *json, const struct rmq_heartbeat *heartbeat,
                           const struct rmq_member *first)
{
    const struct dt_link *link;

    for (link = heartbeat->members.next; link != &first->link; link = link->next)
        if (is_consumer_of(DT_CONTAINER(link, struct rmq_member, link), first->group))
            return;
    dt_json_object(json);
    dt_json_kv_string(json, "groupName", first->group);
    dt_json_kv_string(json, "consumeType",
                      first->from_where == NULL ? "CONSUME_ACTIVELY" : "CONSUME_PASSIVELY");
    dt_json_kv_string(json, "messageModel", "CLUSTERING");
    dt_json_kv_string(json, "consumeFromWhere",
                      first->from_where == NULL ? "CONSUME_FROM_FIRST_OFFSET"
                                                : first->from_where);
    dt_json_kv_bool(json, "unitMode", false);
    dt_json_key(json, "subscriptionDataSet");
    dt_json_array(json);
    for (link = &first->link; link != &heartbeat->members; link = link->next) {
        const struct rmq_member *member = DT_CONTAINER(link, struct rmq_member, link);

        if (is_consumer_of(member, first->group))
            rmq_member_write_subscription(json, member);
    }
    dt_json_array_end(json);
    dt_json_object_end(json);
}

void rmq_heartbeat_write_members(struct dt_json *json,
                                 const struct rmq_heartbeat *heartbeat, bool consumers)
{
    const struct dt_link *link;

    dt_json_array(json);
    for (link = heartbeat->members.next; link != &heartbeat->members; link = link->next) {
        const struct rmq_member *member = DT_CONTAINER(link, struct rmq_member, link);

        if ((member->topic != NULL) != consumers)
            continue;
        if (consumers) {
            write_consumer(json, heartbeat, member);
            continue;
        }
        dt_json_object(json);
        dt_json_kv_string(json, "groupName", member->group);
        dt_json_object_end(json);
    }
    dt_json_array_end(json);
}
