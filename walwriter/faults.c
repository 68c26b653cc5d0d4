#include "walwriter/faults.h"

void faults_add(struct faults *faults, const struct fault *fault)
{
    faults->count++;
    if (!faults->list)
        faults->list = json_array();
    if (json_array_size(faults->list) < FAULTS_LISTED_MAX)
        (void)json_array_append_new(faults->list,
                                    json_pack("{s:I, s:I, s:s}", "row", (json_int_t)fault->row, "line",
                                              (json_int_t)fault->line, "reason", fault->why));
}

void faults_fini(struct faults *faults)
{
    json_decref(faults->list);
    *faults = (struct faults){0};
}

void faults_move(struct faults *to, struct faults *from)
{
    size_t listed = to->list ? json_array_size(to->list) : 0, i;
    json_t *one;
    to->count += from->count;
    if (!to->list)
        to->list = json_array();
    json_array_foreach (from->list, i, one)
        if (listed + i < FAULTS_LISTED_MAX)
            (void)json_array_append(to->list, one);
    faults_fini(from);
}
