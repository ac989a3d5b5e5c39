#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/unicode.h"

struct lt_pattern {
    pcre2_code *code; /* NULL: a literal */
    char *literal;
    size_t literal_size;
};

enum {
    MAX_SOURCE_BYTES = 1 << 16,
    /* Steps that PCRE2 may take from one position. Ordinary text needs a few; a run of n spaces that a pattern tries as
     * "white space, then a line end" needs n. So a match that runs out is tried again with more, charged to an account
     * that grows with the text. */
    FIRST_STEPS = 2000,
    ACCOUNT_STEPS = 20000000,
    ACCOUNT_STEPS_PER_BYTE = 200,
    MAX_JIT_STACK = 8 << 20,
};

void lt_pattern_scratch_free(lt_pattern_scratch *s)
{
    pcre2_match_data_free(s->match_data);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    lt_textbuf_free(&s->stand_in);
    free(s->matches.data);
    *s = (lt_pattern_scratch){0};
}

bool lt_pattern_open_regex(lt_pattern **out, const char *source, size_t size, const lt_json *at, lt_error *err)
{
    bool ok = false;
    lt_textbuf text = {0};
    pcre2_compile_context *context = NULL;
    lt_pattern *p = calloc(1, sizeof *p);
    if (!p)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a pattern");
    if (size > MAX_SOURCE_BYTES) {
        lt_json_error(at, err, LT_ERR_FORMAT, "the pattern has %zu bytes, at most %d are accepted", size,
                      MAX_SOURCE_BYTES);
        goto done;
    }
    if (!lt_pattern_translate(source, size, &text, at, err) || !lt_textbuf_terminate(&text, err))
        goto done;
    context = pcre2_compile_context_create(NULL);
    if (!context) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for a pattern");
        goto done;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int code;
    PCRE2_SIZE offset;
    p->code = pcre2_compile((PCRE2_SPTR)text.data, text.size,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_UTF_CHECK,
                            &code, &offset, context);
    if (!p->code) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof why);
        lt_json_error(at, err, LT_ERR_UNSUPPORTED, "PCRE2 does not take the pattern: %s, at \"%.40s\"",
                      (const char *)why, text.data + (offset < text.size ? offset : text.size));
        goto done;
    }
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without JIT it runs as well, only slower */
    ok = true;
done:
    pcre2_compile_context_free(context);
    lt_textbuf_free(&text);
    if (ok)
        *out = p;
    else
        lt_pattern_close(p);
    return ok;
}

static bool open_literal(lt_pattern **out, const char *text, size_t size, lt_error *err)
{
    lt_pattern *p = calloc(1, sizeof *p);
    if (!p)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a pattern");
    p->literal_size = size;
    p->literal = lt_text_copy(text, size, err);
    if (!p->literal) {
        free(p);
        return false;
    }
    *out = p;
    return true;
}

bool lt_pattern_open(lt_pattern **out, const lt_json *from, lt_error *err)
{
    lt_json at, inside;
    const char *text = "";
    if (!lt_json_need_object(from, "pattern", &at, err))
        return false;
    if (lt_json_member(&at, "String", &inside)) {
        /* The empty text matches between all characters, which the expression "" says as well. */
        if (!lt_json_string(&inside, &text, err))
            return false;
        return *text ? open_literal(out, text, strlen(text), err) : lt_pattern_open_regex(out, "", 0, &inside, err);
    }
    if (!lt_json_member(&at, "Regex", &inside))
        return lt_json_expected(&at, "{\"String\": …} or {\"Regex\": …}", err);
    return lt_json_string(&inside, &text, err) && lt_pattern_open_regex(out, text, strlen(text), &inside, err);
}

void lt_pattern_close(lt_pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p->literal);
    free(p);
}

static bool prepare(lt_pattern_scratch *s, lt_error *err)
{
    if (s->context)
        return true;
    s->match_data = pcre2_match_data_create(1, NULL);
    s->stack = pcre2_jit_stack_create(32 << 10, MAX_JIT_STACK, NULL);
    s->context = pcre2_match_context_create(NULL);
    if (!s->match_data || !s->context) {
        lt_pattern_scratch_free(s);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for matching a pattern");
    }
    if (s->stack)
        pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return true;
}

/* text with every code point that PCRE2's tables may classify otherwise than the reference replaced by its stand-in. */
static bool with_stand_ins(lt_pattern_scratch *s, const char **text, size_t size, lt_error *err)
{
    if (!lt_unicode_needs_stand_in(*text, size))
        return true;
    s->stand_in.size = 0;
    if (!lt_textbuf_append(&s->stand_in, *text, size, err))
        return false;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        if ((unsigned char)s->stand_in.data[i] < 0xE0) {
            i++;
            continue;
        }
        int length = lt_utf8_decode(s->stand_in.data + i, size - i, &c);
        uint32_t other = lt_unicode_stand_in(c);
        if (other != c)
            lt_utf8_encode(other, s->stand_in.data + i);
        i += (size_t)(length ? length : 1);
    }
    *text = s->stand_in.data;
    return true;
}

/* One match at or after `from`. Returns 1 with its place, 0 when there is none, -1 on error. */
static int match_once(const lt_pattern *p, lt_pattern_scratch *s, const char *text, size_t size, size_t from,
                      uint64_t *account, size_t place[2], lt_error *err)
{
    for (uint32_t steps = FIRST_STEPS;;) {
        int rc = pcre2_match(p->code, (PCRE2_SPTR)text, size, from, PCRE2_NO_UTF_CHECK, s->match_data, s->context);
        if (rc == PCRE2_ERROR_MATCHLIMIT && steps * 8ull <= *account) {
            steps *= 8;
            *account -= steps;
            pcre2_set_match_limit(s->context, steps);
            continue;
        }
        if (steps != FIRST_STEPS)
            pcre2_set_match_limit(s->context, FIRST_STEPS);
        if (rc >= 0) {
            const PCRE2_SIZE *o = pcre2_get_ovector_pointer(s->match_data);
            place[0] = o[0];
            place[1] = o[1];
            return 1;
        }
        if (rc == PCRE2_ERROR_NOMATCH)
            return 0;
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(rc, why, sizeof why);
        lt_error_set(err, LT_ERR_UNSUPPORTED, "the tokenizer's pattern gives up at byte %zu of a text of %zu bytes: %s",
                     from, size, (const char *)why);
        return -1;
    }
}

static bool find_regex(const lt_pattern *p, lt_pattern_scratch *s, const char *text, size_t size, lt_error *err)
{
    if (!prepare(s, err) || !with_stand_ins(s, &text, size, err))
        return false;
    uint64_t account = ACCOUNT_STEPS + (uint64_t)size * ACCOUNT_STEPS_PER_BYTE;
    pcre2_set_match_limit(s->context, FIRST_STEPS);
    size_t covered = 0, last_end = SIZE_MAX, place[2];
    for (size_t from = 0; from <= size;) {
        int found = match_once(p, s, text, size, from, &account, place, err);
        if (found < 0)
            return false;
        if (!found)
            break;
        if (place[1] < place[0] || place[0] < covered)
            return lt_error_set(err, LT_ERR_UNSUPPORTED,
                                "the tokenizer's pattern matches backwards (\\K in a lookaround?)");
        if (place[0] == place[1] && place[1] == last_end) { /* an empty match right after a match does not count */
            uint32_t c;
            int length = from < size ? lt_utf8_decode(text + from, size - from, &c) : 1;
            from += (size_t)(length ? length : 1);
            continue;
        }
        if (covered != place[0] && !lt_matches_push(&s->matches, covered, place[0], false, err))
            return false;
        if (!lt_matches_push(&s->matches, place[0], place[1], true, err))
            return false;
        from = covered = last_end = place[1];
    }
    return covered == size || lt_matches_push(&s->matches, covered, size, false, err);
}

static bool find_literal(const lt_pattern *p, lt_pattern_scratch *s, const char *text, size_t size, lt_error *err)
{
    size_t covered = 0;
    for (const char *hit; (hit = memmem(text + covered, size - covered, p->literal, p->literal_size));) {
        size_t at = (size_t)(hit - text);
        if (covered != at && !lt_matches_push(&s->matches, covered, at, false, err))
            return false;
        if (!lt_matches_push(&s->matches, at, at + p->literal_size, true, err))
            return false;
        covered = at + p->literal_size;
    }
    return covered == size || lt_matches_push(&s->matches, covered, size, false, err);
}

bool lt_pattern_find(const lt_pattern *p, lt_pattern_scratch *s, const char *text, size_t size, lt_error *err)
{
    s->matches.count = 0;
    if (size == 0)
        return lt_matches_push(&s->matches, 0, 0, false, err);
    return p->code ? find_regex(p, s, text, size, err) : find_literal(p, s, text, size, err);
}
