/* The one error convention.
 *
 * A function that can fail returns bool and fills a caller-owned lt_error; everything else asserts its
 * preconditions. Bad data is an error, a bad call is an assert. Nothing below src/cli prints or exits. */
#ifndef LT_CORE_ERROR_H
#define LT_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

typedef enum lt_status {
    LT_OK = 0,
    LT_ERR_USAGE,       /* the request makes no sense: unknown option, contradicting recipe (exit status 2) */
    LT_ERR_IO,          /* the system said no: errno text is in the message */
    LT_ERR_FORMAT,      /* a file is not what its format says */
    LT_ERR_UNSUPPORTED, /* well-formed, but lathe cannot do it; the message names the nearest thing it can */
    LT_ERR_MEMORY,      /* out of memory, or over --max-memory; the message names the least that would do */
    LT_ERR_NUMERIC,     /* NaN or infinity where a number was needed */
    LT_ERR_INTERRUPTED, /* a signal asked to stop; state was saved (exit status 130) */
} lt_status;

typedef struct lt_error {
    lt_status status;
    char message[1024]; /* one line: file, place, what was expected, what was found; no trailing newline */
} lt_error;

/* Sets *err (which may be NULL) and returns false, so that `return lt_error_set(err, …);` is the idiom.
 * Control characters and broken UTF-8 in the result are replaced: the message may quote hostile files. */
bool lt_error_set(lt_error *err, lt_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As lt_error_set, with ": " and the text of errno appended; status is LT_ERR_IO. */
bool lt_error_errno(lt_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the message that is already there. Returns false. */
bool lt_error_context(lt_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
