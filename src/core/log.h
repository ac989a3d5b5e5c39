/* Messages on their way to the person. The library never prints: it hands a line to whoever set the sink. */
#ifndef LT_CORE_LOG_H
#define LT_CORE_LOG_H

typedef enum lt_log_level { LT_LOG_INFO, LT_LOG_WARNING } lt_log_level;

typedef void (*lt_log_sink)(lt_log_level level, const char *line, void *context);

/* NULL silences. Set once, before other threads start. */
void lt_log_set_sink(lt_log_sink sink, void *context);

void lt_log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void lt_log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
