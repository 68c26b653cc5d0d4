/* One look-up of the members of the ring, as discovery.h describes it: several questions, one answer. Blocks,
 * for some seconds where servers do not answer. Thread-safe. */
#ifndef SPILLWAY_PEERD_DNS_LOOKUP_H
#define SPILLWAY_PEERD_DNS_LOOKUP_H

#include <netinet/in.h>

#include "peerd/ring/dns_answer.h"
#include "peerd/ring/members.h"

struct dns_question {
    char name[DNS_NAME_BYTES];
    struct sockaddr_in server; /* sin_family 0: those of the system, with its search list */
    const char *scheme;        /* "http" or "https": how members are spoken to */
    unsigned port;             /* of members that are addresses only */
};

/* `*addresses` (the caller's) are zeroed and without names; `*ttl_s` is how long they may be kept. A negative
 * errno with a text when a question failed, or nobody was found (-ENOENT). */
NODISCARD int dns_lookup(const struct dns_question *question, struct member_address **addresses,
                         size_t *count, uint32_t *ttl_s, struct err *err);

#endif
