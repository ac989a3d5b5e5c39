#include "text/spm_proto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/textbuf.h"

enum { MOST_PIECES = 4 << 20 };

/* Bytes of a message that are still to be read. */
typedef struct reader {
    const unsigned char *at, *end, *begin;
    const char *name;
    lt_error *err;
} reader;

/* One field: its number, and its value as a number, or as bytes where it has a length. */
typedef struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value;
    const unsigned char *bytes;
    size_t size;
} field;

static bool broken(const reader *r, const char *what)
{
    return lt_error_set(r->err, LT_ERR_FORMAT, "%s: byte %td: %s (not a SentencePiece model, or a damaged one)", r->name,
                        r->at - r->begin, what);
}

static bool read_varint(reader *r, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            return broken(r, "it ends in the middle of a number");
        unsigned char byte = *r->at++;
        *out |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return broken(r, "a number is longer than 64 bits");
}

static bool read_fixed(reader *r, int bytes, uint64_t *out)
{
    *out = 0;
    if (r->end - r->at < bytes)
        return broken(r, "it ends in the middle of a number");
    for (int i = 0; i < bytes; i++)
        *out |= (uint64_t)r->at[i] << 8 * i;
    r->at += bytes;
    return true;
}

static bool read_field(reader *r, field *f)
{
    uint64_t key;
    *f = (field){0};
    if (!read_varint(r, &key))
        return false;
    f->number = key >> 3;
    f->wire = key & 7;
    if (f->number == 0)
        return broken(r, "a field has the number 0");
    switch (f->wire) {
    case 0: return read_varint(r, &f->value);
    case 1: return read_fixed(r, 8, &f->value);
    case 5: return read_fixed(r, 4, &f->value);
    case 2:
        if (!read_varint(r, &f->value))
            return false;
        if (f->value > (uint64_t)(r->end - r->at))
            return broken(r, "a field is longer than what is left");
        f->bytes = r->at;
        f->size = (size_t)f->value;
        r->at += f->size;
        return true;
    default: return broken(r, "a field is of no known kind");
    }
}

static reader inside(const reader *r, const field *f)
{
    return (reader){f->bytes, f->bytes + f->size, r->begin, r->name, r->err};
}

static bool read_piece(reader *r, lt_spm *spm)
{
    lt_spm_piece piece = {.text = "", .type = LT_SPM_NORMAL};
    size_t bad;
    while (r->at < r->end) {
        field f;
        if (!read_field(r, &f))
            return false;
        if (f.number == 1 && f.wire == 2) {
            piece.text = (const char *)f.bytes;
            piece.size = f.size;
        } else if (f.number == 2 && f.wire == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&piece.score, &bits, sizeof bits);
        } else if (f.number == 3 && f.wire == 0) {
            piece.type = f.value >= LT_SPM_NORMAL && f.value <= LT_SPM_BYTE ? (int)f.value : LT_SPM_NORMAL;
        }
    }
    if (!lt_utf8_valid(piece.text, piece.size, &bad) || memchr(piece.text, 0, piece.size) || !isfinite(piece.score))
        return lt_error_set(r->err, LT_ERR_FORMAT, "%s: piece %zu: expected UTF-8 without NUL and a finite score", r->name, spm->count);
    if (spm->count == MOST_PIECES)
        return lt_error_set(r->err, LT_ERR_FORMAT, "%s: has more than %d pieces", r->name, MOST_PIECES);
    if (!lt_grow(&spm->pieces, &spm->capacity, spm->count + 1, sizeof piece, r->err))
        return false;
    spm->pieces[spm->count++] = piece;
    return true;
}

static int as_id(uint64_t value)
{
    int64_t id = (int64_t)value;
    return id >= 0 && id < MOST_PIECES ? (int)id : -1;
}

static bool read_trainer(reader *r, lt_spm *spm)
{
    while (r->at < r->end) {
        field f;
        if (!read_field(r, &f))
            return false;
        if (f.wire != 0)
            continue;
        switch (f.number) {
        case 3: spm->model = f.value <= LT_SPM_CHAR ? (int)f.value : 0; break;
        case 24: spm->space_is_suffix = f.value != 0; break;
        case 35: spm->byte_fallback = f.value != 0; break;
        case 40: spm->unk_id = as_id(f.value); break;
        case 41: spm->bos_id = as_id(f.value); break;
        case 42: spm->eos_id = as_id(f.value); break;
        default: break;
        }
    }
    return true;
}

static bool read_normalizer(reader *r, lt_spm *spm)
{
    while (r->at < r->end) {
        field f;
        if (!read_field(r, &f))
            return false;
        if (f.number == 2 && f.wire == 2 && f.size > 0) {
            spm->charsmap = (const char *)f.bytes;
            spm->charsmap_size = f.size;
        }
        if (f.wire != 0)
            continue;
        if (f.number == 3)
            spm->dummy_prefix = f.value != 0;
        else if (f.number == 4)
            spm->one_space = f.value != 0;
        else if (f.number == 5)
            spm->escape = f.value != 0;
    }
    return true;
}

bool lt_spm_parse(lt_spm *spm, const char *bytes, size_t size, const char *name, lt_error *err)
{
    const unsigned char *begin = (const unsigned char *)bytes;
    reader r = {begin, begin + size, begin, name, err};
    *spm = (lt_spm){.model = LT_SPM_UNIGRAM, .unk_id = 0, .bos_id = 1, .eos_id = 2, .dummy_prefix = true, .one_space = true, .escape = true,
                     .float_sums = true};
    while (r.at < r.end) {
        field f;
        if (!read_field(&r, &f))
            return false;
        if (f.wire != 2)
            continue;
        reader in = inside(&r, &f);
        if ((f.number == 1 && !read_piece(&in, spm)) || (f.number == 2 && !read_trainer(&in, spm)) ||
            (f.number == 3 && !read_normalizer(&in, spm)))
            return false;
    }
    if (spm->count == 0)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected the pieces of a SentencePiece model, found none", name);
    return true;
}

void lt_spm_free(lt_spm *spm)
{
    free(spm->pieces);
    *spm = (lt_spm){0};
}
