#include "common/control/events.h"

#include <errno.h>
#include <nng/protocol/pubsub0/pub.h>

#include "common/control/closing.h"
#include "common/control/message.h"

int events_open(struct events *events, const struct spool *spool, const char *program, struct err *err)
{
    events->program = program;
    int rc = nng_pub0_open(&events->socket);
    if (rc == 0) {
        events->is_open = true;
        rc = listening_start(&events->listening, events->socket, spool, program, "evt");
    }
    return rc ? err_set(err, -EIO, "event socket %s/run/%s.evt: cannot listen: %s", spool->path, program,
                        nng_strerror(rc))
              : 0;
}

void events_publish(struct events *events, const char *type, json_t *fields)
{
    char now[WALL_TEXT_BYTES];
    wall_format(wall_now_ms(), now);
    json_t *event = json_pack("{s:i, s:s, s:s, s:s}", "v", MESSAGE_VERSION, "type", type, "time", now,
                              "program", events->program);
    if (event && fields)
        json_object_update(event, fields);
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    if (text && events->is_open)
        (void)nng_send(events->socket, text, strlen(text), NNG_FLAG_NONBLOCK);
    free(text);
    json_decref(event);
    json_decref(fields);
}

struct mono events_due(const struct events *events)
{
    return listening_due(&events->listening);
}

void events_tick(struct events *events)
{
    listening_tick(&events->listening);
}

void events_close(struct events *events)
{
    if (!events->is_open)
        return;
    listening_stop(&events->listening);
    socket_close(events->socket, NULL);
    events->is_open = false;
}
