/* Texts of Kusto commands (adx.md §1.5): quoting, tables, mappings. Pure; thread-safe.
 * All write to a buf: 0, or -ENOSPC / -ENOMEM from it. */
#ifndef UPLOADER_KQL_H
#define UPLOADER_KQL_H

#include "common/base/buf.h"
#include "common/segment/format.h"
#include "common/segment/name.h"
#include "common/segment/schema.h"

enum { KQL_MAPPING_NAME_BYTES = NAME_FILE_MAX_BYTES + 24 };

/* An entity's name: ['name'], with ' and \ escaped by a backslash. */
NODISCARD int kql_put_name(struct buf *out, const char *name);

/* A string literal: '...', likewise, and control characters as \n, \r, \t. */
NODISCARD int kql_put_string(struct buf *out, const char *text);

/* <Table>_<n>: the table's name with what is not a letter, digit or _ left out, and the hash of columns and
 * types in decimal, so that a changed schema has a mapping of its own and old batches keep theirs. Safe
 * between quotes of any kind. */
void kql_mapping_name(const char *table, const struct schema *schema,
                      char name[static KQL_MAPPING_NAME_BYTES]);

/* .create-merge table ['T'] (['c']:type, ...) */
NODISCARD int kql_create_table(struct buf *out, const char *table, const struct schema *schema);

/* .create-or-alter table ['T'] ingestion csv|json mapping "NAME" '[...]' */
NODISCARD int kql_create_mapping(struct buf *out, const char *table, const struct schema *schema,
                                 enum segment_format format);

/* .ingest inline into table ['T'] with (format='csv'[, ingestionMappingReference='NAME']) <| : the rows
 * follow. `mapping` may be NULL. */
NODISCARD int kql_ingest_inline(struct buf *out, const char *table, enum segment_format format,
                                const char *mapping);

/* What the streaming endpoint calls the format: "Csv", "MultiJson" (objects one after another). */
const char *kql_stream_format(enum segment_format format);

#endif
