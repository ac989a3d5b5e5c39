#include "text/labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool start(lt_labels *labels, int64_t count, const char *source, lt_error *err)
{
    *labels = (lt_labels){0};
    if (count < 1 || count > LT_LABELS_MAX)
        return lt_error_set(err, LT_ERR_USAGE, "%s: expected 1 to %d labels, found %lld", source, LT_LABELS_MAX, (long long)count);
    labels->names = calloc((size_t)count, sizeof *labels->names);
    labels->count = labels->names ? (int32_t)count : 0;
    return labels->names || lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld labels", (long long)count);
}

static bool set(lt_labels *labels, int64_t i, const char *name, lt_error *err)
{
    labels->names[i] = strdup(name);
    return labels->names[i] || lt_error_set(err, LT_ERR_MEMORY, "out of memory for a label");
}

bool lt_labels_number(lt_labels *labels, int32_t count, lt_error *err)
{
    bool ok = start(labels, count, "labels", err);
    for (int32_t i = 0; ok && i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "LABEL_%d", i);
        ok = set(labels, i, name, err);
    }
    if (!ok)
        lt_labels_free(labels);
    return ok;
}

bool lt_labels_read(lt_labels *labels, const json_t *id2label, const char *source, lt_error *err)
{
    int64_t count = (int64_t)json_object_size(id2label);
    bool ok = start(labels, count, source, err);
    for (int64_t i = 0; ok && i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%lld", (long long)i);
        const char *name = json_string_value(json_object_get(id2label, key));
        ok = name ? set(labels, i, name, err)
                  : lt_error_set(err, LT_ERR_FORMAT, "%s: id2label: expected a name under \"%s\"", source, key);
    }
    if (!ok)
        lt_labels_free(labels);
    return ok;
}

/* A number that is whole, however it is spelt. */
static bool whole(const json_t *label, int64_t *number)
{
    double real = json_number_value(label);
    *number = (int64_t)real;
    return json_is_number(label) && real >= 0 && real < 1e9 && real == (double)*number;
}

bool lt_labels_see(lt_labels_seen *seen, const json_t *label, const char *where, lt_error *err)
{
    int64_t number;
    if (!seen->names && !(seen->names = json_object()))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    bool named = json_object_size(seen->names) > 0, is_name = json_is_string(label);
    if (!is_name && !whole(label, &number))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': expected a string or a whole number", where);
    if (is_name ? seen->greatest > 0 : named)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': expected a %s as in the rows before, found a %s", where,
                            is_name ? "number" : "string", is_name ? "string" : "number");
    if (!is_name) {
        seen->greatest = number + 1 > seen->greatest ? number + 1 : seen->greatest;
        return true;
    }
    if (json_object_set_new(seen->names, json_string_value(label), json_true()))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (json_object_size(seen->names) > LT_LABELS_MAX)
        return lt_error_set(err, LT_ERR_USAGE, "%s: more than %d different labels; are they labels?", where, LT_LABELS_MAX);
    return true;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

bool lt_labels_settle(lt_labels_seen *seen, lt_labels *labels, lt_error *err)
{
    bool ok;
    *labels = (lt_labels){0};
    if (seen->names && json_object_size(seen->names)) {
        const char *name;
        json_t *unused;
        int32_t i = 0;
        ok = start(labels, (int64_t)json_object_size(seen->names), "labels", err);
        if (ok)
            json_object_foreach(seen->names, name, unused)
                ok = ok && set(labels, i++, name, err);
        if (ok)
            qsort(labels->names, (size_t)labels->count, sizeof *labels->names, by_name);
    } else if (seen->greatest > LT_LABELS_MAX) {
        ok = lt_error_set(err, LT_ERR_USAGE, "a label is %lld; labels are numbers from 0 to %d", (long long)seen->greatest - 1,
                          LT_LABELS_MAX - 1);
    } else {
        ok = lt_labels_number(labels, (int32_t)seen->greatest, err);
    }
    json_decref(seen->names);
    *seen = (lt_labels_seen){0};
    if (!ok)
        lt_labels_free(labels);
    return ok;
}

bool lt_labels_find(const lt_labels *labels, const json_t *label, const char *where, int32_t *number, lt_error *err)
{
    const char *name = json_string_value(label);
    int64_t n;
    for (int32_t i = 0; name && i < labels->count; i++)
        if (!strcmp(labels->names[i], name)) {
            *number = i;
            return true;
        }
    if (name)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': '%.80s' is none of the %d labels ('%.40s' …)", where, name,
                            labels->count, labels->names[0]);
    if (!whole(label, &n))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': expected a string or a whole number", where);
    if (n >= labels->count)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': expected 0 to %d, found %lld", where, labels->count - 1,
                            (long long)n);
    *number = (int32_t)n;
    return true;
}

json_t *lt_labels_id2label(const lt_labels *labels)
{
    json_t *out = json_object();
    for (int32_t i = 0; out && i < labels->count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%d", i);
        json_object_set_new(out, key, json_string(labels->names[i]));
    }
    return out;
}

json_t *lt_labels_label2id(const lt_labels *labels)
{
    json_t *out = json_object();
    for (int32_t i = 0; out && i < labels->count; i++)
        json_object_set_new(out, labels->names[i], json_integer(i));
    return out;
}

void lt_labels_free(lt_labels *labels)
{
    for (int32_t i = 0; i < labels->count; i++)
        free(labels->names[i]);
    free(labels->names);
    *labels = (lt_labels){0};
}
