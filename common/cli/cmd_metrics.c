#include <jansson.h>

#include "common/base/exit.h"
#include "common/cli/command.h"
#include "common/control/client.h"
#include "common/control/message.h"

enum { ANSWER_MS = 2000 };

int cmd_metrics(struct cli *cli)
{
    int answered = 0;
    json_t *request = message_request("metrics");
    for (size_t i = 0; cli_daemons[i]; i++) {
        json_t *reply;
        struct err err;
        if (ctl_ask_once(&cli->spool, cli_daemons[i], request, ANSWER_MS, &reply, &err) == 0) {
            fputs(message_text(reply, "text", ""), stdout);
            answered++;
        } else {
            printf("spillway_up{program=\"%s\"} 0\n", cli_daemons[i]);
        }
        json_decref(reply);
    }
    json_decref(request);
    return answered ? EXIT_DONE : cli_fail(EXIT_AGAIN, "no program answers on spool %s", cli->spool.path);
}
