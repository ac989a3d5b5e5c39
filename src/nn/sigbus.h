/* A mapped file that shrinks raises SIGBUS in whatever thread touches the missing part. The handler puts zero pages there, so
 * that the computation reaches its next check, and remembers which mapping it was. */
#ifndef LT_NN_SIGBUS_H
#define LT_NN_SIGBUS_H

#include <stdbool.h>
#include <stddef.h>

/* Guards [map, map + bytes); installs the handler on first use. A SIGBUS elsewhere keeps its usual effect. */
void lt_sigbus_guard(void *map, size_t bytes);
void lt_sigbus_unguard(void *map);
bool lt_sigbus_hit(const void *map);

#endif
