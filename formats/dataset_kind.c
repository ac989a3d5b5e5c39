#include "formats/dataset_kind.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct kind_keys {
    lt_dataset_kind kind;
    const char *keys[3]; /* all needed */
} kind_keys;

/* Those that ask for most come first. */
static const kind_keys table[] = {
    {LT_DATASET_IDS_PREFERENCE, {"prompt_ids", "chosen_ids", "rejected_ids"}},
    {LT_DATASET_IDS_PAIR, {"chosen_ids", "rejected_ids"}},
    {LT_DATASET_IDS_UNPAIRED, {"prompt_ids", "completion_ids", "label"}},
    {LT_DATASET_IDS_LABEL, {"input_ids", "label"}},
    {LT_DATASET_IDS, {"input_ids"}},
    {LT_DATASET_PREFERENCE, {"chosen", "rejected"}},
    {LT_DATASET_UNPAIRED, {"prompt", "completion", "label"}},
    {LT_DATASET_UNPAIRED, {"messages", "label"}},
    {LT_DATASET_UNPAIRED, {"conversations", "label"}},
    {LT_DATASET_TEXT_LABEL, {"text", "label"}},
    {LT_DATASET_PROMPT_COMPLETION, {"prompt", "completion"}},
    {LT_DATASET_MESSAGES, {"messages"}},
    {LT_DATASET_CONVERSATIONS, {"conversations"}},
    {LT_DATASET_INSTRUCTION, {"instruction", "output"}},
    {LT_DATASET_TEXT, {"text"}},
    {LT_DATASET_PROMPT, {"prompt"}},
};

enum { TABLE_ROWS = sizeof table / sizeof *table };

static const char *const names[LT_DATASET_KINDS] = {
    [LT_DATASET_IDS_PREFERENCE] = "preference as ids",
    [LT_DATASET_IDS_PAIR] = "pair of ids",
    [LT_DATASET_IDS_UNPAIRED] = "unpaired ids",
    [LT_DATASET_IDS_LABEL] = "labelled token ids",
    [LT_DATASET_IDS] = "token ids",
    [LT_DATASET_PREFERENCE] = "preference",
    [LT_DATASET_UNPAIRED] = "unpaired preference",
    [LT_DATASET_TEXT_LABEL] = "labelled text",
    [LT_DATASET_PROMPT_COMPLETION] = "prompt and completion",
    [LT_DATASET_MESSAGES] = "messages",
    [LT_DATASET_CONVERSATIONS] = "conversations",
    [LT_DATASET_INSTRUCTION] = "instruction",
    [LT_DATASET_TEXT] = "text",
    [LT_DATASET_PROMPT] = "prompt",
};

const char *lt_dataset_kind_name(lt_dataset_kind kind)
{
    assert(kind < LT_DATASET_KINDS);
    return names[kind];
}

uint32_t lt_dataset_kind_group(lt_dataset_kind kind)
{
    static const uint32_t groups[] = {LT_DATASET_FOR_LANGUAGE, LT_DATASET_FOR_PREFERENCE, LT_DATASET_FOR_UNPAIRED,
                                      LT_DATASET_FOR_LABEL, LT_DATASET_FOR_PROMPT};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (groups[i] & LT_DATASET_BIT(kind))
            return groups[i];
    assert(!"every kind is in a group");
    return 0;
}

/* ---- messages ---- */

typedef struct line {
    char text[480];
    size_t size;
} line;

static void add(line *l, const char *text)
{
    size_t n = strlen(text), room = sizeof l->text - 1 - l->size;
    memcpy(l->text + l->size, text, n < room ? n : room);
    l->size += n < room ? n : room;
    l->text[l->size] = '\0';
}

static void add_keys(line *l, const kind_keys *row)
{
    for (int k = 0; k < 3 && row->keys[k]; k++) {
        add(l, k ? ", " : "{");
        add(l, row->keys[k]);
    }
    add(l, "}");
}

/* The keys of the row itself, the first dozen. */
static void add_found(line *l, const json_t *row)
{
    int shown = 0;
    for (void *it = json_object_iter((json_t *)row); it; it = json_object_iter_next((json_t *)row, it)) {
        char key[40];
        if (++shown > 12) {
            add(l, ", …");
            break;
        }
        snprintf(key, sizeof key, "%s%.30s", shown > 1 ? ", " : "{", json_object_iter_key(it));
        add(l, key);
    }
    add(l, shown ? "}" : "no keys");
}

/* ---- renaming ---- */

enum { FIELDS = 7 };

typedef struct renaming {
    const char *from[FIELDS], *to[FIELDS];
    int count;
} renaming;

static renaming renamed(const lt_dataset_fields *fields)
{
    static const char *const keys[FIELDS] = {"text", "messages", "prompt", "completion", "chosen", "rejected", "label"};
    const char *const given[FIELDS] = {fields->text,   fields->messages, fields->prompt, fields->completion,
                                       fields->chosen, fields->rejected, fields->label};
    renaming r = {.count = 0};
    for (int i = 0; i < FIELDS; i++)
        if (given[i]) {
            r.from[r.count] = given[i];
            r.to[r.count++] = keys[i];
        }
    return r;
}

bool lt_dataset_kind_rename(json_t *row, const lt_dataset_fields *fields, const char *where, lt_error *err)
{
    renaming r = renamed(fields);
    json_t *values[FIELDS];
    int held = 0;
    bool ok = true;
    for (; held < r.count && ok; held++) { /* all are taken out before any is put in: two may swap their names */
        values[held] = json_incref(json_object_get(row, r.from[held]));
        if (!values[held]) {
            line found = {.size = 0};
            add_found(&found, row);
            ok = lt_error_set(err, LT_ERR_FORMAT, "%s: expected the field '%s' (named as the %s), found %s", where,
                              r.from[held], r.to[held], found.text);
        }
    }
    for (int i = 0; i < held && ok; i++)
        json_object_del(row, r.from[i]);
    for (int i = 0; i < held && ok; i++)
        if (json_object_set(row, r.to[i], values[i]))
            ok = lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", where);
    for (int i = 0; i < held; i++)
        json_decref(values[i]);
    return ok;
}

/* ---- recognition ---- */

static bool has(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    return value && !json_is_null(value);
}

static bool needs(const kind_keys *row, const char *key)
{
    for (int k = 0; k < 3 && row->keys[k]; k++)
        if (!strcmp(row->keys[k], key))
            return true;
    /* The prompt of a preference may also be a part of its answers. */
    return row->kind == LT_DATASET_PREFERENCE && !strcmp(key, "prompt");
}

static bool uses_all(const kind_keys *row, const renaming *r)
{
    for (int i = 0; i < r->count; i++)
        if (!needs(row, r->to[i]))
            return false;
    return true;
}

static bool fits(const kind_keys *row, const json_t *json, uint32_t accept)
{
    for (int k = 0; k < 3 && row->keys[k]; k++)
        if (!has(json, row->keys[k]))
            return false;
    /* The conversation of a preference is its prompt and lacks the answer. */
    if (row->kind == LT_DATASET_CONVERSATIONS && has(json, "chosen") && has(json, "rejected"))
        return false;
    /* A label that is no boolean belongs to something else, unless nothing else is wanted. */
    return row->kind != LT_DATASET_UNPAIRED || accept == LT_DATASET_FOR_UNPAIRED ||
           json_is_boolean(json_object_get(json, "label"));
}

/* A key whose value is a list of objects, as in {"data": [{…}, …]}, or NULL. */
static const char *list_of_objects(const json_t *row)
{
    for (void *it = json_object_iter((json_t *)row); it; it = json_object_iter_next((json_t *)row, it))
        if (json_is_object(json_array_get(json_object_iter_value(it), 0)))
            return json_object_iter_key(it);
    return NULL;
}

bool lt_dataset_kind_find(const json_t *row, uint32_t accept, const lt_dataset_fields *fields, const char *where,
                          lt_dataset_kind *kind, lt_error *err)
{
    renaming r = renamed(fields);
    uint32_t wanted = accept ? accept : UINT32_MAX;
    line expected = {.size = 0}, found = {.size = 0};
    const kind_keys *other = NULL;
    for (int i = 0; i < TABLE_ROWS; i++) {
        bool candidate = (wanted & LT_DATASET_BIT(table[i].kind)) && uses_all(&table[i], &r);
        if (candidate && fits(&table[i], row, wanted)) {
            *kind = table[i].kind;
            return true;
        }
        if (candidate) {
            add(&expected, expected.size ? ", " : "");
            add_keys(&expected, &table[i]);
        } else if (!other && fits(&table[i], row, 0)) {
            other = &table[i];
        }
    }
    add_found(&found, row);
    if (!expected.size)
        return lt_error_set(err, LT_ERR_USAGE, "%s: no kind of row that is accepted here uses all the fields named",
                            where);
    const char *list = other ? NULL : list_of_objects(row);
    if (list) {
        add(&found, "; if the rows are in its list '");
        add(&found, list);
        add(&found, "', make that list the whole file");
    }
    return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a row of the kind %s; found %s%s%s", where, expected.text,
                        found.text, other ? ", a row of the kind " : "", other ? names[other->kind] : "");
}
