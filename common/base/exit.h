/* Exit codes of every program (house.md §6): what a supervisor or a script may conclude. */
#ifndef SPILLWAY_EXIT_H
#define SPILLWAY_EXIT_H

enum exit_code {
    EXIT_DONE = 0,      /* all of it was done */
    EXIT_DAMAGED = 1,   /* done, but something is damaged, or was refused and is in quarantine */
    EXIT_AGAIN = 75,    /* temporary: something is left, try again later */
    EXIT_USAGE = 100,   /* wrong usage or configuration: restarting will not help */
    EXIT_TROUBLE = 111, /* temporary trouble outside: a supervisor should restart */
};

#endif
