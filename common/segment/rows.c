/* The splitter is a machine of three states (rows.h):
 *
 *     state                          "        ,        \n              other
 *     may_open (field start,         quotes   may_open row end, may_open  plain
 *               after a closing ")
 *     plain                          plain    may_open row end, may_open  plain
 *     quotes                         may_open quotes   quotes             quotes
 *
 * It runs over groups of 64 bytes at once: bit masks of the quotes, and of the bytes inside quotes (each
 * quote that counts flips that: a prefix XOR). A quote that would open where it may not is an ordinary
 * character, and so are all to the end of its field: they are taken out of the mask and the group is done
 * again, lowest first, since all below is right by then. What is left over at the end is done byte by byte.
 */
#include "common/segment/rows.h"

#include <assert.h>

#include "common/segment/rows_mask.h"

void rows_init(struct rows_scanner *s, enum segment_format format, size_t row_max)
{
    assert(row_max >= ROWS_ROW_MIN && row_max <= SIZE_MAX / 2);
    *s = (struct rows_scanner){.format = format, .row_max = row_max, .may_open = true};
}

/* --- one byte --------------------------------------------------------------------------------------- */

/* Whether a row ends with c. */
static inline bool step(struct rows_scanner *s, bool is_csv, char c)
{
    if (is_csv && s->in_quotes) {
        s->in_quotes = c != '"';
        s->may_open = true;
        return false;
    }
    if (is_csv && c == '"' && s->may_open) {
        s->in_quotes = true;
        return false;
    }
    s->may_open = c == ',' || c == '\n';
    return c == '\n';
}

static enum rows_status scan_bytes(struct rows_scanner *s, bool is_csv, const char *data, size_t bytes,
                                   struct rows_found *found)
{
    for (size_t i = found->scanned; i < bytes; i++) {
        if (s->row_bytes >= s->row_max)
            return ROWS_TOO_LONG;
        found->scanned = i + 1;
        s->row_bytes++;
        if (step(s, is_csv, data[i])) {
            bool is_blank = s->row_bytes == 1 || (s->row_bytes == 2 && s->last == '\r');
            found->blank += is_blank;
            found->rows += !is_blank;
            found->end = i + 1;
            s->row_bytes = 0;
        }
        s->last = data[i];
    }
    return ROWS_OK;
}

/* --- 64 bytes --------------------------------------------------------------------------------------- */

/* A machine's way to look at 64 bytes. */
struct eye {
    uint64_t (*mask_of)(const char *data, char byte);
    bool has_popcnt;
};

static inline __attribute__((always_inline)) unsigned count_bits(bool has_popcnt, uint64_t x)
{
    if (has_popcnt)
        return (unsigned)__builtin_popcountll(x);
    x -= (x >> 1) & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)((x * UINT64_C(0x0101010101010101)) >> 56);
}

/* Bit i: the parity of bits 0 to i. */
static inline uint64_t prefix_xor(uint64_t x)
{
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    return x ^ x << 32;
}

/* The bytes inside quotes (an opening quote included, a closing one not), for a group with quotes. in_quotes
 * is all ones or zero. *may_open: before the group; then after it. */
static inline uint64_t quoted_bytes(uint64_t quotes, uint64_t separators, uint64_t in_quotes,
                                    uint64_t *may_open)
{
    for (;;) {
        uint64_t quoted = prefix_xor(quotes) ^ in_quotes;
        uint64_t after_opener = (separators | quotes) << 1 | *may_open;
        uint64_t wrong = quotes & quoted & ~after_opener;
        if (wrong == 0) {
            *may_open = (separators | quotes) >> 63;
            return quoted;
        }
        uint64_t first = wrong & -wrong, behind = separators & ~(first | (first - 1));
        quotes &= ~((behind & -behind) - first); /* from the first to the next separator, or all: 0 - first */
    }
}

/* How many of the row ends in a group end a blank line; data[-1] is `last`, where a row is open. */
static inline __attribute__((always_inline)) unsigned
count_blank(const struct eye *eye, uint64_t ends, const char *data, size_t row_bytes, char last)
{
    uint64_t empty = ends & (ends << 1 | (uint64_t)(row_bytes == 0));
    uint64_t two = ends & (ends << 2 | (uint64_t)(row_bytes == 0) << 1 | (uint64_t)(row_bytes == 1));
    unsigned blank = empty ? count_bits(eye->has_popcnt, empty) : 0;

    for (; two != 0; two &= two - 1) {
        unsigned i = (unsigned)__builtin_ctzll(two);
        blank += (i > 0 ? data[i - 1] : last) == '\r';
    }
    return blank;
}

/* All whole groups. The state is held in registers and put back at the end; a group with a row that is too
 * long is left untouched, so that scan_bytes() finds the exact place. */
static inline __attribute__((always_inline)) void scan_groups(const struct eye *eye, struct rows_scanner *s,
                                                              bool is_csv, const char *data, size_t bytes,
                                                              struct rows_found *found)
{
    uint64_t in_quotes = s->in_quotes ? ~UINT64_C(0) : 0, may_open = s->may_open;
    size_t row_bytes = s->row_bytes, at = 0;
    char last = s->last;

    for (; bytes - at >= ROWS_GROUP_BYTES; at += ROWS_GROUP_BYTES) {
        const char *group = data + at;
        uint64_t newlines = eye->mask_of(group, '\n'), quoted = in_quotes, open_after = may_open;
        if (is_csv) {
            uint64_t quotes = eye->mask_of(group, '"');
            if (quotes != 0)
                quoted = quoted_bytes(quotes, newlines | eye->mask_of(group, ','), in_quotes, &open_after);
            else
                open_after = group[ROWS_GROUP_BYTES - 1] == ',' || group[ROWS_GROUP_BYTES - 1] == '\n';
        }
        uint64_t ends = newlines & ~quoted;
        size_t open_row = row_bytes + (ends != 0 ? (size_t)__builtin_ctzll(ends) + 1 : ROWS_GROUP_BYTES);
        if (open_row > s->row_max)
            break;
        if (ends != 0) {
            unsigned blank = count_blank(eye, ends, group, row_bytes, last);
            found->rows += count_bits(eye->has_popcnt, ends) - blank;
            found->blank += blank;
            row_bytes = (size_t)__builtin_clzll(ends);
            found->end = at + ROWS_GROUP_BYTES - row_bytes;
        } else {
            row_bytes = open_row;
        }
        in_quotes = quoted >> 63 ? ~UINT64_C(0) : 0;
        may_open = open_after;
        last = group[ROWS_GROUP_BYTES - 1];
    }
    found->scanned = at;
    s->in_quotes = in_quotes != 0;
    s->may_open = may_open != 0;
    s->row_bytes = row_bytes;
    s->last = last;
}

/* Everything in it is inlined into these: one machine code for each kind of machine and format. */
ROWS_AVX2 static void scan_csv_avx2(struct rows_scanner *s, const char *data, size_t bytes,
                                    struct rows_found *found)
{
    static const struct eye eye = {rows_mask_avx2, true};
    scan_groups(&eye, s, true, data, bytes, found);
}

static void scan_csv(struct rows_scanner *s, const char *data, size_t bytes, struct rows_found *found)
{
    static const struct eye eye = {rows_mask_of, false};
    scan_groups(&eye, s, true, data, bytes, found);
}

static void scan_json(struct rows_scanner *s, const char *data, size_t bytes, struct rows_found *found)
{
    static const struct eye eye = {rows_mask_of, false};
    scan_groups(&eye, s, false, data, bytes, found);
}

/* --- interface -------------------------------------------------------------------------------------- */

enum rows_status rows_scan(struct rows_scanner *s, const char *data, size_t bytes, struct rows_found *found)
{
    *found = (struct rows_found){0};
    if (s->format == SEGMENT_CSV) {
        if (ROWS_HAS_AVX2())
            scan_csv_avx2(s, data, bytes, found);
        else
            scan_csv(s, data, bytes, found);
        return scan_bytes(s, true, data, bytes, found);
    }
    scan_json(s, data, bytes, found);
    return scan_bytes(s, false, data, bytes, found);
}

size_t rows_skip(struct rows_scanner *s, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes && s->row_bytes > 0; i++) {
        s->row_bytes++;
        s->last = data[i];
        if (step(s, s->format == SEGMENT_CSV, data[i])) {
            s->row_bytes = 0;
            return i + 1;
        }
    }
    return s->row_bytes > 0 ? bytes : 0;
}

enum rows_status rows_end(const struct rows_scanner *s)
{
    if (s->row_bytes == 0)
        return ROWS_OK;
    return s->in_quotes ? ROWS_OPEN_QUOTE : ROWS_OPEN;
}

size_t rows_drop_blank(enum segment_format format, char *data, size_t bytes)
{
    struct rows_scanner s;
    size_t kept = 0, row = 0;

    rows_init(&s, format, SIZE_MAX / 2);
    for (size_t i = 0; i < bytes; i++) {
        if (!step(&s, format == SEGMENT_CSV, data[i]) && i + 1 < bytes)
            continue;
        size_t row_bytes = i + 1 - row;
        bool is_blank = data[i] == '\n' && (row_bytes == 1 || (row_bytes == 2 && data[row] == '\r'));
        if (!is_blank) {
            memmove(data + kept, data + row, row_bytes);
            kept += row_bytes;
        }
        row = i + 1;
    }
    return kept;
}

bool rows_count(enum segment_format format, const char *data, size_t bytes, uint64_t *rows)
{
    struct rows_scanner s;
    struct rows_found found;

    rows_init(&s, format, SIZE_MAX / 2);
    enum rows_status status = rows_scan(&s, data, bytes, &found);
    *rows = found.rows;
    return status == ROWS_OK && found.end == bytes;
}
