/* What landing.c and landing_seal.c share; private to them. */
#ifndef SPILLWAY_PEERD_LANDING_PARTS_H
#define SPILLWAY_PEERD_LANDING_PARTS_H

#include "peerd/receive/landing.h"

/* Out of the table and its list. */
void landing_detach(struct landings *landings, struct landing *landing);

/* Its file is sealed, removed, or left where it is. */
void landing_end(struct landings *landings, struct landing *landing);

#endif
