#include "common/http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <pthread.h>

#include "common/base/file.h"

enum { PEM_MAX = 1 << 20, CHAIN_MAX = 16 };

/* What one reading of the files gave. Those that are not the newest any more are freed at the reading after
 * the one at which nobody used them: libmicrohttpd ends a session just after it says that the connection
 * ended. */
struct tls_credentials {
    struct tls_credentials *older;
    uint64_t generation;
    unsigned users;
    gnutls_certificate_credentials_t certificate;
    gnutls_x509_trust_list_t trust; /* NULL: no tls-ca */
};

struct tls {
    pthread_mutex_t lock; /* of the list and of the users */
    const struct http_settings *settings;
    struct tls_credentials *newest;
    uint64_t generations;
};

/* --- the files -------------------------------------------------------------------------------------- */

static int read_pem(const char *what, const char *path, struct buf *text, struct err *err)
{
    buf_init(text, PEM_MAX);
    int rc = file_read(AT_FDCWD, path, text);
    if (rc == 0 && !text->data)
        rc = -ENODATA;
    return rc ? err_set(err, -EINVAL, "%s %s: cannot be read: %s", what, path, strerror(-rc)) : 0;
}

static void forget(struct buf *text)
{
    if (text->data)
        explicit_bzero(text->data, text->len);
    buf_fini(text);
}

static gnutls_datum_t datum(const struct buf *text)
{
    return (gnutls_datum_t){.data = (unsigned char *)text->data, .size = (unsigned)text->len};
}

static int read_pair(struct tls_credentials *credentials, const struct http_settings *settings,
                     struct err *err)
{
    struct buf cert, key = {0};
    int rc = read_pem("tls-cert", settings->tls_cert, &cert, err);
    if (rc == 0)
        rc = read_pem("tls-key", settings->tls_key, &key, err);
    if (rc == 0) {
        gnutls_datum_t cert_pem = datum(&cert), key_pem = datum(&key);
        int status = gnutls_certificate_set_x509_key_mem2(credentials->certificate, &cert_pem, &key_pem,
                                                          GNUTLS_X509_FMT_PEM, NULL, 0);
        if (status < 0)
            rc = err_set(err, -EINVAL, "tls-cert %s and tls-key %s: %s; give a certificate and its key (PEM)",
                         settings->tls_cert, settings->tls_key, gnutls_strerror(status));
    }
    forget(&cert);
    forget(&key);
    return rc;
}

/* In both places: the handshake asks for client certificates by the one, we judge them by the other. */
static int read_ca(struct tls_credentials *credentials, const char *path, struct err *err)
{
    struct buf text;
    int rc = read_pem("tls-ca", path, &text, err);
    if (rc == 0) {
        gnutls_datum_t pem = datum(&text);
        int count =
            gnutls_certificate_set_x509_trust_mem(credentials->certificate, &pem, GNUTLS_X509_FMT_PEM);
        if (count > 0 && gnutls_x509_trust_list_init(&credentials->trust, 0) == 0)
            count = gnutls_x509_trust_list_add_trust_mem(credentials->trust, &pem, NULL, GNUTLS_X509_FMT_PEM,
                                                         0, 0);
        if (count <= 0)
            rc = err_set(err, -EINVAL, "tls-ca %s: no certificate (PEM) in it", path);
    }
    forget(&text);
    return rc;
}

static void free_credentials(struct tls_credentials *credentials)
{
    if (credentials->trust)
        gnutls_x509_trust_list_deinit(credentials->trust, 1);
    if (credentials->certificate)
        gnutls_certificate_free_credentials(credentials->certificate);
    free(credentials);
}

static int read_all(const struct http_settings *settings, struct tls_credentials **out, struct err *err)
{
    struct tls_credentials *credentials = calloc(1, sizeof *credentials);
    if (!credentials)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = gnutls_certificate_allocate_credentials(&credentials->certificate) == 0
                 ? read_pair(credentials, settings, err)
                 : err_set(err, -ENOMEM, "out of memory");
    if (rc == 0 && settings->tls_ca)
        rc = read_ca(credentials, settings->tls_ca, err);
    if (rc == 0)
        *out = credentials;
    else
        free_credentials(credentials);
    return rc;
}

/* --- generations ------------------------------------------------------------------------------------ */

/* Under the lock. The newest stays, and what is in use. */
static void collect(struct tls *tls)
{
    struct tls_credentials **at = tls->newest ? &tls->newest->older : NULL;
    while (at && *at) {
        struct tls_credentials *old = *at;
        if (old->users == 0) {
            *at = old->older;
            free_credentials(old);
        } else {
            at = &old->older;
        }
    }
}

int tls_reload(struct tls *tls, struct err *err)
{
    struct tls_credentials *fresh = NULL;
    int rc = read_all(tls->settings, &fresh, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&tls->lock);
    collect(tls);
    fresh->generation = ++tls->generations;
    fresh->older = tls->newest;
    tls->newest = fresh;
    pthread_mutex_unlock(&tls->lock);
    return 0;
}

int tls_new(struct tls **out, const struct http_settings *settings, struct err *err)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return err_set(err, -ENOMEM, "out of memory");
    pthread_mutex_init(&tls->lock, NULL);
    tls->settings = settings;
    int rc = tls_reload(tls, err);
    if (rc)
        tls_free(tls);
    else
        *out = tls;
    return rc;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    for (struct tls_credentials *older; tls->newest; tls->newest = older) {
        older = tls->newest->older;
        free_credentials(tls->newest);
    }
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

static struct tls_credentials *take(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    struct tls_credentials *credentials = tls->newest;
    credentials->users++;
    pthread_mutex_unlock(&tls->lock);
    return credentials;
}

void tls_end(struct tls *tls, struct tls_credentials *credentials)
{
    pthread_mutex_lock(&tls->lock);
    credentials->users--;
    pthread_mutex_unlock(&tls->lock);
}

/* --- connections ------------------------------------------------------------------------------------ */

/* The names of the CAs are not told to the client: it shows what it has, whichever they are. */
struct tls_credentials *tls_begin(struct tls *tls, gnutls_session_t session)
{
    struct tls_credentials *credentials = take(tls);
    (void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials->certificate);
    gnutls_certificate_server_set_request(session,
                                          credentials->trust ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
    gnutls_certificate_send_x509_rdn_sequence(session, 1);
    return credentials;
}

/* Does the chain end at one whom we trust, and is all of it valid now? */
static bool verify(gnutls_x509_trust_list_t trust, const gnutls_datum_t *raw, unsigned count)
{
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned n = 0, status = 0;
    bool is_good = count > 0 && count <= CHAIN_MAX;
    for (; is_good && n < count; n++) {
        if (gnutls_x509_crt_init(&chain[n]) != 0)
            break;
        if (gnutls_x509_crt_import(chain[n], &raw[n], GNUTLS_X509_FMT_DER) != 0) {
            gnutls_x509_crt_deinit(chain[n]);
            break;
        }
    }
    is_good = is_good && n == count &&
              gnutls_x509_trust_list_verify_crt2(trust, chain, n, NULL, 0, 0, &status, NULL) == 0 &&
              status == 0;
    while (n > 0)
        gnutls_x509_crt_deinit(chain[--n]);
    return is_good;
}

bool tls_is_vouched(struct tls *tls, gnutls_session_t session, struct tls_verdict *verdict)
{
    struct tls_credentials *newest = take(tls);
    if (verdict->generation != newest->generation) {
        unsigned count = 0;
        const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &count);
        verdict->is_vouched = newest->trust && raw && verify(newest->trust, raw, count);
        verdict->generation = newest->generation;
    }
    tls_end(tls, newest);
    return verdict->is_vouched;
}
