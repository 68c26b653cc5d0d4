#include "tests/adxsim/ident.h"

#include <stdint.h>
#include <sys/random.h>

void ident_guid(char guid[IDENT_GUID_SIZE])
{
    unsigned char r[16] = {0};

    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        abort();
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    (void)snprintf(guid, IDENT_GUID_SIZE,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2],
                   r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

void ident_now(char text[IDENT_TIME_SIZE])
{
    struct timespec now;
    struct tm tm;
    size_t len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    len = strftime(text, IDENT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + len, IDENT_TIME_SIZE - len, ".%07ldZ", now.tv_nsec / 100);
}
