#include "common/http/head.h"

#include <strings.h>

const char *http_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

struct http_head http_head_read(struct MHD_Connection *connection)
{
    const char *length = http_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *expect = http_header(connection, MHD_HTTP_HEADER_EXPECT);
    struct http_head head = {.is_chunked = http_header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL,
                             .is_expecting = expect && strcasecmp(expect, "100-continue") == 0};
    head.has_length = length && !head.is_chunked;
    if (head.has_length)
        head.length = strtoull(length, NULL, 10);
    return head;
}
