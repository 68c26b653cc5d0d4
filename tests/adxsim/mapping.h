/* Ingestion mappings: which part of a record each column of a table comes from. */
#ifndef ADXSIM_MAPPING_H
#define ADXSIM_MAPPING_H

#include "tests/adxsim/error.h"
#include "tests/adxsim/store.h"

enum source_kind { SOURCE_NONE, SOURCE_FIELD, SOURCE_PATH, SOURCE_CONST };

struct source {
    enum source_kind kind;
    size_t ordinal; /* SOURCE_FIELD: from 0 */
    char *text;     /* SOURCE_PATH: "$.a.b"; SOURCE_CONST: the value. Owned */
};

/* One source for each column of the table, in the table's order; what the mapping does not name gets null. */
struct mapping {
    struct source *sources;
    size_t nsources;
};

/* Read the JSON of a mapping against a table. kind: "Csv" or "Json". Refused: JSON that does not parse,
 * unknown or repeated columns, a DataType other than the column's, Ordinal together with ConstValue, neither
 * of both. 0 or -EPROTO with *error set; mapping_fini in either case. */
NODISCARD int mapping_parse(const struct table *table, const char *kind, const char *json,
                            struct mapping *mapping, struct sim_error *error);
/* What holds without a mapping: CSV by position, JSON by column name. */
void mapping_identity(const struct table *table, const char *kind, struct mapping *mapping);
void mapping_fini(struct mapping *mapping);

#endif
