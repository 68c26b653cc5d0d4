#include "tests/adxsim/sas.h"

#include <ctype.h>
#include <gnutls/crypto.h>

#include "tests/adxsim/base64.h"

#define SAS_VERSION "2022-11-02"

enum { TEXT_MAX = 8192, SHA256_BYTES = 32 };

static void put_encoded(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text))
            buf_putc(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

static void expiry(long lifetime_s, char text[32])
{
    time_t when = time(NULL) + lifetime_s;
    struct tm tm;

    gmtime_r(&when, &tm);
    (void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void put_lower(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_putc(out, (char)tolower((unsigned char)*text));
}

/* The string that is signed: its fields in the order that each kind prescribes, absent ones empty. */
static void string_to_sign(const struct sas *sas, const char *until, struct buf *out)
{
    switch (sas->kind) {
    case SAS_CONTAINER: /* then snapshot, encryption scope, rscc, rscd, rsce, rscl, rsct */
        buf_printf(out, "%s\n\n%s\n/blob/%s/%s\n\n\n\n" SAS_VERSION "\nc\n\n\n\n\n\n\n", sas->permissions,
                   until, sas->account, sas->name);
        break;
    case SAS_QUEUE:
        buf_printf(out, "%s\n\n%s\n/queue/%s/%s\n\n\n\n" SAS_VERSION, sas->permissions, until, sas->account,
                   sas->name);
        break;
    case SAS_TABLE: /* then the ranges of keys */
        buf_printf(out, "%s\n\n%s\n/table/%s/", sas->permissions, until, sas->account);
        put_lower(out, sas->name);
        buf_puts(out, "\n\n\n\n" SAS_VERSION "\n\n\n\n");
        break;
    case SAS_ACCOUNT: /* then start, expiry, ip, protocol, version, encryption scope */
        buf_printf(out, "%s\n%s\nbqt\nsco\n\n%s\n\n\n" SAS_VERSION "\n\n", sas->account, sas->permissions,
                   until);
        break;
    }
}

void sas_write(const struct sas *sas, struct buf *out)
{
    unsigned char digest[SHA256_BYTES];
    struct buf text, signature;
    char until[32];

    buf_init(&text, TEXT_MAX);
    buf_init(&signature, TEXT_MAX);
    expiry(sas->lifetime_s, until);
    string_to_sign(sas, until, &text);
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, buf_text(sas->key), sas->key->len, text.data, text.len, digest) <
        0)
        abort();
    base64_encode(digest, sizeof digest, &signature);
    buf_puts(out, "sv=" SAS_VERSION);
    if (sas->kind == SAS_CONTAINER)
        buf_puts(out, "&sr=c");
    if (sas->kind == SAS_TABLE)
        buf_printf(out, "&tn=%s", sas->name);
    if (sas->kind == SAS_ACCOUNT)
        buf_puts(out, "&ss=bqt&srt=sco");
    buf_printf(out, "&sp=%s&se=", sas->permissions);
    put_encoded(out, until);
    buf_puts(out, "&sig=");
    put_encoded(out, buf_text(&signature));
    buf_fini(&signature);
    buf_fini(&text);
}
