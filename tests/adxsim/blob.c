#include "tests/adxsim/blob.h"

#include <errno.h>

#include "tests/adxsim/gunzip.h"

#define RAW_MAX ((size_t)3 << 30)

static int refuse(int status, const char *cause, struct sim_error *error)
{
    if (status == 404)
        return error_set(error, ERROR_BLOB_NOT_FOUND, "The blob does not exist (404 %s)", cause);
    if (status == 403 || status == 401)
        return error_set(error, ERROR_BLOB_FORBIDDEN, "The blob may not be read with the URL given (%d %s)",
                         status, cause);
    if (status >= 400 && status < 500 && status != 408 && status != 429)
        return error_set(error, ERROR_BLOB_BAD_REQUEST, "The blob cannot be read (%d %s)", status, cause);
    return error_set(error, ERROR_DOWNLOAD, "The storage answered %d %s", status, cause);
}

static int download(struct client *client, const char *url, struct buf *data, struct sim_error *error)
{
    const struct client_request request = {.method = "GET", .url = url, .response_max = RAW_MAX};
    struct client_response response;
    char cause[80];
    int rc = client_perform(client, &request, &response);

    client_header(&response, "x-ms-error-code", cause, sizeof cause);
    if (rc == -E2BIG)
        rc = error_set(error, ERROR_FILE_TOO_LARGE, "The blob is larger than %zu bytes", RAW_MAX);
    else if (rc < 0)
        rc = error_set(error, ERROR_DOWNLOAD, "The storage gave no answer: %s", strerror(-rc));
    else if (response.status != 200)
        rc = refuse(response.status, cause, error);
    if (rc == 0) {
        *data = response.body;
        buf_init(&response.body, 0);
    }
    client_response_fini(&response);
    return rc;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    return len >= strlen(end) && memcmp(text + len - strlen(end), end, strlen(end)) == 0;
}

static int unpack(const char *url, const struct buf *data, struct buf *raw, struct sim_error *error)
{
    bool named_gzip = ends_with(url, strcspn(url, "?"), ".gz");
    const char *bytes = buf_text(data);

    if (data->len == 0)
        return error_set(error, ERROR_EMPTY_BLOB, "The blob is empty");
    if (!named_gzip && data->len >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0)
        return error_set(error, ERROR_INVALID_BLOB, "The blob holds gzip, but its name does not end in .gz");
    if (!named_gzip)
        return buf_append(raw, bytes, data->len);
    switch (gunzip(bytes, data->len, raw)) {
    case 0:
        return raw->len ? 0 : error_set(error, ERROR_EMPTY_BLOB, "The blob holds no data");
    case -E2BIG:
        return error_set(error, ERROR_FILE_TOO_LARGE, "The blob holds more than %zu bytes", RAW_MAX);
    default:
        return error_set(error, ERROR_INVALID_BLOB,
                         "The blob's name ends in .gz, but it is not whole and valid gzip");
    }
}

int blob_fetch(struct client *client, const char *url, struct buf *raw, struct sim_error *error)
{
    struct buf data;

    buf_init(&data, 0);
    buf_init(raw, RAW_MAX);
    int rc = download(client, url, &data, error);
    if (rc == 0)
        rc = unpack(url, &data, raw, error);
    buf_fini(&data);
    return rc;
}

int blob_delete(struct client *client, const char *url)
{
    const struct client_request request = {.method = "DELETE", .url = url};
    struct client_response response;
    int rc = client_perform(client, &request, &response);

    if (rc == 0 && response.status != 202)
        rc = -EIO;
    client_response_fini(&response);
    return rc;
}
