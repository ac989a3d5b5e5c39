/* Version, errors and messages of the public API. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "core/log.h"

/* The two enums are one list: an error passes through by value. */
_Static_assert((int)LATHE_OK == (int)LT_OK && (int)LATHE_ERR_USAGE == (int)LT_ERR_USAGE &&
                   (int)LATHE_ERR_IO == (int)LT_ERR_IO && (int)LATHE_ERR_FORMAT == (int)LT_ERR_FORMAT &&
                   (int)LATHE_ERR_UNSUPPORTED == (int)LT_ERR_UNSUPPORTED &&
                   (int)LATHE_ERR_MEMORY == (int)LT_ERR_MEMORY && (int)LATHE_ERR_NUMERIC == (int)LT_ERR_NUMERIC &&
                   (int)LATHE_ERR_INTERRUPTED == (int)LT_ERR_INTERRUPTED,
               "lathe_status and lt_status differ");

const char *lathe_version(void)
{
    return LT_VERSION;
}

void lathe_free(void *memory)
{
    free(memory);
}

bool lt_api_fail(lathe_error *err, lt_status status, const char *format, ...)
{
    lt_error error;
    char text[sizeof error.message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lt_error_set(&error, status, "%s", text);
    return lt_api_error(err, &error);
}

bool lt_api_error(lathe_error *err, const lt_error *from)
{
    if (err) {
        err->status = (lathe_status)from->status;
        snprintf(err->message, sizeof err->message, "%s", from->message);
    }
    return false;
}

static lathe_message_sink message_sink;
static void *message_context;

static void pass_message(lt_log_level level, const char *line, void *context)
{
    (void)context;
    message_sink(level == LT_LOG_WARNING, line, message_context);
}

void lathe_set_message_sink(lathe_message_sink sink, void *context)
{
    message_sink = sink;
    message_context = context;
    lt_log_set_sink(sink ? pass_message : NULL, NULL);
}
