#include "core/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

static void finish(lt_error *err, const char *text)
{
    lt_utf8_printable(text, err->message, sizeof err->message);
}

bool lt_error_set(lt_error *err, lt_status status, const char *format, ...)
{
    if (!err)
        return false;
    char text[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err->status = status;
    finish(err, text);
    return false;
}

bool lt_error_errno(lt_error *err, const char *format, ...)
{
    int saved = errno;
    if (!err)
        return false;
    char text[sizeof err->message];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ": %s", strerror(saved));
    err->status = LT_ERR_IO;
    finish(err, text);
    return false;
}

bool lt_error_context(lt_error *err, const char *format, ...)
{
    if (!err)
        return false;
    char text[2 * sizeof err->message];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ": %s", err->message);
    finish(err, text);
    return false;
}
