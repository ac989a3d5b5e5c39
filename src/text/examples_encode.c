#include "text/examples_encode.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- special tokens ---- */

/* Lists the ids of special tokens by the first byte of their text. */
static bool list_specials(lt_examples_encoder *e, lt_error *err)
{
    const lt_tokenizer *tokenizer = e->options.tokenizer;
    int32_t n = lt_tokenizer_vocab_size(tokenizer);
    size_t size, count[256] = {0};
    const char *token;
    for (int32_t id = 0; id < n; id++)
        if (lt_tokenizer_is_special(tokenizer, id) && (token = lt_tokenizer_token(tokenizer, id, &size)) && size)
            count[(unsigned char)*token]++;
    for (int b = 0; b < 256; b++)
        e->special_start[b + 1] = e->special_start[b] + count[b];
    e->specials = malloc((e->special_start[256] + 1) * sizeof *e->specials);
    if (!e->specials)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the special tokens");
    for (int32_t id = n - 1; id >= 0; id--)
        if (lt_tokenizer_is_special(tokenizer, id) && (token = lt_tokenizer_token(tokenizer, id, &size)) && size)
            e->specials[e->special_start[(unsigned char)*token] + --count[(unsigned char)*token]] = id;
    return true;
}

/* The longest special token that text begins with: lt_chat_token_length. */
static size_t special_length(void *context, const char *text, size_t n)
{
    const lt_examples_encoder *e = context;
    size_t longest = 0, size;
    if (!n)
        return 0;
    for (size_t i = e->special_start[(unsigned char)*text]; i < e->special_start[(unsigned char)*text + 1]; i++) {
        const char *token = lt_tokenizer_token(e->options.tokenizer, e->specials[i], &size);
        if (size > longest && size <= n && !memcmp(token, text, size))
            longest = size;
    }
    return longest;
}

/* ---- what the template shows ---- */

static const char probe_name[] = "lathe_probe_call";

/* Whether a turn with a tool call in this form shows the call. */
static bool shows_call(const lt_chat *chat, const lt_examples_row_options *form)
{
    json_t *arguments = form->call_string_arguments ? json_string("{}") : json_object();
    json_t *call =
        json_pack("{s:s,s:{s:s,s:o}}", "type", "function", "function", "name", probe_name, "arguments", arguments);
    if (call && form->call_ids)
        json_object_set_new(call, "id", json_string("call00000"));
    json_t *messages = json_pack("[{s:s,s:s},{s:s,s:s?,s:[o]}]", "role", "user", "content", "a", "role", "assistant",
                                 "content", form->call_null_content ? NULL : "", "tool_calls", call);
    lt_jinja_buffer text = {0};
    lt_error unused;
    bool ok = messages && lt_chat_render(chat, &(lt_chat_request){.messages = messages}, &text, &unused) &&
              memmem(text.data, text.size, probe_name, strlen(probe_name));
    lt_jinja_buffer_free(&text);
    json_decref(messages);
    return ok;
}

/* Templates differ in what they take a tool call to be: the first form that this one shows is used. */
static void learn_template(lt_examples_encoder *e)
{
    e->row_options = (lt_examples_row_options){.has_template = e->options.chat != NULL};
    for (int form = 0; form < 8 && e->options.chat; form++) {
        lt_examples_row_options tried = {.has_template = true,
                                         .call_ids = form & 1,
                                         .call_null_content = form & 2,
                                         .call_string_arguments = form & 4};
        if (shows_call(e->options.chat, &tried)) {
            e->row_options = tried;
            return;
        }
    }
    e->row_options.calls_as_text = true;
}

/* ---- life ---- */

bool lt_examples_encoder_init(lt_examples_encoder *e, const lt_examples_options *options, lt_examples_counts *counts,
                              lt_error *err)
{
    *e = (lt_examples_encoder){.options = *options, .counts = counts};
    learn_template(e);
    return !options->tokenizer || list_specials(e, err);
}

void lt_examples_encoder_free(lt_examples_encoder *e)
{
    free(e->specials);
    lt_ids_free(&e->ids);
    lt_ids_free(&e->alone);
    lt_ids_free(&e->labels);
    lt_ids_free(&e->type_ids);
    lt_spans_free(&e->spans);
    free(e->trained.data);
    for (int i = 0; i < 2; i++) {
        lt_chat_masked_free(&e->masked[i]);
        lt_jinja_buffer_free(&e->plain[i]);
    }
    *e = (lt_examples_encoder){.specials = NULL};
}

/* ---- tokens of a sequence ---- */

bool lt_examples_mark_all(lt_examples_encoder *e, uint8_t value, lt_error *err)
{
    if (e->trained.capacity < e->ids.count) {
        uint8_t *grown = realloc(e->trained.data, e->ids.capacity);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %zu tokens", e->ids.count);
        e->trained.data = grown;
        e->trained.capacity = e->ids.capacity;
    }
    if (e->ids.count > e->trained.count)
        memset(e->trained.data + e->trained.count, value, e->ids.count - e->trained.count);
    e->trained.count = e->ids.count;
    return true;
}

/* A token is trained when a byte of it lies in a span, unless it is a special token that began before: those may
 * stretch over white space that follows them, but the model writes none of them for the answer's sake. */
static void mark_spans(lt_examples_encoder *e, size_t start, const lt_jinja_spans *spans)
{
    size_t s = 0;
    for (size_t i = start; i < e->ids.count; i++) {
        lt_span token = e->spans.data[i];
        while (s < spans->count && token.begin >= spans->items[s].end)
            s++;
        if (s == spans->count)
            break;
        bool inside = token.begin >= spans->items[s].begin, touches = token.end > spans->items[s].begin;
        if (touches && token.end > token.begin &&
            (inside || !lt_tokenizer_is_special(e->options.tokenizer, e->ids.data[i])))
            e->trained.data[i] = 1;
    }
}

/* Moves the ids [from, …) of the last sequence down to `to`, spans with them. */
static void move_down(lt_examples_encoder *e, size_t from, size_t to)
{
    size_t n = e->ids.count - from;
    memmove(e->ids.data + to, e->ids.data + from, n * sizeof *e->ids.data);
    e->ids.count = to + n;
    if (e->spans.count) {
        memmove(e->spans.data + to, e->spans.data + from, n * sizeof *e->spans.data);
        e->spans.count = to + n;
    }
    if (e->trained.count) {
        memmove(e->trained.data + to, e->trained.data + from, n);
        e->trained.count = to + n;
    }
}

bool lt_examples_cut(lt_examples_encoder *e, size_t start, bool keep_end, size_t keep_last)
{
    size_t most = (size_t)e->options.max_length, length = e->ids.count - start;
    if (e->counts->longest < (int64_t)length)
        e->counts->longest = (int64_t)length;
    if (!most || length <= most)
        return false;
    if (keep_end)
        move_down(e, e->ids.count - most, start);
    else if (keep_last < most)
        move_down(e, e->ids.count - keep_last, start + most - keep_last);
    else
        move_down(e, start + length, start + most);
    return true;
}

static bool is_added(const lt_examples_encoder *e, size_t i, size_t text_size)
{
    return e->spans.data[i].begin == e->spans.data[i].end && e->spans.data[i].begin == text_size;
}

static bool set_text(lt_jinja_buffer *text, const json_t *prompt, const json_t *answer, const char *end, lt_error *err)
{
    size_t n[3] = {json_string_length(prompt), answer ? json_string_length(answer) : 0, strlen(end)},
           size = n[0] + n[1] + n[2];
    if (text->capacity < size + 1) {
        char *grown = realloc(text->data, size + 1);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a text of %zu bytes", size);
        text->data = grown;
        text->capacity = size + 1;
    }
    memcpy(text->data, json_string_value(prompt), n[0]);
    if (n[1])
        memcpy(text->data + n[0], json_string_value(answer), n[1]);
    memcpy(text->data + n[0] + n[1], end, n[2] + 1);
    text->size = size;
    return true;
}

static bool ends_with(const json_t *string, const char *end)
{
    size_t n = string ? json_string_length(string) : 0, k = strlen(end);
    return n >= k && !memcmp(json_string_value(string) + n - k, end, k);
}

/* Tokenises prompt and answer as one text. *answer_from: the first token of the sequence that belongs to the answer. */
static bool encode_plain(lt_examples_encoder *e, const lt_examples_row *r, int which, const lt_dataset_row *row,
                         size_t *answer_from, lt_error *err)
{
    const lt_tokenizer *tokenizer = e->options.tokenizer;
    const json_t *answer = r->answers ? r->answer[which] : NULL;
    const char *eos = lt_tokenizer_special_token(tokenizer, LT_SPECIAL_EOS);
    bool ends = lt_examples_trains(row->kind) && row->ends && !e->options.omit_eos && eos && !ends_with(answer, eos);
    unsigned flags = row->begins ? LT_ENCODE_ADD_SPECIAL : 0;
    lt_jinja_buffer *text = &e->plain[which];
    size_t start = e->ids.count, same = 0;
    if (!set_text(text, r->prompt, answer, ends ? eos : "", err) ||
        !lt_tokenizer_encode_spans(tokenizer, text->data, text->size, flags, &e->ids, &e->spans, err))
        return false;
    while (!row->ends && e->ids.count > start && is_added(e, e->ids.count - 1, text->size))
        e->spans.count = --e->ids.count; /* the text goes on, so what the tokenizer puts at an end waits */
    if (r->answers && json_string_length(r->prompt)) {
        e->alone.count = 0;
        if (!lt_tokenizer_encode(tokenizer, json_string_value(r->prompt), json_string_length(r->prompt), flags,
                                 &e->alone, err))
            return false;
        while (same < e->alone.count && start + same < e->ids.count && e->alone.data[same] == e->ids.data[start + same])
            same++;
        size_t ending = 0; /* tokens that the tokenizer puts at the end of any text are no merge */
        while (ending < e->alone.count && e->ids.count - ending > start &&
               is_added(e, e->ids.count - 1 - ending, text->size))
            ending++;
        e->counts->merged += which == 0 && same + ending < e->alone.count;
    }
    *answer_from = same;
    return lt_examples_mark_all(e, 0, err);
}

/* ---- conversations ---- */

static json_t *joined(const json_t *a, const json_t *b)
{
    json_t *both = json_array();
    if (both && (json_array_extend(both, (json_t *)a) || (b && json_array_extend(both, (json_t *)b)))) {
        json_decref(both);
        return NULL;
    }
    return both;
}

/* The row's variables over those of the options; new reference, NULL when there are none. */
static bool merged_variables(const lt_examples_encoder *e, const lt_examples_row *r, json_t **out)
{
    *out = e->options.variables ? json_copy((json_t *)e->options.variables) : r->variables ? json_object() : NULL;
    if (!*out)
        return !e->options.variables && !r->variables;
    return !r->variables || !json_object_update(*out, r->variables);
}

/* Every call's name must stand in the text. */
static bool shows_calls(const json_t *messages, const lt_jinja_buffer *text)
{
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *calls = json_object_get(json_array_get(messages, i), "tool_calls");
        for (size_t k = 0; k < json_array_size(calls); k++) {
            const json_t *call = json_array_get(calls, k), *function = json_object_get(call, "function");
            const json_t *name = json_object_get(function ? function : call, "name");
            if (json_is_string(name) &&
                !memmem(text->data, text->size, json_string_value(name), json_string_length(name)))
                return false;
        }
    }
    return true;
}

static bool render(lt_examples_encoder *e, const lt_examples_row *r, lt_chat_request *request, lt_chat_masked *masked,
                   lt_error *err)
{
    if (!r->answers) {
        const json_t *last = json_array_get(request->messages, json_array_size(request->messages) - 1);
        const char *role = json_string_value(json_object_get(last, "role"));
        if (role && !strcmp(role, "assistant"))
            return lt_error_set(err, LT_ERR_UNSUPPORTED,
                                "expected a prompt that ends with the user's or a tool's turn, found the assistant's");
        request->add_generation_prompt = true;
    }
    masked->spans.count = 0;
    if (!r->answers || e->options.train_everything)
        return lt_chat_render(e->options.chat, request, &masked->text, err);
    if (!lt_chat_render_masked(e->options.chat, request, json_array_size(r->prompt), special_length, e, masked, err))
        return false;
    e->counts->turns_lost += (int64_t)masked->turns_lost;
    e->counts->turns_without_stop += (int64_t)masked->turns_without_stop;
    return true;
}

static bool encode_chat(lt_examples_encoder *e, const lt_examples_row *r, int which, lt_error *err)
{
    lt_chat_masked *masked = &e->masked[which];
    size_t start = e->ids.count;
    json_t *messages = joined(r->prompt, r->answers ? r->answer[which] : NULL), *variables = NULL;
    bool ok = false;
    if (!messages || !merged_variables(e, r, &variables)) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        goto done;
    }
    lt_chat_request request = {.messages = messages,
                               .tools = r->tools ? r->tools : e->options.tools,
                               .variables = variables,
                               .now = e->options.now};
    if (!render(e, r, &request, masked, err) ||
        !lt_tokenizer_encode_spans(e->options.tokenizer, masked->text.data, masked->text.size, 0, &e->ids, &e->spans,
                                   err) ||
        !lt_examples_mark_all(e, r->answers && e->options.train_everything, err))
        goto done;
    mark_spans(e, start, &masked->spans);
    if (which == 0 && r->has_tool_calls && !shows_calls(messages, &masked->text))
        e->counts->calls_lost++;
    ok = true;
done:
    json_decref(messages);
    json_decref(variables);
    return ok;
}

/* ---- rows ---- */

bool lt_examples_trains(lt_dataset_kind kind)
{
    return kind != LT_DATASET_TEXT_LABEL && kind != LT_DATASET_IDS_LABEL && kind != LT_DATASET_PROMPT;
}

void lt_examples_finish(lt_examples_encoder *e, lt_example *out)
{
    for (int32_t s = 0, at = 0; s < out->sequences; at += out->lengths[s], s++)
        if (out->lengths[s]) {
            out->first[s] = e->trained.data[at];
            e->trained.data[at] = 0;
        }
    out->targets = 0;
    for (size_t i = 0; i < e->ids.count; i++)
        out->targets += e->trained.data[i];
    out->ids = e->ids.data;
    out->trained = e->trained.data;
    out->spans = e->spans.count ? e->spans.data : NULL;
}

/* How many tokens both sequences begin with. */
static int32_t common_prefix(const lt_example *out, const int32_t *ids)
{
    int32_t n = 0, least = out->lengths[0] < out->lengths[1] ? out->lengths[0] : out->lengths[1];
    while (n < least && ids[n] == ids[out->lengths[0] + n])
        n++;
    return n;
}

/* Plain answers begin at the same token in both sequences of a pair, as TRL has it. */
static void mark_plain_answers(lt_examples_encoder *e, lt_example *out, size_t from)
{
    size_t begin = e->options.train_everything ? 0 : from;
    for (int32_t s = 0, at = 0; s < out->sequences; at += out->lengths[s], s++)
        for (size_t i = begin; i < (size_t)out->lengths[s]; i++)
            e->trained.data[(size_t)at + i] = 1;
}

static void finish_pair(lt_examples_encoder *e, lt_example *out)
{
    int32_t same = common_prefix(out, e->ids.data);
    e->counts->equal_pairs += same == out->lengths[0] && same == out->lengths[1];
    for (int32_t s = 0, at = 0; s < 2; at += out->lengths[s], s++)
        for (int32_t i = 0; i < same; i++)
            if (e->trained.data[at + i])
                same = i;
    out->prompt = same;
}

static void set_label(lt_example *out, const lt_dataset_row *row)
{
    const json_t *label = json_object_get(row->json, "label");
    out->label_text = json_string_value(label);
    double real = json_is_real(label) ? json_real_value(label) : 0;
    out->label = fabs(real) < 1e9 ? (int64_t)real + json_integer_value(label) : 0;
    out->value = (float)json_number_value(label);
}

/* A class, a number, or a list of either; which of them the problem takes, the shape of its examples says. */
static bool check_label(const lt_dataset_row *row, lt_error *err)
{
    const json_t *label = json_object_get(row->json, "label");
    bool good = json_is_string(label) || json_is_number(label) || json_is_array(label);
    for (size_t i = 0; good && i < json_array_size(label); i++)
        good = json_is_string(json_array_get(label, i)) || json_is_number(json_array_get(label, i));
    return good || lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: field 'label': expected a string, a number or a list of them", row->path,
                                (long long)row->line);
}

static bool encode_sequences(lt_examples_encoder *e, const lt_examples_row *r, const lt_dataset_row *row,
                             bool keep_whole, lt_example *out, lt_error *err)
{
    size_t answer_from = SIZE_MAX;
    bool is_label = row->kind == LT_DATASET_TEXT_LABEL;
    for (int s = 0; s < out->sequences; s++) {
        size_t start = e->ids.count, from = 0, last = 0;
        if (r->chat ? !encode_chat(e, r, s, err) : !encode_plain(e, r, s, row, &from, err))
            return false;
        answer_from = from < answer_from ? from : answer_from;
        lt_jinja_buffer *text = r->chat ? &e->masked[s].text : &e->plain[s];
        while (is_label && e->ids.count - last > start && is_added(e, e->ids.count - last - 1, text->size))
            last++; /* a classifier's [SEP] stays at the end */
        int64_t limit = e->options.max_length;
        if (keep_whole && !r->chat && row->kind == LT_DATASET_TEXT)
            e->options.max_length = 0;
        out->truncated |= lt_examples_cut(e, start, r->answers == 0, last);
        e->options.max_length = limit;
        out->lengths[s] = (int32_t)(e->ids.count - start);
        out->text[s] = text->data ? text->data : "";
        out->text_size[s] = text->size;
    }
    if (!r->chat && r->answers && !is_label)
        mark_plain_answers(e, out, answer_from);
    if (out->sequences == 2)
        finish_pair(e, out);
    return true;
}

/* {text, text_pair, label}: as the tokenizer puts two texts together. */
static bool encode_text_pair(lt_examples_encoder *e, const lt_dataset_row *row, lt_example *out, lt_error *err)
{
    const json_t *text[2] = {json_object_get(row->json, "text"), json_object_get(row->json, "text_pair")};
    for (int i = 0; i < 2; i++)
        if (!json_is_string(text[i]))
            return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: field '%s': expected a string", row->path, (long long)row->line,
                                i ? "text_pair" : "text");
    if (!e->options.tokenizer)
        return lt_error_set(err, LT_ERR_USAGE, "%s:%lld: expected token ids, found text, and there is no tokenizer", row->path,
                            (long long)row->line);
    lt_text a = {json_string_value(text[0]), json_string_length(text[0])}, b = {json_string_value(text[1]), json_string_length(text[1])};
    if (!lt_tokenizer_encode_pair(e->options.tokenizer, a, b, e->options.max_length, &e->ids, &e->type_ids, &out->truncated, err))
        return lt_error_context(err, "%s:%lld", row->path, (long long)row->line);
    if (e->counts->longest < (int64_t)e->ids.count)
        e->counts->longest = (int64_t)e->ids.count;
    out->lengths[0] = (int32_t)e->ids.count;
    out->type_ids = e->type_ids.data;
    return lt_examples_mark_all(e, 0, err);
}

static bool has_pair(const lt_dataset_row *row)
{
    const json_t *pair = json_object_get(row->json, "text_pair");
    return row->kind == LT_DATASET_TEXT_LABEL && pair && !json_is_null(pair);
}

static bool encode_text_row(lt_examples_encoder *e, const lt_dataset_row *row, bool keep_whole, lt_example *out,
                            lt_error *err)
{
    lt_examples_row r;
    if (has_pair(row))
        return encode_text_pair(e, row, out, err);
    if (!lt_examples_row_make(&r, row, &e->row_options, err))
        return false;
    bool ok;
    out->sequences = r.answers == 2 ? 2 : 1;
    out->value = r.value;
    if (!e->options.tokenizer)
        ok = lt_error_set(err, LT_ERR_USAGE, "%s:%lld: expected token ids, found text, and there is no tokenizer",
                          row->path, (long long)row->line);
    else if (r.chat && !e->options.chat)
        ok = lt_error_set(
            err, LT_ERR_USAGE,
            "%s:%lld: a conversation needs a chat template, and the model has none; choose one with --chat-template",
            row->path, (long long)row->line);
    else if (!(ok = encode_sequences(e, &r, row, keep_whole, out, err)))
        lt_error_context(err, "%s:%lld", row->path, (long long)row->line);
    lt_examples_row_free(&r);
    return ok;
}

bool lt_examples_encode(lt_examples_encoder *e, const lt_dataset_row *row, bool keep_whole, lt_example *out,
                        lt_error *err)
{
    *out = (lt_example){.row = *row, .sequences = 1};
    e->ids.count = e->spans.count = e->trained.count = e->labels.count = e->type_ids.count = 0;
    bool has_label = row->kind == LT_DATASET_TEXT_LABEL || row->kind == LT_DATASET_IDS_LABEL;
    bool is_ids = row->kind == LT_DATASET_IDS || row->kind == LT_DATASET_IDS_LABEL || row->kind == LT_DATASET_IDS_UNPAIRED ||
                  row->kind == LT_DATASET_IDS_PAIR || row->kind == LT_DATASET_IDS_PREFERENCE;
    if (has_label && !check_label(row, err))
        return false;
    if (is_ids ? !lt_examples_encode_ids(e, row, out, err) : !encode_text_row(e, row, keep_whole, out, err))
        return false;
    if (has_label)
        set_label(out, row);
    lt_examples_finish(e, out);
    return true;
}
