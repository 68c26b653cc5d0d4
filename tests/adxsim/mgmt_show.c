/* Commands that only look. */
#include "tests/adxsim/mgmt.h"

#include <errno.h>

#include "tests/adxsim/ident.h"

int mgmt_show_version(struct mgmt *mgmt)
{
    result_add_columns(mgmt->result,
                       "BuildVersion:string,BuildTime:datetime,ServiceType:string,ProductVersion:string");
    result_take_row(mgmt->result, json_pack("[s,s,s,s]", "1.0.0.0", "2026-01-01T00:00:00Z",
                                            mgmt->host == HOST_DM ? "DataManagement" : "Engine",
                                            "adxsim " SPILLWAY_VERSION));
    return 0;
}

int mgmt_show_cluster(struct mgmt *mgmt)
{
    result_add_columns(
        mgmt->result,
        "NodeId:string,Address:string,Name:string,StartTime:datetime,AssignedHotExtents:int,"
        "IsAdmin:bool,MachineTotalMemory:long,MachineAvailableMemory:long,ProcessorCount:int,"
        "HotExtentsOriginalSize:long,HotExtentsSize:long,EnvironmentDescription:string,"
        "ProductVersion:string,Reserved0:int,ClockDescription:string,RuntimeDescription:string");
    result_take_row(mgmt->result,
                    json_pack("[s,s,s,s,i,b,I,I,i,I,I,s,s,i,s,s]", "KEngine000000",
                              "net.tcp://localhost:23107/mgmt",
                              mgmt->sim->emulator ? "KustoPersonal" : "KEngine000000", "2026-01-01T00:00:00Z",
                              1, 1, (json_int_t)16 << 30, (json_int_t)8 << 30, 4, (json_int_t)0,
                              (json_int_t)0, "adxsim", "adxsim " SPILLWAY_VERSION, 0, "UTC", "C17"));
    return 0;
}

/* Every row of a statement, the columns as the result declares them: text, or integers for long. */
static int take_rows(struct mgmt *mgmt, sqlite3_stmt *stmt)
{
    int rc, columns = (int)json_array_size(mgmt->result->columns);

    if (!stmt)
        return mgmt_io(mgmt, -EIO);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        json_t *row = json_array();
        for (int i = 0; i < columns; i++)
            json_array_append_new(row, sqlite3_column_type(stmt, i) == SQLITE_INTEGER
                                           ? json_integer(sqlite3_column_int64(stmt, i))
                                           : result_string(store_text(stmt, i), strlen(store_text(stmt, i))));
        result_take_row(mgmt->result, row);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : mgmt_io(mgmt, -EIO);
}

int mgmt_show_databases(struct mgmt *mgmt)
{
    result_add_columns(mgmt->result,
                       "DatabaseName:string,PersistentStorage:string,Version:string,IsCurrent:bool,"
                       "DatabaseAccessMode:string,PrettyName:string");
    return take_rows(mgmt, store_query(mgmt->store,
                                       "SELECT name, '', 'v1.0', name = ?, 'ReadWrite', '' FROM sim_database"
                                       " ORDER BY name",
                                       "t", mgmt->database));
}

int mgmt_show_tables(struct mgmt *mgmt)
{
    result_add_columns(mgmt->result, "TableName:string,DatabaseName:string,Folder:string,DocString:string");
    return take_rows(mgmt, store_query(mgmt->store,
                                       "SELECT name, db, folder, docstring FROM sim_table WHERE db = ?"
                                       " ORDER BY name",
                                       "t", mgmt->database));
}

/* .show ingestion failures [with (OperationId='..')] */
int mgmt_show_failures(struct mgmt *mgmt)
{
    static const char *const names[] = {"OperationId", NULL};
    char *operation = NULL;
    int rc = mgmt_take_properties(mgmt, names, &operation);

    result_add_columns(
        mgmt->result,
        "OperationId:guid,Database:string,Table:string,FailedOn:datetime,IngestionSourcePath:string,"
        "Details:string,FailureKind:string,RootActivityId:guid,OperationKind:string,"
        "OriginatesFromUpdatePolicy:bool,ErrorCode:string,Principal:string,User:string,"
        "IngestionProperties:string,NumberOfSources:int,ShouldRetry:bool");
    if (rc == 0)
        rc = take_rows(
            mgmt, store_query(mgmt->store,
                              "SELECT operation_id, db, tbl, time, source_path, details,"
                              " iif(permanent, 'Permanent', 'Transient'), operation_id, kind, 0, code, '',"
                              " '', properties, 1, NOT permanent FROM sim_failure"
                              " WHERE ?1 IS NULL OR operation_id = ?1 ORDER BY id",
                              "t", operation));
    free(operation);
    return rc;
}

static int show_cslschema(struct mgmt *mgmt, const struct table *table)
{
    struct buf schema;

    result_add_columns(mgmt->result,
                       "TableName:string,Schema:string,DatabaseName:string,Folder:string,DocString:string");
    buf_init(&schema, 4 << 20);
    for (size_t i = 0; i < table->ncolumns; i++)
        buf_printf(&schema, "%s%s:%s", i ? "," : "", table->columns[i].name,
                   type_name(table->columns[i].type));
    result_take_row(mgmt->result, json_pack("[s,s,s,s,s]", table->name, buf_text(&schema), table->database,
                                            table->folder, table->docstring));
    buf_fini(&schema);
    return 0;
}

static int show_policy(struct mgmt *mgmt, const struct table *table)
{
    bool on =
        table->streaming == POLICY_DEFAULT ? mgmt->sim->streaming_default : table->streaming == POLICY_ON;
    const char *policy;

    if (csl_accept_word(mgmt->csl, "streamingingestion"))
        policy = on ? "{\"IsEnabled\":true,\"HintAllocatedRate\":null}"
                    : "{\"IsEnabled\":false,\"HintAllocatedRate\":null}";
    else if (csl_accept_word(mgmt->csl, "ingestionbatching"))
        policy = *table->batching ? table->batching : "null";
    else
        return mgmt_syntax(mgmt, "streamingingestion or ingestionbatching");
    result_add_columns(mgmt->result, "PolicyName:string,EntityName:string,Policy:string,ChildEntities:string,"
                                     "EntityType:string");
    result_take_row(mgmt->result, json_pack("[s,s,s,s,s]", "Policy", table->name, policy, "", "Table"));
    return 0;
}

int mgmt_show_table(struct mgmt *mgmt)
{
    struct table table;
    int rc = mgmt_take_table(mgmt, &table);

    if (rc == 0) {
        if (csl_accept_word(mgmt->csl, "cslschema"))
            rc = show_cslschema(mgmt, &table);
        else if (csl_accept_word(mgmt->csl, "ingestion"))
            rc = mgmt_show_mappings(mgmt, &table, mgmt->database);
        else if (csl_accept_word(mgmt->csl, "policy"))
            rc = show_policy(mgmt, &table);
        else
            rc = mgmt_syntax(mgmt, "cslschema, ingestion or policy");
    }
    table_fini(&table);
    return rc;
}

int mgmt_show_database(struct mgmt *mgmt)
{
    char *name;
    int rc = mgmt_take_name(mgmt, &name);

    if (rc == 0)
        rc = mgmt_expect_word(mgmt, "ingestion");
    if (rc == 0 && !store_has_database(mgmt->store, name))
        rc = mgmt_no_database(mgmt->sim, name, mgmt->error);
    if (rc == 0)
        rc = mgmt_show_mappings(mgmt, NULL, name);
    free(name);
    return rc;
}

/* After "ingestion": [csv|json] mapping "M" | [csv|json] mappings. Without a table, all of the database. */
int mgmt_show_mappings(struct mgmt *mgmt, const struct table *table, const char *database)
{
    const char *kind = NULL;
    char *name = NULL;

    if (csl_accept_word(mgmt->csl, "csv"))
        kind = "Csv";
    else if (csl_accept_word(mgmt->csl, "json"))
        kind = "Json";
    if (kind && csl_accept_word(mgmt->csl, "mapping")) {
        if (!csl_take_name_or_string(mgmt->csl, &name))
            return mgmt_syntax(mgmt, "the name of a mapping");
    } else if (!csl_accept_word(mgmt->csl, "mappings")) {
        return mgmt_syntax(mgmt, "mapping or mappings");
    }
    result_add_columns(mgmt->result,
                       "Name:string,Kind:string,Mapping:string,LastUpdatedOn:datetime,Database:string,"
                       "Table:string");
    int rc = take_rows(
        mgmt,
        store_query(mgmt->store,
                    "SELECT m.name, kind, mapping, updated, db, t.name FROM sim_mapping m, sim_table t"
                    " WHERE t.id = table_id AND db = ?1 AND (?2 IS NULL OR t.name = ?2)"
                    " AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR m.name = ?4) ORDER BY 5, 6, 2, 1",
                    "tttt", database, table ? table->name : NULL, kind, name));
    if (rc == 0 && name && json_array_size(mgmt->result->rows) == 0)
        rc = error_set(mgmt->error, ERROR_ENTITY_NOT_FOUND, "Mapping '%.200s' was not found", name);
    free(name);
    return rc;
}
