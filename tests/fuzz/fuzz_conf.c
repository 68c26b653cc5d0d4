/* libFuzzer target: configuration: values of every key, and a whole file. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CHECK(condition) ((condition) ? (void)0 : abort())

static void try_values(const char *text)
{
    struct err err;
    int64_t number;
    for (int id = 0; id < CONF_KEYS; id++)
        if (conf_check_value((enum conf_id)id, text, &number, &err) != 0)
            CHECK(*err.text);
}

static void try_file(const uint8_t *data, size_t bytes)
{
    char path[64];
    struct err err = {0};
    int fd = memfd_create("conf", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (conf_check_file(path, &err) != 0)
        CHECK(*err.text);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    CHECK(text);
    if (bytes > 0)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    try_values(text);
    try_file(data, bytes);
    free(text);
    return 0;
}
