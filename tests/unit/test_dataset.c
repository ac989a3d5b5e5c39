#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "formats/dataset.h"
#include "formats/zst.h"

/* Reads all rows of text and writes "line:kind:json\n" for each; on failure the message. Every size of chunk must give
 * the same. */
static char *read_all(const char *name, const char *data, size_t size, const lt_dataset_options *given)
{
    static const size_t chunks[] = {1, 2, 3, 7, 64, 1 << 18};
    char *first = NULL;
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
        char *all = NULL;
        size_t all_size;
        FILE *out = open_memstream(&all, &all_size);
        lt_dataset_options options = given ? *given : (lt_dataset_options){0};
        options.chunk_bytes = chunks[c];
        lt_dataset *d;
        lt_dataset_row row;
        lt_error err = {0};
        cr_assert(lt_dataset_open_memory(&d, name, data, size, &options, &err));
        bool ok;
        while ((ok = lt_dataset_next(d, &row, &err)) && row.json) {
            char *json = json_dumps(row.json, JSON_COMPACT);
            fprintf(out, "%lld:%s:%s%s%s\n", (long long)row.line, lt_dataset_kind_name(row.kind),
                    row.begins ? "" : "...", json, row.ends ? "" : "...");
            free(json);
        }
        lt_dataset_close(d);
        if (!ok)
            fprintf(out, "%s", err.message);
        fclose(out);
        if (first)
            cr_assert_str_eq(all, first, "chunks of %zu", chunks[c]);
        else
            first = strdup(all);
        free(all);
    }
    return first;
}

static void expect(const char *name, const char *text, const char *rows, const lt_dataset_options *options)
{
    char *got = read_all(name, text, strlen(text), options);
    cr_assert_str_eq(got, rows);
    free(got);
}

Test(dataset, json_lines_may_have_a_bom_crlf_blank_lines_and_no_last_newline)
{
    expect("a.jsonl",
           "\xef\xbb\xbf\r\n{\"text\":\"a\"}\r\n\r\n  \t\n {\"text\": \"b\\u0000\"} \n{\"text\":\"\xe2\x82\xac\"}",
           "2:text:{\"text\":\"a\"}\n5:text:{\"text\":\"b\\u0000\"}\n6:text:{\"text\":\"\xe2\x82\xac\"}\n", NULL);
}

Test(dataset, a_json_array_is_read_element_by_element)
{
    expect(
        "a.json",
        "\n[\n  {\n    \"text\": \"}]\\\"{\"\n  } ,{\"text\":\"b\", \"more\": "
        "[[{}],{\"x\":[]}]},\n\n{\"text\":\"c\"}\n]\n\n",
        "3:text:{\"text\":\"}]\\\"{\"}\n5:text:{\"text\":\"b\",\"more\":[[{}],{\"x\":[]}]}\n7:text:{\"text\":\"c\"}\n",
        NULL);
    expect("a.jsonl", "[{\"text\":\"a\"}]", "1:text:{\"text\":\"a\"}\n", NULL);
    expect("a.json", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "1:text:{\"text\":\"a\"}\n2:text:{\"text\":\"b\"}\n",
           NULL);
    expect("data", " [ {\"text\":\"a\"} ]", "1:text:{\"text\":\"a\"}\n", NULL);
}

Test(dataset, broken_arrays_are_errors_that_say_where)
{
    expect("a.json", "[{\"text\":\"a\"},\n{\"text\":",
           "1:text:{\"text\":\"a\"}\na.json:2: the file ends inside this row (truncated?)", NULL);
    expect("a.json", "[{\"text\":\"a\"}\n",
           "1:text:{\"text\":\"a\"}\na.json:2: expected ',' or ']' after a row, found the end of the file", NULL);
    expect("a.json", "[{\"text\":\"a\"}\n{",
           "1:text:{\"text\":\"a\"}\na.json:2: expected ',' or ']' after a row, found '{'", NULL);
    expect("a.json", "[{\"text\":\"a\"},]", "1:text:{\"text\":\"a\"}\na.json:1: expected a row, '{', found ']'", NULL);
    expect("a.json", "[\n1]", "a.json:2: expected a row, '{', found '1'", NULL);
    expect("a.json", "[{\"text\":\"a\"}] x",
           "1:text:{\"text\":\"a\"}\na.json:1: expected nothing after the array of rows, found 'x'", NULL);
    expect("a.json", "[{\"text\": [}]", "a.json:1: column 11: not valid JSON: unexpected token near '}'", NULL);
    expect("a.json", "[\n{\n\"text\":\nnul}]", "a.json:4: column 3: not valid JSON: invalid token near 'nul'", NULL);
    expect("a.json", "[]", "a.json: expected at least one row, found none", NULL);
}

Test(dataset, broken_lines_are_errors_that_say_where)
{
    expect("a.jsonl", "{\"text\":\"a\"}\n{\"text\":1,\"text\":2}\n",
           "1:text:{\"text\":\"a\"}\na.jsonl:2: column 16: not valid JSON: duplicate object key near '\"text\"'", NULL);
    expect("a.jsonl", "{\"text\":\"a\"}\n[1]\n",
           "1:text:{\"text\":\"a\"}\na.jsonl:2: expected a row that is an object, found a list", NULL);
    expect("a.jsonl", "{\"x\":NaN}\n", "a.jsonl:1: column 8: not valid JSON: invalid token near 'NaN'", NULL);
    expect("a.jsonl", "{\"text\":\"a\"} {}\n", "a.jsonl:1: column 14: not valid JSON: end of file expected near '{'",
           NULL);
    expect("a.jsonl", "{\"text\":\"a\xc3(\"}\n",
           "a.jsonl:1: expected UTF-8, found the byte 0xc3 as byte 11 of the line", NULL);
    expect("a.json", "[{\n \"text\":\"\xff\"}]\n",
           "a.json:2: expected UTF-8, found the byte 0xff as byte 10 of the line", NULL);
    expect("a.jsonl", "\n \n", "a.jsonl: expected at least one row, found none", NULL);
    expect("a.jsonl", "", "a.jsonl: expected at least one row, found none", NULL);
}

Test(dataset, an_object_that_holds_the_rows_is_an_error_that_explains)
{
    lt_dataset_options options = {.accept = LT_DATASET_BIT(LT_DATASET_TEXT)};
    expect("a.json", "{\"version\": 1, \"data\": [{\"text\": \"a\"}]}",
           "a.json:1: expected a row of the kind {text}; found {version, data}; if the rows are in its list 'data', "
           "make that list "
           "the whole file",
           &options);
    expect("a.json", "{\n  \"data\": [\n{\"text\":\"a\"}\n]}\n",
           "a.json:1: column 1: not valid JSON: string or '}' expected near end of file; expected a row on one line, "
           "or one array of "
           "rows (are the rows a list inside an object? Make that list the whole file)",
           &options);
}

Test(dataset, other_formats_are_refused_by_name)
{
    expect("a.jsonl", "\xff\xfe{\0",
           "a.jsonl: expected JSON lines, a JSON array or text, found UTF-16; convert it to UTF-8", NULL);
    expect("a.jsonl", "PAR1....",
           "a.jsonl: expected JSON lines, a JSON array or text, found Parquet; export it as JSON lines", NULL);
    expect("a.jsonl", "\x1f\x8b..",
           "a.jsonl: expected JSON lines, a JSON array or text, found gzip; unpack it, or pack it with zstd", NULL);
    expect("a.csv", "text\na\n", "a.csv: expected JSON lines, a JSON array or text; export it as JSON lines", NULL);
}

Test(dataset, kinds_are_told_by_keys)
{
    static const struct {
        const char *row, *kind;
    } rows[] = {
        {"{\"text\":\"\"}", "text"},
        {"{\"messages\":[],\"tools\":[]}", "messages"},
        {"{\"prompt\":\"\",\"completion\":\"\",\"text\":\"\"}", "prompt and completion"},
        {"{\"instruction\":\"\",\"input\":\"\",\"output\":\"\",\"text\":\"\"}", "instruction"},
        {"{\"conversations\":[]}", "conversations"},
        {"{\"prompt\":\"\",\"chosen\":\"\",\"rejected\":\"\",\"messages\":[]}", "preference"},
        {"{\"chosen\":[],\"rejected\":[]}", "preference"},
        {"{\"text\":\"\",\"label\":1}", "labelled text"},
        {"{\"text\":\"\",\"label\":null}", "text"},
        {"{\"messages\":[],\"label\":true}", "unpaired preference"},
        {"{\"messages\":[],\"label\":\"x\"}", "messages"},
        {"{\"prompt\":\"\",\"completion\":\"\",\"label\":false}", "unpaired preference"},
        {"{\"prompt\":\"\"}", "prompt"},
        {"{\"input_ids\":[],\"labels\":[]}", "token ids"},
        {"{\"input_ids\":[],\"label\":1,\"token_type_ids\":[]}", "labelled token ids"},
        {"{\"prompt_ids\":[],\"chosen_ids\":[],\"rejected_ids\":[]}", "preference as ids"},
        {"{\"chosen_ids\":[],\"rejected_ids\":[]}", "pair of ids"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[300];
        snprintf(expected, sizeof expected, "1:%s:%s\n", rows[i].kind, rows[i].row);
        expect("a.jsonl", rows[i].row, expected, NULL);
    }
}

Test(dataset, kinds_of_one_group_may_be_mixed_and_others_may_not)
{
    const char *text = "{\"text\":\"a\"}\n{\"messages\":[]}\n{\"prompt\":\"\",\"chosen\":\"\",\"rejected\":\"\"}\n";
    expect("a.jsonl", text,
           "1:text:{\"text\":\"a\"}\n2:messages:{\"messages\":[]}\na.jsonl:3: expected a row of the kind {input_ids}, "
           "{prompt, "
           "completion}, {messages}, {conversations}, {instruction, output}, {text}; found {prompt, chosen, rejected}, "
           "a row of the "
           "kind preference",
           NULL);
    lt_dataset_options options = {.accept = LT_DATASET_FOR_PREFERENCE};
    expect("a.jsonl", "{\"a\\u001b\":1}",
           "a.jsonl:1: expected a row of the kind {prompt_ids, chosen_ids, rejected_ids}, {chosen_ids, rejected_ids}, "
           "{chosen, "
           "rejected}; found {a\\x1b}",
           &options);
    options.accept = LT_DATASET_BIT(LT_DATASET_CONVERSATIONS); /* here the conversation is only the prompt */
    expect("a.jsonl", "{\"conversations\":[],\"chosen\":{},\"rejected\":{}}",
           "a.jsonl:1: expected a row of the kind {conversations}; found {conversations, chosen, rejected}, a row of "
           "the kind preference",
           &options);
    options.accept = LT_DATASET_FOR_LANGUAGE; /* the same row serves either */
    expect("a.jsonl", "{\"chosen\":[],\"rejected\":[],\"messages\":[]}",
           "1:messages:{\"chosen\":[],\"rejected\":[],\"messages\":[]}\n", &options);
}

Test(dataset, fields_may_be_renamed)
{
    lt_dataset_options options = {.fields = {.prompt = "question", .completion = "answer"}};
    expect("a.jsonl", "{\"question\":\"q\",\"answer\":\"a\",\"text\":\"t\"}\n{\"question\":\"q\"}",
           "1:prompt and completion:{\"text\":\"t\",\"prompt\":\"q\",\"completion\":\"a\"}\n"
           "a.jsonl:2: expected the field 'answer' (named as the completion), found {question}",
           &options);
    options = (lt_dataset_options){.fields = {.chosen = "rejected", .rejected = "chosen"}};
    expect("a.jsonl", "{\"chosen\":\"c\",\"rejected\":\"r\"}", "1:preference:{\"chosen\":\"r\",\"rejected\":\"c\"}\n",
           &options);
    options =
        (lt_dataset_options){.fields = {.text = "body"}}; /* the user says that text is meant, whatever else is there */
    expect("a.jsonl", "{\"messages\":[],\"body\":\"b\"}", "1:text:{\"messages\":[],\"text\":\"b\"}\n", &options);
}

Test(dataset, plain_text_is_one_document_or_paragraphs_or_lines)
{
    const char *text = "\n one\r\ntwo\r\n \r\n\nthree\n\n\n";
    lt_dataset_options options = {.sample_by = LT_DATASET_BY_DOCUMENT};
    expect("a.txt", text, "1:text:{\"text\":\"\\n one\\ntwo\\n \\n\\nthree\\n\\n\\n\"}\n", &options);
    options.sample_by = LT_DATASET_BY_PARAGRAPH;
    expect("a.text", text, "2:text:{\"text\":\" one\\ntwo\"}\n6:text:{\"text\":\"three\"}\n", &options);
    options.sample_by = LT_DATASET_BY_LINE;
    expect("notes", text, "2:text:{\"text\":\" one\"}\n3:text:{\"text\":\"two\"}\n6:text:{\"text\":\"three\"}\n",
           &options);
    expect("a.txt", "{\"text\":1}", "1:text:{\"text\":\"{\\\"text\\\":1}\"}\n", &options);
    expect("a.txt", " \n\n", "a.txt: expected at least one row, found none", &options);
    expect("a.txt", "x\na\xc3",
           "1:text:{\"text\":\"x\"}\na.txt:2: expected UTF-8, found the byte 0xc3 as byte 2 of the line", &options);
}

Test(dataset, a_long_document_comes_in_pieces_cut_at_line_ends)
{
    lt_dataset_options options = {.row_bytes_max = 20};
    expect("a.txt",
           "aaaa\nbbbbb\n\nccccc\r\nddddd\r\neeeeeeeeeeeeeeeeeeeeeee\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac f",
           "1:text:{\"text\":\"aaaa\\nbbbbb\\n\\nccccc\\n\"}...\n"
           "5:text:...{\"text\":\"ddddd\\neeeeeeeeeeee\"}...\n"
           "6:text:...{\"text\":\"eeeeeeeeeee\xe2\x82\xac\xe2\x82\xac\"}...\n"
           "6:text:...{\"text\":\"\xe2\x82\xac\xe2\x82\xac f\"}\n",
           &options);
}

Test(dataset, a_row_above_the_limit_is_refused)
{
    char text[400];
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"text\":\"", 9);
    memset(text + 9, 'x', 300);
    memcpy(text + 309, "\"}\n", 4);
    lt_dataset_options options = {.row_bytes_max = 250};
    char *got = read_all("a.jsonl", text, 312, &(lt_dataset_options){.row_bytes_max = 400});
    cr_assert(strstr(got, "1:text:"));
    free(got);
    options.chunk_bytes = 50;
    lt_dataset *d;
    lt_dataset_row row;
    lt_error err;
    cr_assert(lt_dataset_open_memory(&d, "a.jsonl", text, 312, &options, &err));
    cr_assert_not(lt_dataset_next(d, &row, &err));
    cr_assert_str_eq(err.message, "a.jsonl:1: expected a row of at most 250 bytes, found a longer one");
    lt_dataset_close(d);
}

Test(dataset, a_row_of_very_many_values_is_refused_before_it_takes_memory)
{
    size_t n = 300000, size = 10 + 3 * n + 1;
    char *text = malloc(size + 1);
    memcpy(text, "{\"text\":[[", 10);
    for (size_t i = 0; i < n; i++)
        memcpy(text + 10 + 3 * i, "],[", 3);
    strcpy(text + size - 1, "]");
    lt_dataset *d;
    lt_dataset_row row;
    lt_error err;
    cr_assert(lt_dataset_open_memory(&d, "a.jsonl", text, size, NULL, &err));
    cr_assert_not(lt_dataset_next(d, &row, &err));
    cr_assert_str_eq(err.message,
                     "a.jsonl:1: expected at most 262144 lists and objects and 8388608 values in a row, found more");
    lt_dataset_close(d);
    free(text);
}

Test(dataset, integers_beyond_64_bits_do_not_spoil_a_row)
{
    expect(
        "a.jsonl",
        "{\"text\":\"9999999999999999999999\",\"id\":18446744073709551615,\"n\":[-99999999999999999999,7,1.25,12e3]}",
        "1:text:{\"text\":\"9999999999999999999999\",\"id\":1.8446744073709552e19,\"n\":[-1e20,7,1.25,12000.0]}\n",
        NULL);
}

/* Every row can be found again from where tell() said it would be, in any order, also in compressed files. */
Test(dataset, a_run_can_resume_at_every_row_of_several_files)
{
    test_folder folder = test_folder_make();
    void *packed;
    size_t packed_size;
    lt_error err = {0};
    const char *array = "\xef\xbb\xbf [ {\"text\":\"d\"},\n\n {\"text\":\"e\"}\n,{\"text\":\"f\"} ] ";
    cr_assert(lt_zst_compress(array, strlen(array), 0, &packed, &packed_size, &err));
    const char *paths[3] = {
        strdup(test_folder_write_text(&folder, "a.jsonl", "\n{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n{\"text\":\"c\"}")),
        strdup(test_folder_write(&folder, "b.json.zst", packed, packed_size)),
        strdup(test_folder_write_text(&folder, "c.txt", "0123456789abcdef\n0123456789abcdef\ng\n")),
    };
    free(packed);
    lt_dataset *d;
    lt_dataset_row row;
    cr_assert(lt_dataset_open(&d, paths, 3, &(lt_dataset_options){.row_bytes_max = 20}, &err));
    lt_dataset_position places[20];
    char *rows[20];
    int64_t lines[20];
    int n = 0;
    for (;; n++) {
        places[n] = lt_dataset_tell(d);
        cr_assert(lt_dataset_next(d, &row, &err), "%s", err.message);
        if (!row.json)
            break;
        cr_assert_eq(row.index, n);
        rows[n] = strdup(json_string_value(json_object_get(row.json, "text")));
        lines[n] = row.line;
    }
    cr_assert_eq(n, 8);
    cr_assert_str_eq(rows[4], "e");
    for (int i = 0; i < 3 * n; i++) {
        int k = i * 5 % (n + 1);
        cr_assert(lt_dataset_seek(d, &places[k], &err), "%s", err.message);
        for (int j = k; j < n; j++) {
            cr_assert(lt_dataset_next(d, &row, &err), "%s", err.message);
            cr_assert_str_eq(json_string_value(json_object_get(row.json, "text")), rows[j]);
            cr_assert_eq(row.index, j);
            cr_assert_eq(row.line, lines[j]);
            if (j == k + 2 && i % 2)
                break;
        }
    }
    cr_assert(lt_dataset_rewind(d, &err));
    cr_assert(lt_dataset_next(d, &row, &err) && row.index == 0);
    lt_dataset_position beyond = places[1];
    beyond.offset = 1000;
    cr_assert_not(lt_dataset_seek(d, &beyond, &err));
    cr_assert(strstr(err.message, "a.jsonl: expected at least 1000 bytes of content, found less"), "%s", err.message);
    lt_dataset_close(d);
    for (int i = 0; i < n; i++)
        free(rows[i]);
    for (int i = 0; i < 3; i++)
        free((char *)paths[i]);
    test_folder_remove(&folder);
}

Test(dataset, a_truncated_compressed_file_is_an_error)
{
    const char *text = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n";
    void *packed;
    size_t size;
    lt_error err;
    cr_assert(lt_zst_compress(text, strlen(text), 0, &packed, &size, &err));
    char *got = read_all("a.jsonl", packed, size - 1, NULL);
    cr_assert(strstr(got, "a.jsonl: the file ends inside a zstd frame"), "%s", got);
    free(got);
    free(packed);
    cr_assert(lt_zst_compress("{\"text\":\"a\"}", 12, 0, &packed, &size, &err));
    got = read_all("a.jsonl", packed, size, NULL);
    cr_assert_str_eq(got, "1:text:{\"text\":\"a\"}\n");
    free(got);
    free(packed);
}
