/* The account against a model of a disk: whatever writers, kills, deletions, lost messages, restarts and
 * scans that miss files do, what is really there and what may really be written stay within the limit, and
 * all of it comes back in the end. */
#include "tests/unit/unit.h"

#include <inttypes.h>

#include "common/base/compiler.h"
#include "diskguard/account.h"

enum { WRITERS = 6, FILES = 512, STEPS = 6000, SEEDS = 60, DBS = 3 };
enum { LIMIT = 4 << 20, SEGMENTS = 60 };

/* --- the model: what is really so ------------------------------------------------------------------- */

struct model_file {
    uint64_t inode; /* 0: none */
    int64_t bytes;
    size_t db;
    bool was_missed; /* by the last scan */
};

struct model_writer {
    struct amount held; /* what it may still write */
    int64_t pid;
    uint64_t file;
    size_t db;
    struct holder *holder;
};

struct model {
    struct account account;
    struct model_file files[FILES];
    struct model_writer writers[WRITERS];
    uint64_t next_inode;
    int64_t now_ms, next_pid;
    uint64_t random, seed;
    size_t step;
    bool is_starting; /* the first scan after a restart: nothing is granted, and not all is known */
};

static uint64_t draw(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

static struct amount really_used(const struct model *m)
{
    struct amount sum = {0};
    for (size_t i = 0; i < FILES; i++) {
        sum.bytes += m->files[i].inode ? m->files[i].bytes : 0;
        sum.files += m->files[i].inode != 0;
    }
    return sum;
}

static struct amount really_held(const struct model *m)
{
    struct amount sum = {0};
    for (size_t i = 0; i < WRITERS; i++) {
        sum.bytes += m->writers[i].held.bytes;
        sum.files += m->writers[i].held.files;
    }
    return sum;
}

/* The sums of the account are those of its parts. */
static void check_sums(const struct account *account)
{
    struct amount outstanding = {0}, settled = {0};
    for (size_t i = 0; i < account->databases.count; i++) {
        const struct database *database = &account->databases.list[i];
        assert_true(database->bytes_due.outstanding >= 0 && database->files_due.outstanding >= 0);
        assert_true(ledger_settled(&database->bytes_due) >= 0 && ledger_settled(&database->files_due) >= 0);
        outstanding.bytes += database->bytes_due.outstanding;
        outstanding.files += database->files_due.outstanding;
        settled.bytes += ledger_settled(&database->bytes_due);
        settled.files += ledger_settled(&database->files_due);
    }
    assert_true(outstanding.bytes == account->outstanding.bytes);
    assert_true(outstanding.files == account->outstanding.files);
    assert_true(settled.bytes == account->settled.bytes);
    assert_true(settled.files == account->settled.files);
}

/* What is told: the sum holds the limit, and nothing is hidden. */
static void check_shown(const struct account *account)
{
    const struct shown shown = account_shown(account);
    assert_true(shown.used + shown.outstanding <= LIMIT);
    assert_true(shown.counted_twice >= 0 && shown.used >= account->files.bytes);
    assert_true(shown.used + shown.outstanding + shown.counted_twice ==
                account->files.bytes + account->settled.bytes + account->outstanding.bytes);
}

static void check(const struct model *m)
{
    const struct account *account = &m->account;
    const struct amount used = really_used(m), held = really_held(m);
    if (used.bytes + held.bytes + account_reserve(account) > LIMIT)
        fail_msg("seed %" PRIu64 " step %zu: %" PRId64 " on disk and %" PRId64 " held: over the limit",
                 m->seed, m->step, used.bytes, held.bytes);
    if (used.files + held.files > SEGMENTS)
        fail_msg("seed %" PRIu64 " step %zu: %" PRId64 " files and %" PRId64 " held: over the limit", m->seed,
                 m->step, used.files, held.files);
    check_sums(account);
    check_shown(account);
    if (m->is_starting)
        return;
    if (account_used(account) + account->outstanding.bytes < used.bytes + held.bytes ||
        account->files.segments + account->settled.files + account->outstanding.files <
            used.files + held.files)
        fail_msg("seed %" PRIu64 " step %zu: %" PRId64 " on disk and %" PRId64 " held, but %" PRId64
                 " and %" PRId64 " in the account (or of files: %" PRId64 ", %" PRId64 ")",
                 m->seed, m->step, used.bytes, held.bytes, account_used(account), account->outstanding.bytes,
                 used.files, held.files);
}

static bool is_never_skipped(const void *arg, uint32_t dir)
{
    (void)arg, (void)dir;
    return false;
}

static void forget(void *arg, uint32_t dir)
{
    (void)arg, (void)dir;
}

static const struct files_dirs dirs = {.is_skipped = is_never_skipped, .forget = forget};

static void see(struct model *m, const struct model_file *file)
{
    const struct file_entry entry = {
        .inode = file->inode, .bytes = file->bytes, .db = (unsigned)file->db & 0x1ffff, .is_segment = 1};
    assert_int_equal(files_see(&m->account.files, &entry), 0);
}

/* Writers go on during a scan; a file may be missed, but not by two scans in a row. */
static void act(struct model *m);

static void scan(struct model *m, bool misses, bool with_writers)
{
    int64_t freed;
    account_scan_begin(&m->account);
    bool missed[FILES] = {false};
    for (size_t i = 0; i < FILES; i++) {
        struct model_file *file = &m->files[i];
        missed[i] = file->inode && misses && !file->was_missed && draw(m, 10) == 0;
        if (file->inode && !missed[i])
            see(m, file);
        if (with_writers && draw(m, 40) == 0)
            act(m);
    }
    account_scan_end(&m->account, &dirs, &freed);
    for (size_t i = 0; i < FILES; i++)
        m->files[i].was_missed = missed[i];
    check(m);
}

static struct model_file *find_file(struct model *m, uint64_t inode)
{
    for (size_t i = 0; i < FILES; i++)
        if (inode && m->files[i].inode == inode)
            return &m->files[i];
    return NULL;
}

static struct model_file *new_file(struct model *m, struct model_writer *w)
{
    for (size_t i = 0; i < FILES; i++) {
        if (m->files[i].inode)
            continue;
        m->files[i] = (struct model_file){.inode = ++m->next_inode, .db = w->db};
        w->file = m->next_inode;
        return &m->files[i];
    }
    return NULL;
}

static void begin_writer(struct model *m, struct model_writer *w)
{
    *w = (struct model_writer){.pid = ++m->next_pid, .db = 1 + draw(m, DBS)};
    const struct holder like = {.pid = w->pid, .connection = (uint32_t)w->pid, .db = w->db};
    assert_int_equal(account_add(&m->account, &like, &w->holder), 0);
}

static bool is_nothing(struct amount amount)
{
    return amount.bytes == 0 && amount.files == 0;
}

static void ask(struct model *m, struct model_writer *w)
{
    struct wish wish = {.need = {.bytes = 4096 * (int64_t)(1 + draw(m, 64)), .files = (int64_t)draw(m, 3)}};
    wish.want.bytes = wish.need.bytes + (int64_t)draw(m, 1 << 20);
    wish.want.files = wish.need.files + (int64_t)draw(m, 5);
    assert_true(is_nothing(account_report(&m->account, w->holder, w->held)));
    const struct amount before = m->account.outstanding, room = account_room(&m->account);
    struct amount granted;
    if (!account_grant(&m->account, w->holder, &wish, room, m->now_ms, &granted)) {
        assert_true(m->account.outstanding.bytes == before.bytes);
        assert_true(m->account.outstanding.files == before.files);
        return;
    }
    assert_true(granted.bytes == 0 || account_room(&m->account).bytes >= 0);
    assert_true(granted.files == 0 || account_room(&m->account).files >= 0);
    assert_true(w->held.bytes + granted.bytes >= wish.need.bytes);
    assert_true(w->held.files + granted.files >= wish.need.files);
    assert_true(granted.bytes == 0 || w->held.bytes + granted.bytes <= wish.want.bytes);
    assert_true(granted.files == 0 || w->held.files + granted.files <= wish.want.files);
    if (draw(m, 20)) { /* else the answer is lost */
        w->held.bytes += granted.bytes;
        w->held.files += granted.files;
    }
}

static void write_bytes(struct model *m, struct model_writer *w)
{
    struct model_file *file = draw(m, 8) ? find_file(m, w->file) : NULL;
    if (!file && w->held.files > 0 && (file = new_file(m, w)) != NULL)
        w->held.files--;
    int64_t bytes = w->held.bytes ? (int64_t)draw(m, (uint64_t)w->held.bytes + 1) : 0;
    if (!file)
        return;
    file->bytes += bytes;
    w->held.bytes -= bytes;
}

static void drain(struct model *m)
{
    struct model_file *file = &m->files[draw(m, FILES)];
    *file = (struct model_file){0};
}

/* diskguard is killed and started again: all it has is the slots. */
static void restart(struct model *m)
{
    struct holder kept[WRITERS];
    for (size_t i = 0; i < WRITERS; i++)
        kept[i] = *m->writers[i].holder;
    account_fini(&m->account);
    assert_int_equal(account_init(&m->account, LIMIT, SEGMENTS), 0);
    for (size_t i = 1; i <= DBS; i++) {
        size_t index;
        char name[8];
        snprintf(name, sizeof name, "D%zu", i);
        assert_int_equal(databases_index(&m->account.databases, name, &index), 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        account_restore(&m->account, i, &kept[i]);
        m->writers[i].holder = &m->account.holders[i];
    }
    for (size_t i = 0; i < FILES; i++)
        m->files[i].was_missed = false;
    m->is_starting = true;
    scan(m, true, false);
    m->is_starting = false;
    scan(m, true, false);
}

static void act(struct model *m)
{
    struct model_writer *w = &m->writers[draw(m, WRITERS)];
    m->now_ms += (int64_t)draw(m, 20);
    switch (draw(m, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        ask(m, w);
        break;
    case 4:
    case 5:
    case 6:
        write_bytes(m, w);
        break;
    case 7:
        assert_true(is_nothing(account_report(&m->account, w->holder, w->held)));
        break;
    case 8:
        if (draw(m, 10) == 0) { /* kill -9 */
            account_end(&m->account, w->holder);
            begin_writer(m, w);
        }
        break;
    default:
        drain(m);
        break;
    }
    check(m);
}

static void start_model(struct model *m, uint64_t seed)
{
    *m = (struct model){.seed = seed, .random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1, .now_ms = 1};
    assert_int_equal(account_init(&m->account, LIMIT, SEGMENTS), 0);
    for (size_t i = 1; i <= DBS; i++) {
        size_t index;
        char name[8];
        snprintf(name, sizeof name, "D%zu", i);
        assert_int_equal(databases_index(&m->account.databases, name, &index), 0);
        assert_int_equal(index, i);
    }
    for (size_t i = 0; i < WRITERS; i++)
        begin_writer(m, &m->writers[i]);
}

/* What restart() relies on: holder i is writer i's. */
static void sort_holders(struct model *m)
{
    for (size_t i = 0; i < WRITERS; i++)
        assert_true(m->writers[i].holder >= m->account.holders);
}

static void it_never_exceeds_the_limit_and_all_comes_back(void **state)
{
    (void)state;
    struct model *m = malloc(sizeof *m);
    assert_non_null(m);
    int64_t granted_in_all = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        start_model(m, seed);
        sort_holders(m);
        for (m->step = 0; m->step < STEPS; m->step++) {
            act(m);
            if (draw(m, 12) == 0)
                scan(m, true, true);
            if (draw(m, 600) == 0)
                restart(m);
        }
        granted_in_all += (int64_t)m->account.grants;
        for (size_t i = 0; i < WRITERS; i++)
            account_end(&m->account, m->writers[i].holder);
        memset(m->files, 0, sizeof m->files);
        memset(m->writers, 0, sizeof m->writers);
        for (int i = 0; i < 3; i++)
            scan(m, false, false);
        assert_true(account_used(&m->account) == 0);
        assert_true(is_nothing(m->account.outstanding) && is_nothing(m->account.settled));
        assert_true(account_room(&m->account).bytes == LIMIT - account_reserve(&m->account));
        assert_true(account_room(&m->account).files == SEGMENTS);
        account_fini(&m->account);
    }
    assert_true(granted_in_all > SEEDS * 20);
    free(m);
}

/* --- single rules ----------------------------------------------------------------------------------- */

static void make(struct account *account, int64_t limit)
{
    size_t db;
    assert_int_equal(account_init(account, limit, 1000), 0);
    assert_int_equal(databases_index(&account->databases, "D", &db), 0);
}

static struct holder *add(struct account *account, int64_t pid)
{
    struct holder *holder;
    const struct holder like = {.pid = pid, .start = 1, .connection = (uint32_t)pid, .db = 1};
    assert_int_equal(account_add(account, &like, &holder), 0);
    return holder;
}

static void complete_scan(struct account *account)
{
    int64_t freed;
    account_scan_begin(account);
    account_scan_end(account, &dirs, &freed);
}

/* Bytes granted; -1: refused. */
static int64_t grant(struct account *account, struct holder *holder, int64_t need, int64_t want, int64_t room,
                     int64_t now_ms)
{
    const struct wish wish = {.need.bytes = need, .want.bytes = want};
    struct amount granted;
    return account_grant(account, holder, &wish, (struct amount){.bytes = room, .files = 1000}, now_ms,
                         &granted)
               ? granted.bytes
               : -1;
}

static int64_t report(struct account *account, struct holder *holder, int64_t holding)
{
    return account_report(account, holder, (struct amount){.bytes = holding}).bytes;
}

static void settled_bytes_count_until_a_later_scan(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *holder = add(&account, 1);
    assert_true(grant(&account, holder, 8192, 8192, account_room(&account).bytes, 1) == 8192);
    int64_t freed;
    account_scan_begin(&account);
    assert_int_equal(report(&account, holder, 4096), 0);
    assert_true(account.settled.bytes == 4096);
    account_scan_end(&account, &dirs, &freed); /* began before the word was given */
    assert_true(account.settled.bytes == 4096);
    account_scan_begin(&account);
    const struct file_entry file = {.inode = 9, .bytes = 4096, .db = 1};
    assert_int_equal(files_see(&account.files, &file), 0);
    account_scan_end(&account, &dirs, &freed);
    assert_true(account.settled.bytes == 0);
    assert_true(account_used(&account) == 4096);
    account_fini(&account);
}

static void what_a_scan_misses_counts_until_the_second(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *holder = add(&account, 1);
    assert_true(grant(&account, holder, 8192, 8192, account_room(&account).bytes, 1) == 8192);
    assert_int_equal(report(&account, holder, 0), 0);
    complete_scan(&account);
    assert_true(account.settled.bytes == 8192);
    complete_scan(&account);
    assert_true(account.settled.bytes == 0);
    account_fini(&account);
}

static void a_false_claim_is_counted_and_told(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *holder = add(&account, 1);
    assert_true(report(&account, holder, 12345) == 12345);
    assert_true(account.outstanding.bytes == 12345);
    assert_int_equal(account.claims, 1);
    account_end(&account, holder);
    assert_true(account.outstanding.bytes == 0 && account.settled.bytes == 12345);
    account_fini(&account);
}

static void drift_is_growth_that_nobody_leased(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *holder = add(&account, 1);
    enum area area;
    assert_true(grant(&account, holder, 8192, 8192, account_room(&account).bytes, 1) == 8192);
    account_scan_begin(&account);
    const struct file_entry leased = {.inode = 9, .bytes = 8192, .db = 1, .area = QUEUE_ACTIVE};
    const struct file_entry foreign = {.inode = 10, .bytes = 65536, .db = 1, .area = QUEUE_UPLOAD};
    assert_int_equal(files_see(&account.files, &leased), 0);
    assert_true(account_drift(&account, 1, &area) == 0);
    assert_int_equal(files_see(&account.files, &foreign), 0);
    assert_true(account_drift(&account, 1, &area) == 65536);
    assert_int_equal(area, QUEUE_UPLOAD);
    account_fini(&account);
}

/* One that needs much is not starved by many that need little. */
static void who_waits_longest_gets_its_turn(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *large = add(&account, 1), *small = add(&account, 2);
    int64_t now_ms = 1;
    assert_true(grant(&account, large, 65536, 65536, 20000, now_ms) == -1);
    /* 20,000 are free, the other needs 8192, and must stand back. */
    assert_true(grant(&account, small, 8192, 8192, 20000, ++now_ms) == -1);
    assert_true(grant(&account, large, 65536, 65536, 65536, ++now_ms) == 65536);
    assert_true(grant(&account, small, 8192, 8192, 20000, ++now_ms) == 8192);
    account_fini(&account);
}

static void a_turn_ends(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *large = add(&account, 1), *small = add(&account, 2);
    int64_t now_ms = 1;
    assert_true(grant(&account, large, 65536, 65536, 20000, now_ms) == -1);
    int64_t granted = -1;
    for (; granted < 0 && now_ms < 4 * TURN_MS; now_ms += 100) {
        assert_true(grant(&account, large, 65536, 65536, 20000, now_ms) == -1);
        granted = grant(&account, small, 8192, 8192, 20000, now_ms);
    }
    assert_true(granted == 8192);
    assert_true(now_ms >= TURN_MS && now_ms < 2 * TURN_MS);
    account_fini(&account);
}

static void who_stopped_asking_holds_up_nobody(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *large = add(&account, 1), *small = add(&account, 2);
    assert_true(grant(&account, large, 65536, 65536, 20000, 1) == -1);
    assert_true(grant(&account, small, 8192, 8192, 20000, ABSENT_MS + 2) == 8192);
    account_fini(&account);
}

static void scarce_room_is_shared(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *a = add(&account, 1), *b = add(&account, 2);
    assert_true(grant(&account, a, 4096, 1 << 20, 400000, 1) == 200000);
    assert_true(grant(&account, b, 4096, 1 << 20, 200000, 1) <= 100000);
    account_fini(&account);
}

static void a_holder_is_known_again(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *holder = add(&account, 7);
    assert_ptr_equal(account_find(&account, 7, 7, 0, 0), holder);
    assert_null(account_find(&account, 8, 7, 0, 0));
    assert_ptr_equal(account_find(&account, 0, 7, 1, 0), holder);
    assert_null(account_find(&account, 0, 7, 2, 0)); /* the same pid, another process */
    assert_null(account_find(&account, 7, 7, 0, 1)); /* another lease of it */
    account_end(&account, holder);
    assert_null(account_find(&account, 7, 7, 0, 0));
    account_fini(&account);
}

static void there_is_an_end_to_holders(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *holder;
    const struct holder like = {.db = 1};
    for (int i = 0; i < HOLDERS_MAX; i++)
        assert_int_equal(account_add(&account, &like, &holder), 0);
    assert_int_equal(account_add(&account, &like, &holder), -ENOSPC);
    account_fini(&account);
}

static void the_reserve_leaves_tiny_limits_usable(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    assert_true(account_reserve(&account) <= (1 << 20) / 8);
    assert_true(account_room(&account).bytes > 800 << 10);
    account_fini(&account);
    make(&account, INT64_C(1) << 40);
    assert_true(account_reserve(&account) < 17 << 20);
    account_fini(&account);
}

static void files_are_granted_by_number(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *a = add(&account, 1), *b = add(&account, 2);
    struct wish wish = {.need = {.bytes = 4096, .files = 1}, .want = {.bytes = 4096, .files = 64}};
    struct amount granted;
    assert_true(account_grant(&account, a, &wish, (struct amount){65536, 10}, 1, &granted));
    assert_int_equal(granted.bytes, 4096);
    assert_int_equal(granted.files, 5); /* half an even share */
    assert_false(account_grant(&account, b, &wish, (struct amount){65536, 0}, 2, &granted));
    assert_true(granted.bytes == 0 && granted.files == 0);
    wish.need.files = 0; /* more for the file that it has */
    assert_true(account_grant(&account, b, &wish, (struct amount){65536, 0}, 3, &granted));
    assert_int_equal(granted.bytes, 4096);
    account_fini(&account);
}

static void a_file_counts_from_its_writers_word_until_scans_show_it(void **state)
{
    (void)state;
    struct account account;
    make(&account, 1 << 20);
    struct holder *holder = add(&account, 1);
    const struct wish wish = {.need.files = 3, .want.files = 3};
    struct amount granted;
    assert_true(account_grant(&account, holder, &wish, account_room(&account), 1, &granted));
    assert_int_equal(account_room(&account).files, 997);
    assert_int_equal(account_report(&account, holder, (struct amount){.files = 1}).files, 0);
    assert_int_equal(account_room(&account).files, 997);
    assert_int_equal(account_report(&account, holder, (struct amount){.files = 2}).files, 1); /* a lie */
    const struct file_entry seen = {.inode = 9, .bytes = 0, .db = 1, .is_segment = 1};
    int64_t freed;
    account_scan_begin(&account);
    assert_int_equal(files_see(&account.files, &seen), 0);
    account_scan_end(&account, &dirs, &freed);
    assert_int_equal(account.settled.files, 1); /* the other may have moved behind the scan */
    complete_scan(&account);
    assert_int_equal(account.settled.files, 0);
    account_fini(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_never_exceeds_the_limit_and_all_comes_back),
        cmocka_unit_test(settled_bytes_count_until_a_later_scan),
        cmocka_unit_test(what_a_scan_misses_counts_until_the_second),
        cmocka_unit_test(a_false_claim_is_counted_and_told),
        cmocka_unit_test(drift_is_growth_that_nobody_leased),
        cmocka_unit_test(who_waits_longest_gets_its_turn),
        cmocka_unit_test(a_turn_ends),
        cmocka_unit_test(who_stopped_asking_holds_up_nobody),
        cmocka_unit_test(scarce_room_is_shared),
        cmocka_unit_test(files_are_granted_by_number),
        cmocka_unit_test(a_file_counts_from_its_writers_word_until_scans_show_it),
        cmocka_unit_test(a_holder_is_known_again),
        cmocka_unit_test(there_is_an_end_to_holders),
        cmocka_unit_test(the_reserve_leaves_tiny_limits_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
