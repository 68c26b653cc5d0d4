#include "common/spool/sync_mode.h"

const char *sync_mode_name(enum sync_mode mode)
{
    static const char *const names[] = {
        [SYNC_NEVER] = "never", [SYNC_SEAL] = "seal", [SYNC_INTERVAL] = "interval", [SYNC_ALWAYS] = "always"};
    return names[mode];
}
