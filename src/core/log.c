#include "core/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/utf8.h"

static lt_log_sink log_sink;
static void *log_context;

void lt_log_set_sink(lt_log_sink sink, void *context)
{
    log_sink = sink;
    log_context = context;
}

static void emit(lt_log_level level, const char *format, va_list args)
{
    if (!log_sink)
        return;
    char raw[1024], line[1024];
    vsnprintf(raw, sizeof raw, format, args);
    lt_utf8_printable(raw, line, sizeof line);
    log_sink(level, line, log_context);
}

void lt_log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(LT_LOG_INFO, format, args);
    va_end(args);
}

void lt_log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(LT_LOG_WARNING, format, args);
    va_end(args);
}
