/* Running a program of the user's: no shell, bytes to its standard input, a bounded number of bytes from its standard output,
 * within a time limit. */
#ifndef LT_RL_PROCESS_H
#define LT_RL_PROCESS_H

#include <stddef.h>

#include "core/error.h"

typedef struct lt_process_request {
    const char *const *argv; /* count words; the first is the program, looked up in PATH */
    int count;
    const char *input;
    size_t input_size;
    size_t output_max; /* more than that from it is an error */
    double seconds;
} lt_process_request;

/* *output is malloc'ed, with a NUL after its *size bytes. The program has a process group of its own, which is killed when
 * anything goes wrong: it could not be started, did not end in time, wrote too much, or its exit status is not 0 (the message
 * has the end of what it wrote to standard error). It need not read its input. */
bool lt_process_run(const lt_process_request *request, char **output, size_t *size, lt_error *err);

#endif
