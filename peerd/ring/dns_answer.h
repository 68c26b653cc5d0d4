/* What a DNS server answered (RFC 1035, 2782), taken apart. Pure; the bytes come from the network and are not
 * believed. Thread-safe. */
#ifndef SPILLWAY_PEERD_DNS_ANSWER_H
#define SPILLWAY_PEERD_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/compiler.h"

enum { DNS_NAME_BYTES = 256, DNS_ADDRESS_BYTES = 46 /* INET6_ADDRSTRLEN */, DNS_RECORDS_MAX = 4096 };

struct dns_record {
    enum dns_kind { DNS_SRV, DNS_ADDRESS } kind;
    bool is_additional;              /* not asked for, but sent along */
    char owner[DNS_NAME_BYTES];      /* whose record this is, without the last dot, in lower case */
    char target[DNS_NAME_BYTES];     /* SRV, likewise */
    unsigned port;                   /* SRV */
    char address[DNS_ADDRESS_BYTES]; /* A and AAAA, as text */
    bool is_v6;
};

struct dns_records {
    struct dns_record *list;
    size_t count;
    uint32_t ttl; /* seconds: the least of those that were asked for; UINT32_MAX: none */
};

/* SRV, A and AAAA records of the answer and additional sections; others are passed over. Names that are no
 * host names ([A-Za-z0-9._-]) are left out: nothing else may get into a URL. -EBADMSG: it is no such message;
 * -ENOMEM. */
NODISCARD int dns_answer_parse(const unsigned char *message, size_t bytes, struct dns_records *records);
void dns_records_fini(struct dns_records *records);

#endif
