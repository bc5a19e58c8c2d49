#include "model/marks.h"

#include "base/status.h"

/* With three neighbours at distances near < middle < far from the newest, the middle one goes
 * once far <= 4 * near. So distances grow by a factor of 4 at most from one mark to the next
 * and by more than 4 over any two, which keeps about 20 for a log of 10^9. */
enum { GROWTH = 4 };
enum { ENCODING = 1, MARK_SIZE = 8 + DUET_ID_SIZE + 8 };

void duet_marks_init(struct duet_marks *marks)
{
    memset(marks, 0, sizeof(*marks));
}

/* Positions are offsets of a log, so differences do not overflow. */
static int64_t distance(const struct duet_marks *marks, size_t index)
{
    return marks->mark[marks->count - 1].position - marks->mark[index].position;
}

static void drop(struct duet_marks *marks, size_t index)
{
    memmove(&marks->mark[index], &marks->mark[index + 1],
            (marks->count - index - 1) * sizeof(marks->mark[0]));
    marks->count--;
}

/* The mark whose loss leaves the smallest step between its neighbours. */
static size_t most_crowded(const struct duet_marks *marks)
{
    size_t best = 1;
    double best_step = 0;

    for (size_t i = marks->count - 2; i >= 1; i--) {
        double step = (double)distance(marks, i - 1) / (double)distance(marks, i + 1);

        if (i + 1 == marks->count - 1)
            continue; /* the record before the newest stays */
        if (best_step <= 0 || step < best_step) {
            best_step = step;
            best = i;
        }
    }
    return best;
}

/* One at most goes for each that comes, the nearest first: it is the nearest that crowd. */
static void thin(struct duet_marks *marks)
{
    for (size_t i = marks->count - 1; i-- > 1;) {
        int64_t near = distance(marks, i + 1), far = distance(marks, i - 1);

        if ((far - 1) / GROWTH < near) { /* far <= GROWTH * near, without overflow */
            drop(marks, i);
            return;
        }
    }
}

void duet_marks_truncate(struct duet_marks *marks, int64_t position)
{
    while (marks->count > 0 && marks->mark[marks->count - 1].position >= position)
        marks->count--;
}

void duet_marks_add(struct duet_marks *marks, int64_t position, const struct duet_id *id,
                    uint64_t broker_mark)
{
    struct duet_mark *mark;

    duet_marks_truncate(marks, position);
    if (marks->count == DUET_MARKS_MAX)
        drop(marks, most_crowded(marks));
    mark = &marks->mark[marks->count++];
    mark->position = position;
    mark->id = *id;
    mark->broker_mark = broker_mark;
    thin(marks);
}

const struct duet_mark *duet_marks_before(const struct duet_marks *marks, int64_t position)
{
    for (size_t i = marks->count; i-- > 0;)
        if (marks->mark[i].position < position)
            return &marks->mark[i];
    return NULL;
}

bool duet_mark_matches(const struct duet_mark *mark, const struct duet_id *id,
                       uint64_t broker_mark)
{
    return duet_id_equal(&mark->id, id) && mark->broker_mark == broker_mark;
}

void duet_marks_encode(const struct duet_marks *marks, struct dt_buf *out)
{
    dt_buf_put_u8(out, ENCODING);
    for (size_t i = 0; i < marks->count; i++) {
        uint8_t id[DUET_ID_SIZE];

        duet_id_encode(id, &marks->mark[i].id);
        dt_buf_put_u64(out, (uint64_t)marks->mark[i].position);
        dt_buf_put(out, id, sizeof(id));
        dt_buf_put_u64(out, marks->mark[i].broker_mark);
    }
}

static dt_status corrupt(struct duet_marks *marks)
{
    duet_marks_init(marks);
    return dt_error_set(DT_ECORRUPT, "the marks of a cursor are corrupt");
}

dt_status duet_marks_decode(struct duet_marks *marks, struct dt_span bytes)
{
    struct dt_scan scan = dt_scan_of(bytes);

    duet_marks_init(marks);
    if (bytes.size == 0)
        return DT_OK; /* a cursor at the beginning */
    if (dt_scan_u8(&scan) != ENCODING || scan.left % MARK_SIZE != 0 ||
        scan.left / MARK_SIZE > DUET_MARKS_MAX)
        return corrupt(marks);
    while (scan.left > 0) {
        struct duet_mark *mark = &marks->mark[marks->count];

        mark->position = dt_scan_i64(&scan);
        duet_id_decode(&mark->id, dt_scan_bytes(&scan, DUET_ID_SIZE).data);
        mark->broker_mark = dt_scan_u64(&scan);
        if (mark->position < 0 ||
            (marks->count > 0 && mark->position <= marks->mark[marks->count - 1].position))
            return corrupt(marks);
        marks->count++;
    }
    return DT_OK;
}
