#include "tests/adxsim/error.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>

#include "tests/adxsim/ident.h"

#define INGESTION_TYPE "Kusto.Ingest.Exceptions.IngestionException"

struct shape {
    int status;
    const char *code;
    const char *type;
    bool permanent;
};

static const struct shape shapes[ERROR_KINDS] = {
    [ERROR_BAD_REQUEST] = {400, "General_BadRequest", "Kusto.Data.Exceptions.KustoBadRequestException", true},
    [ERROR_SYNTAX] = {400, "BadRequest_SyntaxError", "Kusto.Data.Exceptions.SyntaxException", true},
    [ERROR_SEMANTIC] = {400, "BadRequest_SemanticError", "Kusto.Data.Exceptions.SemanticException", true},
    [ERROR_DATABASE_NOT_FOUND] = {404, "NotFound",
                                  "Kusto.Common.Svc.Exceptions.EntityNameDoesNotExistException", true},
    [ERROR_DATABASE_NOT_EXIST] = {400, "BadRequest_DatabaseNotExist",
                                  "Kusto.Data.Exceptions.KustoBadRequestException", true},
    [ERROR_TABLE_NOT_EXIST] = {400, "BadRequest_TableNotExist",
                               "Kusto.Common.Svc.Exceptions.EntityNotFoundException", true},
    [ERROR_ENTITY_NOT_FOUND] = {400, "BadRequest_EntityNotFound",
                                "Kusto.Common.Svc.Exceptions.EntityNotFoundException", true},
    [ERROR_SCHEMA] = {400, "BadRequest_InvalidSchema",
                      "Kusto.Common.Svc.Exceptions.AdminCommandWrongParametersException", true},
    [ERROR_MAPPING] = {400, "BadRequest_InvalidMapping", "Kusto.DataNode.Exceptions.InvalidMappingException",
                       true},
    [ERROR_MAPPING_NOT_FOUND] = {400, "BadRequest_MappingReferenceWasNotFound",
                                 "Kusto.DataNode.Exceptions.MappingReferenceWasNotFoundException", true},
    [ERROR_FORMAT] = {400, "BadRequest_FormatNotSupported",
                      "Kusto.DataNode.Exceptions.FormatNotSupportedException", true},
    [ERROR_PROPERTY] = {400, "BadRequest_MalformedIngestionProperty",
                        "Kusto.DataNode.Exceptions.MalformedIngestionPropertyException", true},
    [ERROR_NO_DATA] = {400, "Stream_NoDataToIngest", "Kusto.DataNode.Exceptions.StreamNoDataException", true},
    [ERROR_WRONG_FORMAT] = {400, "BadRequest_NoRecordsOrWrongFormat",
                            "Kusto.DataNode.Exceptions.NoRecordsOrWrongFormatException", true},
    [ERROR_CLOSING_QUOTE] = {400, "Stream_ClosingQuoteMissing",
                             "Kusto.DataNode.Exceptions.StreamClosingQuoteMissingException", true},
    [ERROR_STREAM_TOO_LARGE] = {413, "Stream_InputStreamTooLarge",
                                "Kusto.DataNode.Exceptions.InputStreamTooLargeException", true},
    [ERROR_PAYLOAD_TOO_LARGE] = {413, "PayloadTooLarge",
                                 "Kusto.Common.Svc.Exceptions.PayloadTooLargeException", true},
    [ERROR_STREAMING_POLICY] = {400, "BadRequest_StreamingIngestionPolicyNotEnabled",
                                "Kusto.DataNode.Exceptions.StreamingIngestionPolicyNotEnabledException",
                                true},
    [ERROR_COMPRESSION] = {400, "BadRequest_InvalidCompression",
                           "Kusto.DataNode.Exceptions.InvalidCompressionException", true},
    [ERROR_FORBIDDEN] = {403, "Forbidden", "Kusto.Data.Exceptions.KustoRequestDeniedException", true},
    [ERROR_STREAMING_OFF] = {404, "StreamingIngestionFunctionalityDisabled",
                             "Kusto.Common.Svc.Exceptions.FunctionalityDisabledException", true},
    [ERROR_CORRUPTED_MESSAGE] = {400, "BadRequest_CorruptedMessage", INGESTION_TYPE, true},
    [ERROR_IDENTITY_TOKEN] = {400, "BadRequest_InvalidKustoIdentityToken", INGESTION_TYPE, true},
    [ERROR_DUPLICATE_MAPPING] = {400, "BadRequest_DuplicateMapping", INGESTION_TYPE, true},
    [ERROR_EMPTY_BLOB] = {400, "BadRequest_EmptyBlob", INGESTION_TYPE, true},
    [ERROR_INVALID_BLOB] = {400, "BadRequest_InvalidBlob", INGESTION_TYPE, true},
    [ERROR_FILE_TOO_LARGE] = {400, "BadRequest_FileTooLarge", INGESTION_TYPE, true},
    [ERROR_BLOB_ALREADY_RECEIVED] = {400, "BlobAlreadyReceived_BlobAlreadyFoundInBatch", INGESTION_TYPE,
                                     true},
    [ERROR_BLOB_NOT_FOUND] = {400, "Download_SourceNotFound", INGESTION_TYPE, true},
    [ERROR_BLOB_FORBIDDEN] = {400, "Download_Forbidden", INGESTION_TYPE, true},
    [ERROR_BLOB_BAD_REQUEST] = {400, "Download_BadRequest", INGESTION_TYPE, true},
    [ERROR_DOWNLOAD] = {500, "Download_UnknownError", INGESTION_TYPE, false},
    [ERROR_RETRIES] = {500, "General_RetryAttemptsExceeded", INGESTION_TYPE, true},
    [ERROR_INTERNAL] = {500, "General_InternalServerError",
                        "Kusto.Common.Svc.Exceptions.InternalServiceException", false},
};

static const struct shape by_status[] = {
    {400, "General_BadRequest", "Kusto.Data.Exceptions.KustoBadRequestException", true},
    {401, "Unauthorized", "Kusto.Data.Exceptions.KustoRequestDeniedException", true},
    {403, "Forbidden", "Kusto.Data.Exceptions.KustoRequestDeniedException", true},
    {404, "NotFound", "Kusto.Common.Svc.Exceptions.EntityNameDoesNotExistException", true},
    {409, "Conflict", "Kusto.Common.Svc.Exceptions.ConflictException", true},
    {412, "ClusterSuspended", "Kusto.Common.Svc.Exceptions.ClusterSuspendedException", false},
    {413, "Stream_InputStreamTooLarge", "Kusto.DataNode.Exceptions.InputStreamTooLargeException", true},
    {429, "TooManyRequests", "Kusto.DataNode.Exceptions.ControlCommandThrottledException", false},
    {500, "General_InternalServerError", "Kusto.Common.Svc.Exceptions.InternalServiceException", false},
    {503, "ServiceUnavailable", "Kusto.Common.Svc.Exceptions.ServiceUnavailableException", false},
    {504, "RequestExecutionTimeout", "Kusto.Data.Exceptions.KustoServiceTimeoutException", false},
    {520, "ServiceError", "Kusto.Data.Exceptions.KustoServicePartialQueryFailureException", false},
};

static void shape_apply(struct sim_error *error, const struct shape *shape)
{
    error->status = shape->status;
    error->code = shape->code;
    error->type = shape->type;
    error->permanent = shape->permanent;
}

int error_set(struct sim_error *error, enum error_kind kind, const char *format, ...)
{
    va_list args;

    shape_apply(error, &shapes[kind]);
    va_start(args, format);
    (void)vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return -EPROTO;
}

void error_from_status(struct sim_error *error, int status)
{
    const struct shape other = {status, "ServiceError", "Kusto.Data.Exceptions.KustoServiceException",
                                status < 500};
    const struct shape *found = &other;

    for (size_t i = 0; i < ARRAY_LEN(by_status); i++)
        if (by_status[i].status == status)
            found = &by_status[i];
    shape_apply(error, found);
    (void)snprintf(error->message, sizeof error->message, "adxsim was told to answer %d", status);
}

/* Text that may hold bytes of the client (even half a character at the end of a cut message). */
static json_t *text_or_mask(const char *text)
{
    json_t *string = json_string(text);

    return string ? string : json_string("(not UTF-8)");
}

static json_t *context(const char *request_id, const char *activity_id)
{
    char now[IDENT_TIME_SIZE], stack[160];

    ident_now(now);
    (void)snprintf(stack, sizeof stack, "(Activity stack: CRID=... ARID=%s > KD.Query)", activity_id);
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:s, s:s, s:s, s:s, s:s}", "timestamp", now,
                     "serviceAlias", "ADXSIM", "machineName", "KEngine000000", "processName",
                     "Kusto.WinSvc.Svc", "processId", (int)getpid(), "threadId", 1, "clientRequestId",
                     text_or_mask(request_id ? request_id : ""), "activityId", activity_id, "subActivityId",
                     activity_id, "activityType", "GW.Http.CallContext", "parentActivityId", activity_id,
                     "activityStack", stack);
}

void error_write(const struct sim_error *error, const char *request_id, const char *activity_id,
                 struct buf *out)
{
    char detail[1200];

    (void)snprintf(detail, sizeof detail, "%s: %s", error->code, error->message);
    json_t *body = json_pack(
        "{s:{s:s, s:o, s:s, s:o, s:i, s:o, s:b}}", "error", "code", error->code, "message",
        text_or_mask(error->status == 400 ? "Request is invalid and cannot be executed." : error->message),
        "@type", error->type, "@message", text_or_mask(detail), "@failureCode", error->status, "@context",
        context(request_id, activity_id), "@permanent", (int)error->permanent);
    char *text = json_dumps(body, JSON_COMPACT);

    buf_puts(out, text ? text : "{}");
    free(text);
    json_decref(body);
}
