/* tokenizer.json through formats/json.h: loading without ever holding text and values at once, and members that must be
 * there. */
#ifndef LT_TEXT_TOKENIZER_JSON_H
#define LT_TEXT_TOKENIZER_JSON_H

#include "formats/json.h"

/* Parses a tokenizer's file (tokenizer.json, vocab.json), of at most 512 MB and a bounded number of values. The caller
 * owns the reference; NULL with *err set on failure. */
json_t *lt_tokenizer_json_load(const char *path, lt_error *err);

/* "expected …, found …" at a place; false. */
bool lt_json_expected(const lt_json *at, const char *what, lt_error *err);

/* Members that must be there and not null. */
bool lt_json_need(const lt_json *from, const char *key, lt_json *out, lt_error *err);
bool lt_json_need_bool(const lt_json *from, const char *key, bool *out, lt_error *err);
bool lt_json_need_int(const lt_json *from, const char *key, int64_t low, int64_t high, int64_t *out, lt_error *err);
bool lt_json_need_string(const lt_json *from, const char *key, const char **out, lt_error *err);
bool lt_json_need_array(const lt_json *from, const char *key, lt_json *out, size_t *count, lt_error *err);
bool lt_json_need_object(const lt_json *from, const char *key, lt_json *out, lt_error *err);
bool lt_json_need_char(const lt_json *from, const char *key, uint32_t *code_point, lt_error *err); /* "▁" */

#endif
