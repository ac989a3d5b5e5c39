/* TensorBoard's event files: TFRecords (length, masked CRC-32C of it, bytes, masked CRC-32C of them; little-endian) of protobuf messages
 * Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 }, a Summary being
 * { repeated Value { string tag = 1; float simple_value = 2 } value = 1 }.
 * (https://github.com/tensorflow/tensorboard, compat/proto/event.proto and summary.proto) */
#ifndef LT_FORMATS_EVENTS_H
#define LT_FORMATS_EVENTS_H

#include "core/file.h"

typedef struct lt_events {
    lt_file_writer file;
    char *message; /* the event in the making */
    size_t size, room;
} lt_events;

typedef struct lt_event_value {
    const char *tag;
    float value;
} lt_event_value;

/* The file appears under its name when it is finished. */
bool lt_events_create(lt_events *events, const char *path, double wall_time, lt_error *err);
bool lt_events_add(lt_events *events, double wall_time, int64_t step, const lt_event_value *values, int count, lt_error *err);
bool lt_events_finish(lt_events *events, lt_error *err); /* aborts itself on failure */
void lt_events_abort(lt_events *events);

/* CRC-32C (Castagnoli) of data[0, n). */
uint32_t lt_events_crc32c(const void *data, size_t n);

#endif
