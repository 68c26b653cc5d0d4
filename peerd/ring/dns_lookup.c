#include "peerd/ring/dns_lookup.h"

#include <errno.h>
#include <netdb.h>
#include <resolv.h>

enum { ANSWER_BYTES = 64 << 10, TIMEOUT_S = 2, TRIES = 2 };

static const char service[] = "_spillway._tcp";

/* --- one question ----------------------------------------------------------------------------------- */

struct resolver {
    const struct dns_question *question;
    struct __res_state state;
    unsigned char *answer; /* ANSWER_BYTES */
    uint32_t ttl;
    struct err *err;
};

static int open_resolver(struct resolver *resolver)
{
    resolver->answer = malloc(ANSWER_BYTES);
    if (!resolver->answer || res_ninit(&resolver->state) != 0)
        return err_set(resolver->err, -ENOMEM, "the resolver cannot be set up");
    resolver->state.retrans = TIMEOUT_S;
    resolver->state.retry = TRIES;
    if (resolver->question->server.sin_family) {
        resolver->state.nscount = 1;
        resolver->state.nsaddr_list[0] = resolver->question->server;
    }
    return 0;
}

static void close_resolver(struct resolver *resolver)
{
    res_nclose(&resolver->state);
    free(resolver->answer);
}

static const char *type_word(int type)
{
    return type == ns_t_srv ? "SRV" : type == ns_t_a ? "A" : "AAAA";
}

/* 1: there are some, in `records`. 0: there are none. Or a negative errno: nobody can say. */
static int ask(struct resolver *resolver, const char *name, int type, struct dns_records *records)
{
    res_state state = &resolver->state;
    int bytes = resolver->question->server.sin_family
                    ? res_nquery(state, name, ns_c_in, type, resolver->answer, ANSWER_BYTES)
                    : res_nsearch(state, name, ns_c_in, type, resolver->answer, ANSWER_BYTES);
    int why = state->res_h_errno;
    *records = (struct dns_records){.ttl = UINT32_MAX};
    if (bytes < 0 && (why == HOST_NOT_FOUND || why == NO_DATA))
        return 0;
    if (bytes < 0)
        return err_set(resolver->err, -EAGAIN, "%s %s: %s", name, type_word(type), hstrerror(why));
    int rc =
        dns_answer_parse(resolver->answer, (size_t)(bytes < ANSWER_BYTES ? bytes : ANSWER_BYTES), records);
    if (rc)
        return err_errno(resolver->err, rc, "%s %s: the answer cannot be used", name, type_word(type));
    if (records->ttl < resolver->ttl)
        resolver->ttl = records->ttl;
    return 1;
}

/* --- members ---------------------------------------------------------------------------------------- */

struct found {
    struct member_address *list;
    size_t count, room;
};

static int add(struct resolver *resolver, struct found *found, const char *host, unsigned port,
               const char *address, bool is_v6)
{
    struct member_address member = {0};
    if (found->count >= VIEW_MEMBERS_MAX)
        return err_set(resolver->err, -E2BIG, "%s: there are more than %d members", resolver->question->name,
                       VIEW_MEMBERS_MAX);
    snprintf(member.url, sizeof member.url, "%s://%s:%u", resolver->question->scheme, host, port);
    if (*address)
        snprintf(member.connect_to, sizeof member.connect_to, is_v6 ? "::[%s]:%u" : "::%s:%u", address, port);
    for (size_t i = 0; i < found->count; i++)
        if (memcmp(&found->list[i], &member, sizeof member) == 0)
            return 0;
    if (found->count == found->room) {
        size_t room = found->room ? 2 * found->room : 16;
        struct member_address *list = reallocarray(found->list, room, sizeof *list);
        if (!list)
            return err_set(resolver->err, -ENOMEM, "out of memory");
        found->list = list;
        found->room = room;
    }
    found->list[found->count++] = member;
    return 0;
}

static const struct dns_record *find_address(const struct dns_records *records, const char *owner, bool is_v6)
{
    for (size_t i = 0; i < records->count; i++)
        if (records->list[i].kind == DNS_ADDRESS && records->list[i].is_v6 == is_v6 &&
            (!owner || strcmp(records->list[i].owner, owner) == 0))
            return &records->list[i];
    return NULL;
}

/* The address of a target: it may have come along, else it is asked for. "": it has none. */
static int resolve_target(struct resolver *resolver, const struct dns_records *sent, const char *target,
                          struct dns_record *address)
{
    const struct dns_record *known = find_address(sent, target, false);
    *address = (struct dns_record){0};
    if (known) {
        *address = *known;
        return 0;
    }
    static const int types[] = {ns_t_a, ns_t_aaaa};
    for (size_t i = 0; i < ARRAY_LEN(types) && !*address->address; i++) {
        struct dns_records records;
        int rc = ask(resolver, target, types[i], &records);
        if (rc < 0)
            return rc;
        known = find_address(&records, NULL, types[i] == ns_t_aaaa);
        if (known)
            *address = *known;
        dns_records_fini(&records);
    }
    return 0;
}

static int find_services(struct resolver *resolver, const char *name, struct found *found)
{
    struct dns_records records;
    int rc = ask(resolver, name, ns_t_srv, &records);
    for (size_t i = 0; rc > 0 && i < records.count; i++) {
        const struct dns_record *record = &records.list[i];
        struct dns_record address;
        if (record->kind != DNS_SRV || record->is_additional)
            continue;
        int status = resolve_target(resolver, &records, record->target, &address);
        if (status == 0)
            status = add(resolver, found, record->target, record->port, address.address, address.is_v6);
        if (status)
            rc = status;
    }
    dns_records_fini(&records);
    return rc < 0 ? rc : 0;
}

static int find_addresses(struct resolver *resolver, const char *name, int type, struct found *found)
{
    struct dns_records records;
    int rc = ask(resolver, name, type, &records);
    for (size_t i = 0; rc > 0 && i < records.count; i++) {
        const struct dns_record *record = &records.list[i];
        if (record->kind != DNS_ADDRESS || record->is_additional)
            continue;
        int status = add(resolver, found, name, resolver->question->port, record->address, record->is_v6);
        if (status)
            rc = status;
    }
    dns_records_fini(&records);
    return rc < 0 ? rc : 0;
}

static int find_members(struct resolver *resolver, struct found *found)
{
    const char *name = resolver->question->name;
    bool is_service = name[0] == '_';
    char full[DNS_NAME_BYTES + sizeof service];
    int rc = 0;
    snprintf(full, sizeof full, "%s.%s", service, name);
    if (!is_service)
        rc = find_services(resolver, full, found);
    if (rc == 0 && found->count == 0)
        rc = find_services(resolver, name, found);
    if (rc == 0 && found->count == 0 && !is_service)
        rc = find_addresses(resolver, name, ns_t_a, found);
    if (rc == 0 && found->count == 0 && !is_service)
        rc = find_addresses(resolver, name, ns_t_aaaa, found);
    if (rc == 0 && found->count == 0)
        rc = err_set(resolver->err, -ENOENT, "%s: there is neither an SRV record nor an address of that name",
                     name);
    return rc;
}

int dns_lookup(const struct dns_question *question, struct member_address **addresses, size_t *count,
               uint32_t *ttl_s, struct err *err)
{
    struct resolver resolver = {.question = question, .ttl = UINT32_MAX, .err = err};
    struct found found = {0};
    int rc = open_resolver(&resolver);
    if (rc == 0)
        rc = find_members(&resolver, &found);
    close_resolver(&resolver);
    if (rc) {
        free(found.list);
        return rc;
    }
    *addresses = found.list;
    *count = found.count;
    *ttl_s = resolver.ttl;
    return 0;
}
