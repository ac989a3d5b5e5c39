#include "formats/events.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* protobuf wire types */

uint32_t lt_events_crc32c(const void *data, size_t n)
{
    static const uint32_t POLYNOMIAL = 0x82f63b78; /* reflected */
    const uint8_t *bytes = data;
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (POLYNOMIAL & -(crc & 1));
    }
    return ~crc;
}

/* CRCs of data that holds CRCs are weak: TFRecords rotate them and add a constant. */
static uint32_t masked(const void *data, size_t n)
{
    uint32_t crc = lt_events_crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void little(uint64_t value, int bytes, char *out)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (char)(value >> 8 * i);
}

/* ---- the message ---- */

static bool put(lt_events *e, const void *bytes, size_t n, lt_error *err)
{
    if (e->size + n > e->room) {
        size_t room = (e->size + n) * 2 + 256;
        char *grown = realloc(e->message, room);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", e->file.path);
        e->message = grown;
        e->room = room;
    }
    memcpy(e->message + e->size, bytes, n);
    e->size += n;
    return true;
}

static size_t varint(uint64_t value, char out[10])
{
    size_t n = 0;
    do {
        out[n] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (out[n++] & 0x80);
    return n;
}

static bool put_varint(lt_events *e, uint64_t value, lt_error *err)
{
    char out[10];
    return put(e, out, varint(value, out), err);
}

static bool put_key(lt_events *e, int field, int type, lt_error *err) { return put_varint(e, (uint64_t)(field << 3 | type), err); }

static bool put_double(lt_events *e, int field, double value, lt_error *err)
{
    uint64_t bits;
    char out[8];
    memcpy(&bits, &value, sizeof bits);
    little(bits, 8, out);
    return put_key(e, field, FIXED64, err) && put(e, out, 8, err);
}

static bool put_string(lt_events *e, int field, const char *text, lt_error *err)
{
    size_t n = strlen(text);
    return put_key(e, field, BYTES, err) && put_varint(e, n, err) && put(e, text, n, err);
}

/* ---- records ---- */

static bool write_record(lt_events *e, lt_error *err)
{
    char head[12], tail[4];
    little(e->size, 8, head);
    little(masked(head, 8), 4, head + 8);
    little(masked(e->message, e->size), 4, tail);
    bool ok = lt_file_write(&e->file, head, sizeof head, err) && lt_file_write(&e->file, e->message, e->size, err) &&
              lt_file_write(&e->file, tail, sizeof tail, err);
    e->size = 0;
    return ok;
}

bool lt_events_create(lt_events *e, const char *path, double wall_time, lt_error *err)
{
    *e = (lt_events){0};
    if (!lt_file_create(&e->file, path, err))
        return false;
    if (put_double(e, 1, wall_time, err) && put_string(e, 3, "brain.Event:2", err) && write_record(e, err))
        return true;
    lt_events_abort(e);
    return false;
}

/* A length of a nested message: what its fields take. */
static uint64_t value_size(const lt_event_value *v)
{
    char out[10];
    size_t n = strlen(v->tag);
    return 1 + varint(n, out) + n + 5;
}

bool lt_events_add(lt_events *e, double wall_time, int64_t step, const lt_event_value *values, int count, lt_error *err)
{
    uint64_t summary = 0;
    char out[10];
    for (int i = 0; i < count; i++)
        summary += 1 + varint(value_size(&values[i]), out) + value_size(&values[i]);
    bool ok = put_double(e, 1, wall_time, err) && put_key(e, 2, VARINT, err) && put_varint(e, (uint64_t)step, err) &&
              put_key(e, 5, BYTES, err) && put_varint(e, summary, err);
    for (int i = 0; ok && i < count; i++) {
        uint32_t bits;
        char number[4];
        memcpy(&bits, &values[i].value, sizeof bits);
        little(bits, 4, number);
        ok = put_key(e, 1, BYTES, err) && put_varint(e, value_size(&values[i]), err) && put_string(e, 1, values[i].tag, err) &&
             put_key(e, 2, FIXED32, err) && put(e, number, 4, err);
    }
    return ok && write_record(e, err);
}

bool lt_events_finish(lt_events *e, lt_error *err)
{
    free(e->message);
    e->message = NULL;
    return lt_file_commit(&e->file, err);
}

void lt_events_abort(lt_events *e)
{
    free(e->message);
    e->message = NULL;
    lt_file_abort(&e->file);
}
