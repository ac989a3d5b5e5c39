/* Prints the examples of a data file as JSON lines, for check_examples.py:
 *     examples_probe MODEL DATA [max_length N] [everything 1] [prompt NAME] [completion NAME] [accept BITS] [by
 * line|paragraph] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "text/examples.h"

static void print_ids(const char *name, const int32_t *ids, int32_t n)
{
    printf("\"%s\":[", name);
    for (int32_t i = 0; i < n; i++)
        printf("%s%" PRId32, i ? "," : "", ids[i]);
    printf("]");
}

static void print_example(const lt_example *example)
{
    printf("{\"line\":%" PRId64 ",\"kind\":\"%s\",\"prompt\":%" PRId32 ",\"value\":%g,\"label\":%" PRId64
           ",\"label_text\":\"%s\",\"sequences\":[",
           example->row.line, lt_dataset_kind_name(example->row.kind), example->prompt, (double)example->value,
           example->label, example->label_text ? example->label_text : "");
    for (int32_t s = 0, at = 0; s < example->sequences; at += example->lengths[s], s++) {
        printf("%s{", s ? "," : "");
        print_ids("ids", example->ids + at, example->lengths[s]);
        printf(",\"trained\":[");
        for (int32_t i = 0; i < example->lengths[s]; i++)
            printf("%s%d", i ? "," : "", example->trained[at + i]);
        printf("]}");
    }
    printf("]}\n");
}

static void log_line(lt_log_level level, const char *line, void *context)
{
    (void)level;
    (void)context;
    fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
    lt_error err = {0};
    lt_tokenizer *tokenizer = NULL;
    lt_chat *chat = NULL;
    lt_dataset *dataset;
    lt_examples *examples;
    lt_examples_options options = {0};
    lt_dataset_options data_options = {0};
    bool quiet = false;
    if (argc < 3)
        return 2;
    for (int i = 3; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "max_length"))
            options.max_length = atoll(value);
        else if (!strcmp(name, "everything"))
            options.train_everything = atoi(value);
        else if (!strcmp(name, "split"))
            options.overflow = LT_EXAMPLES_SPLIT;
        else if (!strcmp(name, "prompt"))
            data_options.fields.prompt = value;
        else if (!strcmp(name, "completion"))
            data_options.fields.completion = value;
        else if (!strcmp(name, "accept"))
            data_options.accept = (uint32_t)atoll(value);
        else if (!strcmp(name, "by"))
            data_options.sample_by = !strcmp(value, "line") ? LT_DATASET_BY_LINE : LT_DATASET_BY_PARAGRAPH;
        else if (!strcmp(name, "quiet"))
            quiet = true;
        else
            return 2;
    }
    lt_log_set_sink(log_line, NULL);
    const char *path = argv[2];
    struct timespec a, b;
    bool end = false;
    if (!lt_tokenizer_open(&tokenizer, argv[1], &err))
        goto fail;
    if (!lt_chat_open(&chat, argv[1], NULL, &err))
        chat = NULL; /* no template */
    options.tokenizer = tokenizer;
    options.chat = chat;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (!lt_dataset_open(&dataset, &path, 1, &data_options, &err) ||
        !lt_examples_open(&examples, dataset, &options, &err))
        goto fail;
    for (;;) {
        lt_example example;
        if (!lt_examples_next(examples, &example, &end, &err))
            goto fail;
        if (end)
            break;
        if (!quiet)
            print_example(&example);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    const lt_examples_counts *c = lt_examples_count(examples);
    lt_examples_warn(c);
    fprintf(stderr, "%" PRId64 " rows, %" PRId64 " tokens, %" PRId64 " trained, %.3f s\n", c->rows, c->tokens,
            c->targets, (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
    lt_examples_close(examples);
    lt_dataset_close(dataset);
    lt_chat_close(chat);
    lt_tokenizer_close(tokenizer);
    return 0;
fail:
    fprintf(stderr, "error: %s\n", err.message);
    return 1;
}
