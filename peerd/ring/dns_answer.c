#include "peerd/ring/dns_answer.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>

/* Copy a host's name in lower case, without its last dot. False: it is none. */
static bool copy_host(const char *name, char host[static DNS_NAME_BYTES])
{
    size_t bytes = strnlen(name, NS_MAXDNAME);
    if (bytes > 0 && name[bytes - 1] == '.')
        bytes--;
    if (bytes == 0 || bytes >= DNS_NAME_BYTES)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
        host[i] = (char)tolower((unsigned char)name[i]);
    }
    host[bytes] = '\0';
    return true;
}

static bool read_srv(const ns_msg *message, const ns_rr *rr, struct dns_record *record)
{
    enum { PORT_AT = 4, TARGET_AT = 6 };
    char target[NS_MAXDNAME];
    if (ns_rr_rdlen(*rr) <= TARGET_AT ||
        ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), ns_rr_rdata(*rr) + TARGET_AT, target,
                           sizeof target) < 0)
        return false;
    record->kind = DNS_SRV;
    record->port = ns_get16(ns_rr_rdata(*rr) + PORT_AT);
    return copy_host(target, record->target); /* "." says that there is none */
}

static bool read_address(const ns_rr *rr, struct dns_record *record)
{
    record->is_v6 = ns_rr_type(*rr) == ns_t_aaaa;
    record->kind = DNS_ADDRESS;
    if (ns_rr_rdlen(*rr) != (record->is_v6 ? NS_IN6ADDRSZ : NS_INADDRSZ))
        return false;
    return inet_ntop(record->is_v6 ? AF_INET6 : AF_INET, ns_rr_rdata(*rr), record->address,
                     sizeof record->address);
}

/* False: not one that we want. */
static bool read_record(const ns_msg *message, const ns_rr *rr, struct dns_record *record)
{
    *record = (struct dns_record){0};
    if (ns_rr_class(*rr) != ns_c_in || !copy_host(ns_rr_name(*rr), record->owner))
        return false;
    switch ((int)ns_rr_type(*rr)) {
    case ns_t_srv:
        return read_srv(message, rr, record);
    case ns_t_a:
    case ns_t_aaaa:
        return read_address(rr, record);
    default:
        return false;
    }
}

static int read_section(ns_msg *message, ns_sect section, struct dns_records *records)
{
    for (int i = 0; i < ns_msg_count(*message, section) && records->count < DNS_RECORDS_MAX; i++) {
        ns_rr rr;
        if (ns_parserr(message, section, i, &rr) != 0)
            return -EBADMSG;
        struct dns_record *record = &records->list[records->count];
        if (!read_record(message, &rr, record))
            continue;
        record->is_additional = section != ns_s_an;
        if (!record->is_additional && ns_rr_ttl(rr) < records->ttl)
            records->ttl = ns_rr_ttl(rr);
        records->count++;
    }
    return 0;
}

int dns_answer_parse(const unsigned char *bytes, size_t count, struct dns_records *records)
{
    ns_msg message;
    *records = (struct dns_records){.ttl = UINT32_MAX};
    if (count > NS_MAXMSG || ns_initparse(bytes, (int)count, &message) != 0)
        return -EBADMSG;
    size_t all = (size_t)ns_msg_count(message, ns_s_an) + (size_t)ns_msg_count(message, ns_s_ar);
    records->list = calloc((all < DNS_RECORDS_MAX ? all : DNS_RECORDS_MAX) + 1, sizeof *records->list);
    if (!records->list)
        return -ENOMEM;
    int rc = read_section(&message, ns_s_an, records);
    if (rc == 0)
        rc = read_section(&message, ns_s_ar, records);
    if (rc)
        dns_records_fini(records);
    return rc;
}

void dns_records_fini(struct dns_records *records)
{
    free(records->list);
    *records = (struct dns_records){.ttl = UINT32_MAX};
}
