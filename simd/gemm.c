/* Matrix products: one blocked algorithm around the micro kernels of the sets, after Goto & van de Geijn (2008) and
 * BLIS (Van Zee & van de Geijn, 2015).
 *
 *   for each task, a block of rows and of columns of C                       shared out among the threads
 *       for each block of K
 *           pack the block of B: K block x columns                           stays in L2
 *           for each group of panels of A, packed before or now          stays in L2
 *               for each panel of B                                      stays in L1 where it fits
 *                   for each panel of A in the group
 *                       micro kernel: a tile of C in registers over the K block
 *
 * How K is cut depends on K and the kernel alone, and every element of C is summed over the blocks in their order, by
 * the one thread that has its task: the bytes of C do not depend on threads, tasks, or what is around an element.
 *
 * A is packed whole, by all threads, when several blocks of columns will read it; when one does (few columns, or a
 * small serial product) the task packs a few panels at a time where they stay in cache. */
#include "simd/sets.h"

#include <assert.h>
#include <omp.h>

#include "core/threads.h"

enum {
    GROUP_ROWS = 64,        /* rows of A that meet a panel of B in a row; also what a task packs at a time for itself */
    K_GRAIN = 32,           /* elements: at least a line of every set, and the blocks of quantised types stay whole */
    PACK_COST_ROWS = 6,     /* packing a block of B costs about as much as multiplying it by so many rows */
    MOST_AHEAD = 8,         /* lines asked for in a step: more than memory delivers meanwhile */
    DECODED_BYTES = 512,    /* of a row of a quantised B that are decoded at a time: a panel's worth of rows stays in L1 */
    DECODED_ROWS = 16,      /* the same where columns run along a row: words of K, a multiple of LT_GEMM_WORD_STEP */
    TERM_WORDS = 64,        /* of K in a second product that is summed up with the last block of the first */
    SERIAL_LIMIT = 1 << 17, /* multiply-adds below which waking the other threads costs more than it brings */
};

typedef struct range {
    int64_t begin, end;
} range;

/* Everything that is decided before the first multiplication. */
typedef struct product {
    const lt_kernels *set;
    const lt_gemm_kernel *kernel;
    const lt_gemm_call *call;
    int64_t block_elements;           /* of K in a block */
    int64_t row_panels, column_units; /* of C: panels of A; tile widths */
    int panel_rows;
    int64_t row_blocks, column_blocks; /* the tasks are their product */
    const char *packed_a;              /* all of A, or NULL: every task packs what it needs */
    char *thread_scratch;
    int64_t next_task; /* that no thread has taken yet */
    const struct product *more; /* added to the same C, in the same tasks; or NULL */
} product;

/* A second product's panels beside a block of the first: summed up in the same tiles. */
typedef struct joined {
    const product *p;
    const char *b; /* packed: all of its K, the task's columns */
    char *own_a;   /* its A is packed here, a group at a time */
} joined;

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t round_up(int64_t a, int64_t b)
{
    return divide_up(a, b) * b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Share i of n of 0 .. count-1. */
static range share(int64_t count, int64_t i, int64_t n)
{
    return (range){count * i / n, count * (i + 1) / n};
}

/* Words of K, filled up to whole lines. */
static int64_t padded_words(const lt_gemm_kernel *kernel, int64_t K)
{
    return round_up(divide_up(K, kernel->word_elements), kernel->lanes);
}

/* K in blocks of nearly equal size, a multiple of K_GRAIN elements. A function of K and the kernel alone: it decides
 * the order of summation. */
static int64_t block_words(const lt_gemm_kernel *kernel, int64_t K)
{
    int64_t words = padded_words(kernel, K), blocks = divide_up(words, kernel->block_words);
    return round_up(divide_up(words, blocks), K_GRAIN / kernel->word_elements);
}

/* Panels of nearly equal height: 9 rows are 5 + 4, not 8 + 1. */
static int panel_rows(const lt_gemm_kernel *kernel, int64_t M)
{
    return (int)divide_up(M, divide_up(M, kernel->rows));
}

/* The width of the next panel of B when `left` vectors of columns remain: 4 are 2 + 2, not 3 + 1. */
static int64_t panel_vectors(const lt_gemm_kernel *kernel, int64_t left)
{
    if (left == kernel->vectors + 1)
        return divide_up(left, 2);
    return smaller(left, kernel->vectors);
}

static int64_t packed_bytes(const lt_gemm_kernel *kernel, int64_t M, int64_t K)
{
    return round_up(M * padded_words(kernel, K) * 4, 64);
}

static int64_t block_b_bytes(const lt_gemm_kernel *kernel)
{
    return (int64_t)kernel->block_words * kernel->block_vectors * kernel->lanes * 4;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The most that is decoded at a time: for a panel of rows, for rows of a block of columns, for a vector of few rows. */
static int64_t decoded_bytes(const lt_gemm_kernel *kernel)
{
    int64_t panel = (int64_t)kernel->vectors * kernel->lanes * DECODED_BYTES;
    int64_t block = (int64_t)DECODED_ROWS * kernel->block_vectors * kernel->lanes * 4;
    return larger(larger(panel, block), (int64_t)kernel->lanes * kernel->block_words * 4);
}

static int64_t own_a_bytes(const lt_gemm_kernel *kernel)
{
    return (int64_t)GROUP_ROWS * kernel->block_words * 4;
}

static int64_t term_b_bytes(const lt_gemm_kernel *kernel)
{
    return (int64_t)TERM_WORDS * kernel->block_vectors * kernel->lanes * 4;
}

static int64_t thread_bytes(const lt_gemm_kernel *kernel)
{
    return block_b_bytes(kernel) + own_a_bytes(kernel) + decoded_bytes(kernel) + term_b_bytes(kernel) + GROUP_ROWS * TERM_WORDS * 4;
}

static product make_product(const lt_kernels *set, const lt_gemm_kernel *kernel, const lt_gemm_call *call)
{
    product p = {.set = set, .kernel = kernel, .call = call, .packed_a = call->packed_a};
    p.block_elements = block_words(kernel, call->K) * kernel->word_elements;
    p.panel_rows = panel_rows(kernel, call->M);
    p.row_panels = divide_up(call->M, p.panel_rows);
    p.column_units = divide_up(call->N, (int64_t)kernel->vectors * kernel->lanes);
    return p;
}

static range k_block(const product *p, int64_t index)
{
    int64_t begin = index * p->block_elements;
    return (range){begin, smaller(begin + p->block_elements, p->call->K)};
}

static int64_t k_blocks(const product *p)
{
    return divide_up(p->call->K, p->block_elements);
}

/* Where the panels of a block of K begin in packed A, and how long a row is there. */
static int64_t block_offset(const product *p, range k)
{
    return p->call->M * (k.begin / p->kernel->word_elements) * 4;
}

static int64_t row_bytes(const product *p, range k)
{
    return padded_words(p->kernel, k.end - k.begin) * 4;
}

static void pack_a(const product *p, range k, range panels, char *packed)
{
    const lt_matrix *a = p->call->a;
    int64_t m0 = panels.begin * p->panel_rows, m1 = smaller(panels.end * p->panel_rows, p->call->M);
    lt_gemm_pack_rows pack = p->kernel->packers[a->dtype].a[p->call->transpose_a];
    assert(pack);
    pack(a, m0, m1 - m0, k.begin, k.end - k.begin, p->panel_rows, packed);
}

/* A rectangle of a quantised B in the type that the compute type takes. */
static lt_matrix decode(const product *p, range rows, range columns, char *scratch)
{
    const bool bf16 = p->call->compute == LT_COMPUTE_BF16;
    lt_matrix out = {.data = scratch,
                     .dtype = bf16 ? LT_DTYPE_BF16 : LT_DTYPE_F32,
                     .rows = rows.end - rows.begin,
                     .cols = columns.end - columns.begin,
                     .row_stride = columns.end - columns.begin};
    for (int64_t row = rows.begin; row < rows.end; row++, scratch += lt_dtype_bytes(out.dtype, out.cols))
        if (bf16)
            p->set->decode_bf16(p->call->b, row, columns.begin, out.cols, (uint16_t *)(void *)scratch);
        else
            p->set->decode_f32(p->call->b, row, columns.begin, out.cols, (float *)(void *)scratch);
    return out;
}

/* pack_b for a quantised B stored (N,K): a panel's rows, some of K at a time. */
static void pack_b_rows(const product *p, range k, range columns, char *packed, char *scratch)
{
    const int word_elements = p->kernel->word_elements;
    const int64_t lanes = p->kernel->lanes, vectors = divide_up(columns.end - columns.begin, lanes);
    const int64_t step = DECODED_BYTES / 4 * word_elements;
    for (int64_t v = 0, width; v < vectors; v += width) {
        width = panel_vectors(p->kernel, vectors - v);
        range rows = {columns.begin + v * lanes, smaller(columns.begin + (v + width) * lanes, columns.end)};
        char *panel = packed + v * lanes * row_bytes(p, k);
        for (int64_t at = k.begin; at < k.end; at += step, panel += DECODED_BYTES * width * lanes) {
            lt_matrix b = decode(p, rows, (range){at, smaller(at + step, k.end)}, scratch);
            p->kernel->packers[b.dtype].b[true](&b, 0, b.rows, 0, b.cols, panel);
        }
    }
}

/* pack_b for a quantised B stored (K,N): some rows at a time, all columns. */
static void pack_b_columns(const product *p, range k, range columns, char *packed, char *scratch)
{
    const int64_t lanes = p->kernel->lanes, vectors = divide_up(columns.end - columns.begin, lanes);
    for (int64_t at = k.begin; at < k.end; at += DECODED_ROWS) {
        lt_matrix b = decode(p, (range){at, smaller(at + DECODED_ROWS, k.end)}, columns, scratch);
        for (int64_t v = 0, width; v < vectors; v += width) {
            width = panel_vectors(p->kernel, vectors - v);
            char *panel = packed + v * lanes * row_bytes(p, k);
            panel += (at - k.begin) / p->kernel->word_elements * width * lanes * 4;
            p->kernel->packers[b.dtype].b[false](&b, v * lanes, smaller(width * lanes, b.cols - v * lanes), 0, b.rows, panel);
        }
    }
}

static void pack_b(const product *p, range k, range columns, char *packed, char *scratch)
{
    if (lt_quant_is(p->call->b->dtype)) {
        (p->call->transpose_b ? pack_b_rows : pack_b_columns)(p, k, columns, packed, scratch);
        return;
    }
    const lt_matrix *b = p->call->b;
    lt_gemm_pack_columns pack = p->kernel->packers[b->dtype].b[p->call->transpose_b];
    assert(pack);
    int64_t lanes = p->kernel->lanes, vectors = divide_up(columns.end - columns.begin, lanes);
    for (int64_t v = 0; v < vectors;) {
        int64_t width = panel_vectors(p->kernel, vectors - v), n = columns.begin + v * lanes;
        pack(b, n, smaller(width * lanes, columns.end - n), k.begin, k.end - k.begin,
             packed + v * lanes * row_bytes(p, k));
        v += width;
    }
}

/* Words that the micro kernel runs over. */
static int64_t micro_words(const product *p, range k)
{
    return round_up(divide_up(k.end - k.begin, p->kernel->word_elements), LT_GEMM_WORD_STEP);
}

/* A group of panels of A by one panel of B, which stays in L1 where it fits. */
static void multiply_group(const product *p, range k, range panels, const char *a, range columns, const char *b,
                           lt_gemm_ahead *ahead, const joined *term)
{
    const lt_gemm_call *call = p->call;
    const int64_t words = micro_words(p, k);
    const int64_t panel_bytes = p->panel_rows * row_bytes(p, k);
    const bool first = k.begin == 0;
    lt_gemm_out out = {.c = call->c + panels.begin * p->panel_rows * call->c_stride + columns.begin,
                       .stride = call->c_stride,
                       .cols = (int)(columns.end - columns.begin),
                       .alpha = call->alpha,
                       .beta = first ? call->beta : 1,
                       .bias = call->bias && first ? call->bias + columns.begin : NULL,
                       .ahead = ahead};
    if (term) {
        out.more_a = term->own_a;
        out.more_b = term->b;
        out.more_words = micro_words(term->p, k_block(term->p, 0));
    }
    for (int64_t panel = panels.begin; panel < panels.end; panel++) {
        out.rows = (int)smaller(p->panel_rows, call->M - panel * p->panel_rows);
        p->kernel->micro(words, a, b, &out);
        a += panel_bytes;
        if (term)
            out.more_a += p->panel_rows * row_bytes(term->p, k_block(term->p, 0));
        out.c += p->panel_rows * call->c_stride;
    }
}

/* term: NULL, or what is summed up in the same tiles. */
static void multiply_block(const product *p, range k, range panels, range columns, const char *b, char *own_a,
                           lt_gemm_ahead *ahead, const joined *term)
{
    const int64_t panel_bytes = p->panel_rows * row_bytes(p, k), lanes = p->kernel->lanes;
    const int64_t group = GROUP_ROWS / p->panel_rows, vectors = divide_up(columns.end - columns.begin, lanes);
    for (int64_t start = panels.begin; start < panels.end; start += group) {
        range now = {start, smaller(start + group, panels.end)};
        const char *a = own_a;
        if (p->packed_a)
            a = p->packed_a + block_offset(p, k) + start * panel_bytes;
        else
            pack_a(p, k, now, own_a);
        if (term)
            pack_a(term->p, k_block(term->p, 0), now, term->own_a);
        for (int64_t v = 0; v < vectors;) {
            int64_t width = panel_vectors(p->kernel, vectors - v), n = columns.begin + v * lanes;
            joined part;
            if (term)
                part = (joined){term->p, term->b + v * lanes * row_bytes(term->p, k_block(term->p, 0)), term->own_a};
            multiply_group(p, k, now, a, (range){n, smaller(n + width * lanes, columns.end)},
                           b + v * lanes * row_bytes(p, k), ahead, term ? &part : NULL);
            v += width;
        }
    }
}

static range task_panels(const product *p, int64_t task)
{
    return share(p->row_panels, task % p->row_blocks, p->row_blocks);
}

static range task_columns(const product *p, int64_t task)
{
    range units = share(p->column_units, task / p->row_blocks, p->column_blocks);
    int64_t unit = (int64_t)p->kernel->vectors * p->kernel->lanes;
    return (range){units.begin * unit, smaller(units.end * unit, p->call->N)};
}

/* The block of B after block `index` of K of `task`, to be asked for during `steps` steps of the micro kernel. */
static lt_gemm_ahead next_block(const product *p, int64_t task, int64_t next_task, int64_t index, int64_t steps)
{
    const lt_matrix *b = p->call->b;
    bool same_task = index + 1 < k_blocks(p);
    if (!same_task && next_task >= p->row_blocks * p->column_blocks)
        return (lt_gemm_ahead){0};
    range k = k_block(p, same_task ? index + 1 : 0), columns = task_columns(p, same_task ? task : next_task);
    range rows = p->call->transpose_b ? columns : k, elements = p->call->transpose_b ? k : columns;
    lt_gemm_ahead ahead = {.at = lt_gemm_at(b, rows.begin, elements.begin), .rows = rows.end - rows.begin};
    ahead.row_bytes = lt_dtype_bytes(b->dtype, elements.end - elements.begin);
    ahead.row_end = ahead.at + ahead.row_bytes;
    ahead.stride = lt_dtype_bytes(b->dtype, b->row_stride);
    ahead.per_step = (int)smaller(divide_up(ahead.rows * divide_up(ahead.row_bytes, 64), steps), MOST_AHEAD);
    return ahead;
}

/* Whether a second product is summed up in the tiles of the first: it may be, and is so short that its panels fit beside the first's. */
static bool joins(const product *p)
{
    return p->more && !p->call->more->apart && padded_words(p->kernel, p->more->call->K) <= TERM_WORDS;
}

/* next_task: the one that this thread does after this (or one past the last). */
static void run_task(const product *p, int64_t task, int64_t next_task, char *scratch)
{
    const range panels = task_panels(p, task), columns = task_columns(p, task);
    const int64_t width = (int64_t)p->kernel->vectors * p->kernel->lanes, last = k_blocks(p) - 1;
    const int64_t tiles = (panels.end - panels.begin) * divide_up(columns.end - columns.begin, width);
    char *own_a = scratch + block_b_bytes(p->kernel), *decoded = own_a + own_a_bytes(p->kernel);
    char *term_b = decoded + decoded_bytes(p->kernel);
    joined term = {p->more, term_b, term_b + term_b_bytes(p->kernel)};
    if (joins(p))
        pack_b(p->more, k_block(p->more, 0), columns, term_b, decoded);
    for (int64_t i = 0; i <= last; i++) {
        range k = k_block(p, i);
        lt_gemm_ahead ahead = next_block(p, task, next_task, i, tiles * (row_bytes(p, k) / (4 * LT_GEMM_WORD_STEP)));
        pack_b(p, k, columns, scratch, decoded);
        multiply_block(p, k, panels, columns, scratch, own_a, &ahead, i == last && joins(p) ? &term : NULL);
    }
    for (int64_t i = 0; p->more && !joins(p) && i < k_blocks(p->more); i++) {
        lt_gemm_ahead nothing = {0};
        range k = k_block(p->more, i);
        pack_b(p->more, k, columns, scratch, decoded);
        multiply_block(p->more, k, panels, columns, scratch, own_a, &nothing, NULL);
    }
}

static int64_t take_task(product *p)
{
    int64_t task;
#pragma omp atomic capture
    task = p->next_task++;
    return task;
}

static int64_t tasks_taken(const product *p)
{
    int64_t taken;
#pragma omp atomic read
    taken = p->next_task;
    return taken;
}

/* Threads take tasks in their order. While there is more than one for each, a thread takes its next one when it begins one, to ask
 * for the memory of it; the last ones are for whoever is free. */
static void run_tasks(product *p, int threads, char *scratch)
{
    const int64_t count = p->row_blocks * p->column_blocks;
    for (int64_t task = take_task(p), next; task < count; task = next) {
        bool ahead = count - tasks_taken(p) >= threads;
        next = ahead ? take_task(p) : count;
        run_task(p, task, next, scratch);
        if (!ahead)
            next = take_task(p);
    }
}

/* Cuts C into tasks: as few row blocks as keep all threads busy, because each packs its own copy of B. */
static void choose_grid(product *p, int threads)
{
    int64_t most_units = p->kernel->block_vectors / p->kernel->vectors;
    int64_t least_columns = divide_up(p->column_units, most_units);
    double best = 0;
    for (int64_t rows = 1; rows <= threads && rows <= p->row_panels; rows++) {
        int64_t columns = least_columns;
        while (columns < p->column_units && rows * columns % threads)
            columns++;
        int64_t waves = divide_up(rows * columns, threads);
        double height = (double)divide_up(p->row_panels, rows) * p->panel_rows;
        double cost = (double)waves * (double)divide_up(p->column_units, columns) * (height + PACK_COST_ROWS);
        if (best == 0 || cost < best) {
            best = cost;
            p->row_blocks = rows;
            p->column_blocks = columns;
        }
    }
}

static void pack_all(const product *p, int64_t item, int64_t items_per_block, char *packed)
{
    range k = k_block(p, item / items_per_block);
    range panels = share(p->row_panels, item % items_per_block, items_per_block);
    pack_a(p, k, panels, packed + block_offset(p, k) + panels.begin * p->panel_rows * row_bytes(p, k));
}

static int64_t pack_items(const product *p)
{
    return divide_up(p->call->M, GROUP_ROWS);
}

static void run_serial(product *p, char *packed)
{
    int64_t items = pack_items(p);
    for (int64_t i = 0; packed && i < k_blocks(p) * items; i++)
        pack_all(p, i, items, packed);
    run_tasks(p, 1, p->thread_scratch);
}

static void run_parallel(product *p, int threads, char *packed)
{
    int64_t items = pack_items(p), pack_count = packed ? k_blocks(p) * items : 0;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < pack_count; i++)
            pack_all(p, i, items, packed);
        run_tasks(p, threads, p->thread_scratch + omp_get_thread_num() * thread_bytes(p->kernel));
    }
}

/* Few rows of A by columns [n0, n1) of C from a quantised B: a vector of its rows, a block of K, is decoded and used. */
static void few_rows_decoded(const product *p, const char *packed, int64_t n0, int64_t n1, char *scratch)
{
    const int64_t lanes = p->kernel->lanes;
    for (int64_t n = n0; n < n1; n += lanes)
        for (int64_t i = 0; i < k_blocks(p); i++) {
            range k = k_block(p, i), rows = {n, smaller(n + lanes, n1)};
            lt_matrix b = decode(p, rows, k, scratch);
            lt_gemm_call part = *p->call;
            part.b = &b;
            part.K = b.cols;
            part.c += n;
            part.beta = i ? 1 : part.beta;
            part.bias = part.bias && i == 0 ? part.bias + n : NULL;
            p->kernel->packers[b.dtype].few_rows(&part, packed + block_offset(p, k), p->kernel->block_words, 0, b.rows);
        }
}

/* What reads B in place for this product, or NULL: there are too many rows, or the set has nothing for it. */
static lt_gemm_few_rows few_rows_of(const product *p)
{
    const lt_gemm_call *call = p->call;
    lt_dtype dtype = call->b->dtype;
    if (lt_quant_is(dtype))
        dtype = call->compute == LT_COMPUTE_BF16 ? LT_DTYPE_BF16 : LT_DTYPE_F32;
    return call->M <= p->kernel->rows && call->transpose_b ? p->kernel->packers[dtype].few_rows : NULL;
}

/* Vectors of columns of C, the last perhaps not full. */
static void few_rows_share(const product *p, const char *packed, range vectors, char *scratch)
{
    const int64_t n0 = vectors.begin * p->kernel->lanes, n1 = smaller(vectors.end * p->kernel->lanes, p->call->N);
    if (lt_quant_is(p->call->b->dtype))
        few_rows_decoded(p, packed, n0, n1, scratch);
    else
        few_rows_of(p)(p->call, packed, block_words(p->kernel, p->call->K), n0, n1);
}

/* Decoding: products of the same few rows of A, side by side; each B is read in place, by all threads from front to back. A is so small
 * that one thread packs it. */
static void run_few_rows(const product *p, int count, int threads)
{
    enum { SHARES = 4 }; /* of each thread: one that is late is helped */
    const lt_gemm_call *call = p->call;
    const char *packed = call->packed_a;
    char *thread_scratch = call->scratch;
    if (!packed) {
        packed = call->scratch;
        thread_scratch += packed_bytes(p->kernel, call->M, call->K);
        for (int64_t i = 0; i < k_blocks(p); i++)
            pack_all(p, i, 1, call->scratch);
    }
    int64_t vectors = 0;
    for (int i = 0; i < count; i++)
        vectors += divide_up(p[i].call->N, p->kernel->lanes);
    const int64_t shares = smaller(vectors, (int64_t)threads * SHARES);
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int64_t i = 0; i < shares; i++) {
        range mine = share(vectors, i, shares);
        char *scratch = thread_scratch + omp_get_thread_num() * thread_bytes(p->kernel);
        for (int which = 0; which < count && mine.end > 0; which++) {
            int64_t size = divide_up(p[which].call->N, p->kernel->lanes);
            range part = {mine.begin > 0 ? mine.begin : 0, smaller(mine.end, size)};
            if (part.begin < part.end)
                few_rows_share(&p[which], packed, part, scratch);
            mine.begin -= size;
            mine.end -= size;
        }
    }
}

/* K = 0: nothing to sum. */
static void scale_only(const lt_gemm_call *call)
{
    for (int64_t m = 0; m < call->M; m++)
        for (int64_t n = 0; n < call->N; n++) {
            float *c = call->c + m * call->c_stride + n;
            *c = (call->beta != 0 ? call->beta * *c : 0) + (call->bias ? call->bias[n] : 0);
        }
}

/* The second product as a call of its own. */
static lt_gemm_call second_call(const lt_gemm_call *call)
{
    const lt_gemm_term *more = call->more;
    return (lt_gemm_call){.M = call->M, .N = call->N, .K = more->K, .compute = call->compute, .a = more->a, .b = more->b,
                          .transpose_b = more->transpose_b, .c = call->c, .c_stride = call->c_stride, .alpha = 1,
                          .beta = 1, .serial = call->serial, .scratch = call->scratch};
}

static void run(const lt_kernels *set, const lt_gemm_kernel *kernel, const lt_gemm_call *call)
{
    product p = make_product(set, kernel, call), second;
    bool serial = call->serial || (double)call->M * (double)call->N * (double)call->K < SERIAL_LIMIT;
    int threads = serial ? 1 : lt_threads_count();
    lt_gemm_call more;
    if (call->more)
        more = second_call(call);
    if (few_rows_of(&p)) {
        run_few_rows(&p, 1, threads);
        if (call->more)
            run(set, kernel, &more);
        return;
    }
    choose_grid(&p, threads);
    char *pack_into = NULL; /* all of A, when it is not packed and more than one block of columns will read it */
    p.thread_scratch = call->scratch;
    if (!p.packed_a && p.column_blocks > 1) {
        p.packed_a = pack_into = call->scratch;
        p.thread_scratch += packed_bytes(kernel, call->M, call->K);
    }
    if (call->more) {
        second = make_product(set, kernel, &more);
        p.more = &second;
    }
    if (threads > 1)
        run_parallel(&p, threads, pack_into);
    else
        run_serial(&p, pack_into);
}

/* The plain definition, whose packed A is a plain matrix. */
static void run_ref(const lt_gemm_call *call)
{
    lt_matrix unpacked;
    lt_gemm_call plain = *call;
    if (call->packed_a) {
        unpacked = lt_matrix_f32(call->packed_a, call->M, call->K);
        plain.a = &unpacked;
        plain.transpose_a = false;
    }
    lt_gemm_ref(&plain);
}

void lt_gemm_with(const lt_kernels *set, const lt_gemm_call *call)
{
    assert(call->M >= 0 && call->N >= 0 && call->K >= 0 && call->b && call->c);
    assert(!call->a != !call->packed_a && (!call->more || (call->more->K > 0 && call->alpha == 1)));
    assert(call->b->scales || (call->b->dtype != LT_DTYPE_NF4 && call->b->dtype != LT_DTYPE_I8));
    const lt_gemm_kernel *kernel = lt_sets_gemm(set, call->compute);
    if (call->M == 0 || call->N == 0)
        return;
    if (call->K > 0 && kernel) {
        run(set, kernel, call);
        return;
    }
    if (call->K == 0)
        scale_only(call);
    else
        run_ref(call);
    if (call->more) {
        lt_gemm_call more = second_call(call);
        lt_gemm_with(set, &more);
    }
}

int64_t lt_gemm_packed_bytes_with(const lt_kernels *set, lt_compute compute, int64_t M, int64_t K)
{
    const lt_gemm_kernel *kernel = lt_sets_gemm(set, compute);
    return kernel ? packed_bytes(kernel, M, K) : round_up(M * K * 4, 64);
}

int64_t lt_gemm_scratch_bytes_with(const lt_kernels *set, lt_compute compute, int64_t max_M, int64_t max_K, int threads)
{
    const lt_gemm_kernel *kernel = lt_sets_gemm(set, compute);
    return kernel ? packed_bytes(kernel, max_M, max_K) + threads * thread_bytes(kernel) : 0;
}

void lt_gemm_pack_a_with(const lt_kernels *set, lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M,
                         int64_t K, void *packed, bool serial)
{
    const lt_gemm_kernel *kernel = lt_sets_gemm(set, compute);
    if (M == 0 || K == 0)
        return;
    if (!kernel) {
        lt_gemm_pack_a_ref(compute, a, transpose_a, M, K, packed);
        return;
    }
    lt_gemm_call call = {.M = M, .K = K, .compute = compute, .a = a, .transpose_a = transpose_a};
    product p = make_product(set, kernel, &call);
    int64_t items = pack_items(&p), count = k_blocks(&p) * items;
#pragma omp parallel for schedule(dynamic) if (!serial && M * K >= SERIAL_LIMIT)
    for (int64_t i = 0; i < count; i++)
        pack_all(&p, i, items, packed);
}

/* Can these run side by side? */
static bool make_group(const lt_kernels *set, const lt_gemm_kernel *kernel, const lt_gemm_call *calls, int count, product *products)
{
    for (int i = 0; i < count; i++) {
        const lt_gemm_call *call = &calls[i];
        if (call->M == 0 || call->N == 0 || call->K == 0 || call->serial || call->more || !call->packed_a ||
            call->packed_a != calls->packed_a || call->M != calls->M || call->K != calls->K || call->compute != calls->compute)
            return false;
        products[i] = make_product(set, kernel, call);
        if (!few_rows_of(&products[i]))
            return false;
    }
    return true;
}

void lt_gemm_group_with(const lt_kernels *set, const lt_gemm_call *calls, int count)
{
    const lt_gemm_kernel *kernel = lt_sets_gemm(set, calls->compute);
    product products[LT_GEMM_GROUP];
    assert(count >= 1 && count <= LT_GEMM_GROUP);
    if (kernel && make_group(set, kernel, calls, count, products)) {
        run_few_rows(products, count, lt_threads_count());
        return;
    }
    for (int i = 0; i < count; i++)
        lt_gemm_with(set, &calls[i]);
}

void lt_gemm_group(const lt_gemm_call *calls, int count)
{
    lt_gemm_group_with(lt_kernels_get(), calls, count);
}

void lt_gemm(const lt_gemm_call *call)
{
    lt_gemm_with(lt_kernels_get(), call);
}

int64_t lt_gemm_packed_bytes(lt_compute compute, int64_t M, int64_t K)
{
    return lt_gemm_packed_bytes_with(lt_kernels_get(), compute, M, K);
}

int64_t lt_gemm_scratch_bytes(lt_compute compute, int64_t max_M, int64_t max_K, int threads)
{
    return lt_gemm_scratch_bytes_with(lt_kernels_get(), compute, max_M, max_K, threads);
}

void lt_gemm_pack_a(lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M, int64_t K, void *packed,
                    bool serial)
{
    lt_gemm_pack_a_with(lt_kernels_get(), compute, a, transpose_a, M, K, packed, serial);
}
