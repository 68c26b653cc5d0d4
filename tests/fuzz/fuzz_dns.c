/* libFuzzer target: answers of a DNS server. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>

#include "peerd/ring/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

static void check_host(const char *host)
{
    CHECK(strlen(host) < DNS_NAME_BYTES);
    for (; *host; host++)
        CHECK(isalnum((unsigned char)*host) || strchr("._-", *host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct dns_records records;
    if (dns_answer_parse(data, bytes, &records) != 0) {
        CHECK(!records.list && records.count == 0);
        return 0;
    }
    CHECK(records.count <= DNS_RECORDS_MAX);
    for (size_t i = 0; i < records.count; i++) {
        const struct dns_record *record = &records.list[i];
        check_host(record->owner);
        CHECK(*record->owner && (record->kind == DNS_SRV ? *record->target : *record->address));
        check_host(record->target);
        CHECK(record->port <= UINT16_MAX);
    }
    dns_records_fini(&records);
    return 0;
}
