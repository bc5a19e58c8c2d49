#include "model/text.h"

enum { INVALID = 0x110000 /* above all code points */ };

/* Takes one code point off the front; INVALID for anything but the shortest form of a scalar
 * value (RFC 3629). */
static uint32_t next_code_point(struct dt_scan *scan)
{
    uint32_t first = dt_scan_u8(scan), point, least;
    int more;

    if (first < 0x80)
        return first;
    if (first >= 0xc2 && first <= 0xdf) {
        more = 1;
        point = first & 0x1f;
        least = 0x80;
    } else if (first >= 0xe0 && first <= 0xef) {
        more = 2;
        point = first & 0x0f;
        least = 0x800;
    } else if (first >= 0xf0 && first <= 0xf4) {
        more = 3;
        point = first & 0x07;
        least = 0x10000;
    } else {
        return INVALID;
    }
    while (more-- > 0) {
        uint32_t next = dt_scan_u8(scan);

        if ((next & 0xc0) != 0x80) /* the end, too: a failed scan gives 0 */
            return INVALID;
        point = point << 6 | (next & 0x3f);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return INVALID;
    return point;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 ||
           point == 0x2029;
}

static bool is_space(uint32_t point)
{
    return point == 0x20 || point == 0xa0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x202f || point == 0x205f ||
           point == 0x3000;
}

/* Whether the text is printable; *spaces and *others count its code points. */
static bool classify(struct dt_span text, size_t *spaces, size_t *others)
{
    size_t ascii = 0; /* nearly all text is, and needs no decoding */
    struct dt_scan scan;

    *spaces = *others = 0;
    while (ascii < text.size && text.data[ascii] < 0x7f && text.data[ascii] >= 0x20)
        *spaces += text.data[ascii++] == 0x20;
    *others = ascii - *spaces;
    scan = dt_scan_of(text);
    dt_scan_bytes(&scan, ascii);
    while (scan.left > 0) {
        uint32_t point = next_code_point(&scan);

        if (point == INVALID || is_control(point))
            return false;
        if (is_space(point))
            ++*spaces;
        else
            ++*others;
    }
    return *others > 0;
}

bool duet_text_printable(struct dt_span text)
{
    size_t spaces, others;

    return classify(text, &spaces, &others);
}

bool duet_text_word(struct dt_span text)
{
    size_t spaces, others;

    return classify(text, &spaces, &others) && spaces == 0;
}
