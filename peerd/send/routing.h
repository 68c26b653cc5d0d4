/* What other parts may ask of the part that empties sealed/. Main thread only. */
#ifndef SPILLWAY_PEERD_ROUTING_H
#define SPILLWAY_PEERD_ROUTING_H

#include "peerd/peerd.h"
#include "peerd/send/router.h"

/* router_explain() with what routing has. */
NODISCARD int routing_explain(struct peerd *peerd, const struct view *view, const char *folder,
                              const struct segment_name *name, struct router_answer *answer);

#endif
