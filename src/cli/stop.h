/* Signals: the first one asks a training run to save and stop, the second ends the program at once. */
#ifndef LT_CLI_STOP_H
#define LT_CLI_STOP_H

#include <signal.h>

/* Catches SIGINT, SIGTERM and SIGHUP (each only when the caller has not had it ignored, as nohup does). Returns the
 * flag that the first of them sets. announcement: what is said at that moment, "stopping …"; a string constant. */
const volatile sig_atomic_t *lt_stop_watch(const char *announcement);

#endif
