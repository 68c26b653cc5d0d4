#include "peerd/send/sender.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#include "common/base/random.h"
#include "peerd/send/body.h"

enum {
    ANSWER_BYTES_MAX = 64 << 10,
    UPLOAD_BUFFER_BYTES = 1 << 20, /* half as much costs an eighth more, twice as much the same */
    EXPECT_MS = 5000, /* a peer that does not say "continue" for so long gets the body all the same */
    IDLE_S = 20,      /* connections idle for longer are not used again: peers close them after 30 s */
};

struct exchange {
    struct sender *sender;
    const struct sender_settings *settings;
    struct body body;
    bool was_begun_anew;
};

/* --- what curl calls -------------------------------------------------------------------------------- */

static size_t give_body(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct exchange *exchange = arg;
    ssize_t n = body_read(&exchange->body, data, bytes);
    return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
}

/* A kept connection that turns out to be closed is opened anew, and the body sent from its start. */
static int rewind_body(void *arg, curl_off_t offset, int origin)
{
    struct exchange *exchange = arg;
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    exchange->was_begun_anew = exchange->was_begun_anew || exchange->body.given > 0;
    body_rewind(&exchange->body);
    return CURL_SEEKFUNC_OK;
}

static size_t take_answer(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    struct exchange *exchange = arg;
    struct buf *text = &exchange->sender->text;
    size_t room = text->max - text->len, kept = bytes < room ? bytes : room;
    return buf_put(text, data, kept) == 0 ? bytes : 0; /* what is beyond the limit is of no interest */
}

static size_t take_header(char *data, size_t one, size_t bytes, void *arg)
{
    (void)one;
    static const char name[] = "Spillway-Failover:";
    struct exchange *exchange = arg;
    char *out = exchange->sender->failover;
    size_t at = sizeof name - 1, len = 0;
    if (bytes <= at || strncasecmp(data, name, at) != 0)
        return bytes;
    while (at < bytes && (data[at] == ' ' || data[at] == '\t'))
        at++;
    for (; at < bytes && data[at] != '\r' && data[at] != '\n' && len + 1 < ANSWER_DB_BYTES; at++)
        out[len++] = data[at];
    out[len] = '\0';
    return bytes;
}

static int is_aborted(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    (void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
    return atomic_load((atomic_bool *)arg);
}

/* --- putting a request together --------------------------------------------------------------------- */

static void make_request_id(const struct manifest *manifest, char id[static SENDER_REQUEST_ID_BYTES])
{
    snprintf(id, SENDER_REQUEST_ID_BYTES, "%s.%08" PRIx32, manifest->id, (uint32_t)random_bits());
}

/* "NAME: VALUE"; without a value "NAME:", which takes away what curl would add. */
static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    char text[1024];
    if (snprintf(text, sizeof text, "%s:%s%s", name, *value ? " " : "", value) >= (int)sizeof text)
        return false;
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static struct curl_slist *make_headers(const struct exchange *exchange, const struct sender_peer *peer,
                                       const char *request_id)
{
    const struct manifest *m = &exchange->body.outbox->manifest;
    char digest[DIGEST_TEXT_BYTES + 1], hops[16];
    struct curl_slist *list = NULL;
    digest_print(m->digest, digest);
    snprintf(hops, sizeof hops, "%u", m->hops);
    bool ok = add_header(&list, "Content-Type", "application/gzip") &&
              add_header(&list, "X-Request-Id", request_id) && add_header(&list, "Spillway-Digest", digest) &&
              add_header(&list, "Spillway-From", exchange->settings->instance) &&
              add_header(&list, "Spillway-To", peer->name) &&
              add_header(&list, "Expect", m->bytes > SENDER_EXPECT_BYTES ? "100-continue" : "");
    if (ok && m->hops > 0)
        ok = add_header(&list, "Spillway-Hops", hops);
    if (ok)
        return list;
    curl_slist_free_all(list);
    return NULL;
}

static int put_encoded(struct buf *url, CURL *easy, const char *name, const char *value)
{
    char *text = curl_easy_escape(easy, value, 0);
    int rc = text ? buf_printf(url, "%s=%s", name, text) : -ENOMEM;
    curl_free(text);
    return rc;
}

static int make_url(struct buf *url, CURL *easy, const struct sender_peer *peer, const struct manifest *m)
{
    int rc = buf_printf(url, "%s/transfer?", peer->url);
    if (rc == 0)
        rc = put_encoded(url, easy, "db", m->db);
    if (rc == 0)
        rc = put_encoded(url, easy, "&table", m->table);
    if (rc == 0)
        rc = put_encoded(url, easy, "&schema", m->schema);
    if (rc == 0)
        rc = put_encoded(url, easy, "&format", segment_format_name(m->format));
    return rc ? rc : put_encoded(url, easy, "&id", m->id);
}

static void set_limits(CURL *easy, const struct sender_settings *settings)
{
    int64_t stall_s = (settings->stall_ms + 999) / 1000;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)SENDER_TOTAL_MS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, stall_s > 0 ? (long)stall_s : 1L);
    curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)EXPECT_MS);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_aborted);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, settings->is_aborted);
}

static void set_content(struct exchange *exchange)
{
    CURL *easy = exchange->sender->easy;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.outbox->manifest.bytes);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
}

/* --- the exchange ----------------------------------------------------------------------------------- */

static void read_answer(struct exchange *exchange, CURLcode code, const char *words, struct sent *sent)
{
    struct sender *sender = exchange->sender;
    curl_off_t retry_after = 0;
    struct answer_facts facts = {
        .is_complete = code == CURLE_OK,
        .has_left = exchange->body.given > 0,
        .failure = code == CURLE_OK ? NULL
                   : *words         ? words
                                    : curl_easy_strerror(code),
        .body = sender->text.data,
        .body_bytes = sender->text.len,
        .failover = *sender->failover ? sender->failover : NULL,
    };
    curl_easy_getinfo(sender->easy, CURLINFO_RESPONSE_CODE, &facts.status);
    curl_easy_getinfo(sender->easy, CURLINFO_RETRY_AFTER, &retry_after);
    facts.retry_after_ms = retry_after > 0 ? (int64_t)(retry_after > 86400 ? 86400 : retry_after) * 1000 : 0;
    answer_read(&facts, &sent->answer);
    sent->was_begun_anew = exchange->was_begun_anew;
    /* A file of ours that cannot be read ended it. The peer has only a part, which it throws away, or
     * nothing; but that is for the peer to say. */
    if (exchange->body.rc && exchange->body.given == 0)
        sent->answer.fate = FATE_LOCAL;
    if (exchange->body.rc)
        snprintf(sent->answer.why, sizeof sent->answer.why, "a segment here cannot be read: %s",
                 strerror(-exchange->body.rc));
}

static void perform(struct exchange *exchange, const struct sender_peer *peer, const char *url,
                    struct curl_slist *headers, struct sent *sent)
{
    CURL *easy = exchange->sender->easy;
    char words[CURL_ERROR_SIZE] = "";
    struct curl_slist *to = NULL;
    curl_easy_reset(easy);
    credentials_apply(exchange->settings->credentials, easy, &to, peer->connect_to);
    set_limits(easy, exchange->settings);
    set_content(exchange);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    read_answer(exchange, curl_easy_perform(easy), words, sent);
    curl_easy_reset(easy);
    curl_slist_free_all(to);
}

static bool is_ready(struct sender *sender)
{
    if (!sender->easy) {
        sender->easy = curl_easy_init();
        buf_init(&sender->text, ANSWER_BYTES_MAX);
    }
    buf_clear(&sender->text);
    sender->failover[0] = '\0';
    return sender->easy != NULL;
}

void sender_send(struct sender *sender, const struct sender_settings *settings,
                 const struct sender_peer *peer, const struct outbox *outbox, struct sent *sent)
{
    struct exchange exchange = {.sender = sender, .settings = settings};
    struct curl_slist *headers = NULL;
    struct buf url;
    *sent = (struct sent){0};
    buf_init(&url, 16 << 10);
    body_init(&exchange.body, outbox);
    make_request_id(&outbox->manifest, sent->request_id);
    if (!is_ready(sender) || make_url(&url, sender->easy, peer, &outbox->manifest) != 0 ||
        !(headers = make_headers(&exchange, peer, sent->request_id)))
        sent->answer = (struct answer){.fate = FATE_LOCAL, .why = "out of memory"};
    else
        perform(&exchange, peer, url.data, headers, sent);
    curl_slist_free_all(headers);
    body_fini(&exchange.body);
    buf_fini(&url);
}

void sender_fini(struct sender *sender)
{
    if (sender->easy)
        curl_easy_cleanup(sender->easy);
    buf_fini(&sender->text);
    *sender = (struct sender){0};
}
