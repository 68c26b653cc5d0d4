/* A view as JSON, for the control socket and `spillway`: members, and who owns a table and why. Pure. */
#ifndef SPILLWAY_PEERD_VIEW_JSON_H
#define SPILLWAY_PEERD_VIEW_JSON_H

#include <jansson.h>

#include "peerd/ring/view.h"

/* An array of all members, ourselves too. NULL: no memory. */
json_t *view_members_json(const struct view *view);

/* {"db","table","schema","key","owner","url","self","ranking":[{"name","weight","present","trouble"}, …]}:
 * the ranking holds every member that has a name, whether present or not: the first that is present owns the
 * table. */
json_t *view_owner_json(const struct view *view, const char *db, const char *table, const char *schema);

#endif
