#include "dual/numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"

enum { TOPIC_SIZE = 252, SLOTS = 55, FILE_MAX = 1 << 28 };

static const char magic[16] = "duet-numbers 1\n";

/* All in the byte order of the machine: the file never leaves it. */
struct head {
    char magic[16];
    char kernel[40]; /* boot id of the kernel that the stores were made under */
    uint32_t lane_size, lane_count;
    uint32_t crc; /* of what stands before it */
    uint8_t zeros[60];
};

struct slot {
    uint8_t kind, zero;
    uint16_t boot;
    uint32_t instance;
    uint64_t from;
    _Atomic uint64_t to; /* 0: free. Stored last when it is filled, alone when it grows */
    uint32_t crc;        /* of kind, boot, instance, from */
    uint32_t zeros;
};

struct duet_numbers_lane {
    char topic[TOPIC_SIZE];
    int32_t partition;
    uint32_t instance;
    uint32_t boot;
    uint32_t crc;             /* of what stands before it */
    _Atomic uint32_t crowded; /* entries that found no slot */
    _Atomic uint64_t next;
    uint64_t zero;
    struct slot slots[SLOTS];
};

_Static_assert(sizeof(struct head) == 128, "the head is 128 bytes");
_Static_assert(sizeof(struct slot) == 32, "a slot is 32 bytes");
_Static_assert(sizeof(struct duet_numbers_lane) == 2048, "a lane is 2048 bytes");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "a store of 64 bits is one");

struct duet_numbers {
    void *map;
    size_t size;
};

/* ---- parts ---- */

/* "" where it cannot be read: never equal to one that could. */
static void kernel_boot(char out[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, out, 36) : -1;

    if (fd >= 0)
        close(fd);
    memset(out + (size == 36 ? 36 : 0), 0, size == 36 ? 4 : 40);
}

static uint32_t head_crc(const struct head *head)
{
    return dt_crc32c(0, head, offsetof(struct head, crc));
}

static uint32_t lane_crc(const struct duet_numbers_lane *lane)
{
    return dt_crc32c(0, lane, offsetof(struct duet_numbers_lane, crc));
}

static uint32_t slot_crc(const struct slot *slot)
{
    return dt_crc32c(0, slot, offsetof(struct slot, to));
}

static uint64_t end_of(const struct slot *slot)
{
    return atomic_load_explicit(&slot->to, memory_order_relaxed);
}

/* Whatever is half done when the process is killed, is either not there or as it was. */
static void set_end(struct slot *slot, uint64_t to)
{
    atomic_store_explicit(&slot->to, to, memory_order_release);
}

/* ---- while the producer runs ---- */

void duet_numbers_next(struct duet_numbers_lane *lane, uint64_t next)
{
    atomic_store_explicit(&lane->next, next, memory_order_release);
}

static bool is_of(const struct slot *slot, const struct duet_link_entry *entry)
{
    return end_of(slot) != 0 && slot->kind == entry->kind && slot->boot == entry->boot &&
           slot->instance == entry->instance;
}

static struct slot *find_free(struct duet_numbers_lane *lane)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (end_of(&lane->slots[i]) == 0)
            return &lane->slots[i];
    return NULL;
}

static bool fill(struct duet_numbers_lane *lane, const struct duet_link_entry *entry)
{
    struct slot *slot = find_free(lane);

    if (slot == NULL)
        return false;
    slot->kind = entry->kind;
    slot->zero = 0;
    slot->boot = entry->boot;
    slot->instance = entry->instance;
    slot->from = entry->from;
    slot->crc = slot_crc(slot);
    set_end(slot, entry->to);
    return true;
}

void duet_numbers_keep(struct duet_numbers_lane *lane, const struct duet_link_entry *entry)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &lane->slots[i];

        if (!is_of(slot, entry) || entry->from < slot->from || entry->from > end_of(slot))
            continue;
        if (entry->to > end_of(slot))
            set_end(slot, entry->to);
        return;
    }
    if (!fill(lane, entry))
        atomic_fetch_add_explicit(&lane->crowded, 1, memory_order_relaxed);
}

/* What is left of a slot behind the entry goes to a slot of its own first. With none free all of
 * it stays: what is told twice does no harm. */
static void cut(struct duet_numbers_lane *lane, struct slot *slot,
                const struct duet_link_entry *entry)
{
    uint64_t to = end_of(slot);
    struct duet_link_entry rest = *entry;

    rest.from = entry->to;
    rest.to = to;
    if (entry->to < to && !fill(lane, &rest))
        return;
    set_end(slot, slot->from < entry->from ? entry->from : 0);
}

void duet_numbers_forget(struct duet_numbers_lane *lane,
                         const struct duet_link_entry *entry)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &lane->slots[i];

        if (is_of(slot, entry) && slot->from < entry->to && entry->from < end_of(slot))
            cut(lane, slot, entry);
    }
}

/* ---- what an earlier process left ---- */

static void untold(const struct duet_numbers_name *name,
                   const struct duet_link_entry *entry)
{
    if (!duet_link_list_add(name->untold, entry))
        dt_log_error("no memory to tell of numbers of %s/%d", name->topic,
                     (int)name->partition);
}

static void read_slot(const struct duet_numbers_name *name, const struct slot *slot,
                      const char *path)
{
    struct duet_link_entry entry = {slot->kind, slot->instance, slot->boot, slot->from,
                                    end_of(slot)};

    if (entry.to == 0)
        return;
    if (slot->crc != slot_crc(slot) || !duet_link_entry_valid(&entry))
        dt_log_error("%s: an entry of %s/%d is damaged; numbers that were given up before "
                     "may show as gaps",
                     path, name->topic, (int)name->partition);
    else
        untold(name, &entry);
}

static void read_lane(const struct duet_numbers_name *name,
                      const struct duet_numbers_lane *lane, bool exact, const char *path)
{
    uint64_t next = atomic_load(&lane->next);
    struct duet_link_entry ended = {.kind =
                                        exact ? DUET_LINK_ENDED : DUET_LINK_ENDED_AT_LEAST,
                                    .instance = lane->instance,
                                    .boot = (uint16_t)lane->boot,
                                    .to = next};

    if (next > 0 && duet_link_entry_valid(&ended))
        untold(name, &ended);
    else if (next > 0)
        dt_log_error("%s: the last number of %s/%d is damaged: where the boot before ended "
                     "is not known",
                     path, name->topic, (int)name->partition);
    for (size_t i = 0; i < SLOTS; i++)
        read_slot(name, &lane->slots[i], path);
    if (atomic_load(&lane->crowded) > 0)
        dt_log_warning("%s: %" PRIu32 " ranges of %s/%d that were given up found no room; "
                       "they may show as gaps",
                       path, atomic_load(&lane->crowded), name->topic,
                       (int)name->partition);
}

static const struct duet_numbers_name *find_name(const struct duet_numbers_name *names,
                                                 size_t count,
                                                 const struct duet_numbers_lane *lane)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].partition == lane->partition &&
            strncmp(names[i].topic, lane->topic, sizeof(lane->topic)) == 0)
            return &names[i];
    return NULL;
}

/* `bytes` are aligned as the allocator aligns. */
static bool read_head(struct dt_span bytes, struct head *head)
{
    if (bytes.size < sizeof(*head))
        return false;
    memcpy(head, bytes.data, sizeof(*head));
    return memcmp(head->magic, magic, sizeof(magic)) == 0 && head->crc == head_crc(head) &&
           head->lane_size == sizeof(struct duet_numbers_lane) &&
           (bytes.size - sizeof(*head)) / head->lane_size == head->lane_count &&
           (bytes.size - sizeof(*head)) % head->lane_size == 0;
}

/* Kept beside the new one, for who wants to look. */
static void set_aside(const char *path, const char *why)
{
    char aside[PATH_MAX + 32];

    snprintf(aside, sizeof(aside), "%s.damaged", path);
    dt_log_error(
        "%s: %s: where the boot before ended and what it gave up is not known, and "
        "may show as gaps; the file is kept as %s",
        path, why, aside);
    (void)rename(path, aside);
}

static dt_status read_file(const char *path, const struct duet_numbers_name *names,
                           size_t count)
{
    struct dt_buf bytes;
    struct head head;
    char kernel[40];
    dt_status status;

    dt_buf_init(&bytes, FILE_MAX);
    status = dt_file_read(path, &bytes);
    if (status != DT_OK) {
        dt_buf_fini(&bytes);
        if (status == DT_ENOMEM)
            return status;
        if (status != DT_ENOTFOUND)
            set_aside(path, dt_error_text());
        return DT_OK;
    }
    kernel_boot(kernel);
    if (!read_head(dt_buf_span(&bytes), &head)) {
        set_aside(path, "it is damaged, or no numbers file of duet");
        dt_buf_fini(&bytes);
        return DT_OK;
    }
    for (uint32_t i = 0; i < head.lane_count; i++) {
        struct duet_numbers_lane lane;
        const struct duet_numbers_name *name;

        memcpy(&lane, bytes.data + sizeof(head) + i * sizeof(lane), sizeof(lane));
        name = find_name(names, count, &lane);
        if (lane.crc != lane_crc(&lane))
            dt_log_error("%s: partition %" PRIu32 " of it is damaged; what the boot before "
                         "gave up there may show as gaps",
                         path, i);
        else if (name == NULL)
            dt_log_warning("%s: %.*s/%d is no partition of the plan any more", path,
                           TOPIC_SIZE, lane.topic, (int)lane.partition);
        else
            read_lane(name, &lane,
                      kernel[0] != '\0' && memcmp(kernel, head.kernel, sizeof(kernel)) == 0,
                      path);
    }
    dt_buf_fini(&bytes);
    return DT_OK;
}

/* ---- open and close ---- */

static size_t file_size(size_t count)
{
    return sizeof(struct head) + count * sizeof(struct duet_numbers_lane);
}

static dt_status write_file(const char *path, uint32_t instance, uint16_t boot,
                            const struct duet_numbers_name *names, size_t count)
{
    uint8_t *bytes = calloc(1, file_size(count));
    struct head head = {.lane_size = sizeof(struct duet_numbers_lane),
                        .lane_count = (uint32_t)count};
    dt_status status;

    if (bytes == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the numbers of %zu partitions",
                            count);
    memcpy(head.magic, magic, sizeof(magic));
    kernel_boot(head.kernel);
    head.crc = head_crc(&head);
    memcpy(bytes, &head, sizeof(head));
    for (size_t i = 0; i < count; i++) {
        struct duet_numbers_lane *lane =
            (struct duet_numbers_lane *)(void *)(bytes + sizeof(head)) + i;

        snprintf(lane->topic, sizeof(lane->topic), "%s", names[i].topic);
        lane->partition = names[i].partition;
        lane->instance = instance;
        lane->boot = boot;
        lane->crc = lane_crc(lane);
        for (size_t k = 0; k < names[i].untold->count; k++)
            duet_numbers_keep(lane, &names[i].untold->entries[k]);
    }
    status = dt_file_replace(path, bytes, file_size(count), 0644);
    free(bytes);
    return status;
}

static dt_status map_file(const char *path, struct duet_numbers *numbers)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat found;
    int error = 0;

    if (fd < 0)
        return dt_error_set(DT_EIO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &found) != 0 || (size_t)found.st_size != numbers->size)
        error = EIO; /* a shorter one would end the process at the first store */
    else
        numbers->map = mmap(NULL, numbers->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (error == 0 && numbers->map == MAP_FAILED)
        error = errno;
    close(fd);
    if (error == 0)
        return DT_OK;
    numbers->map = NULL;
    return dt_error_set(error == ENOMEM ? DT_ENOMEM : DT_EIO, "%s: %s", path,
                        strerror(error));
}

dt_status duet_numbers_open(const char *folder, uint32_t instance, uint16_t boot,
                            const struct duet_numbers_name *names, size_t count,
                            struct duet_numbers_lane **lanes, struct duet_numbers **out)
{
    struct duet_numbers *numbers = calloc(1, sizeof(*numbers));
    char path[PATH_MAX + 16];
    dt_status status;

    *out = NULL;
    if (numbers == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the numbers file");
    numbers->size = file_size(count);
    snprintf(path, sizeof(path), "%s/numbers", folder);
    status = read_file(path, names, count);
    if (status == DT_OK)
        status = write_file(path, instance, boot, names, count);
    if (status == DT_OK)
        status = map_file(path, numbers);
    if (status != DT_OK) {
        free(numbers);
        return dt_error_wrap(status, "the numbers file");
    }
    for (size_t i = 0; i < count; i++)
        lanes[i] = (struct duet_numbers_lane *)(void *)((uint8_t *)numbers->map +
                                                        sizeof(struct head)) +
                   i;
    *out = numbers;
    return DT_OK;
}

void duet_numbers_close(struct duet_numbers *numbers)
{
    if (numbers == NULL)
        return;
    munmap(numbers->map, numbers->size);
    free(numbers);
}
