/* The table. A row exists only while the commands it names really act on it. */
#include "cli/options.h"

/* Types, each with its field in lt_options; numbers with their bounds. */
#define BOOL(member) .type = LT_OPTION_BOOL, .field = offsetof(lt_options, member)
#define TEXT(member, called) .type = LT_OPTION_TEXT, .field = offsetof(lt_options, member), .value = called
#define FILES(member, called) .type = LT_OPTION_FILES, .field = offsetof(lt_options, member), .value = called
#define NAMES(member, called) .type = LT_OPTION_NAMES, .field = offsetof(lt_options, member), .value = called
#define INTS(member, called, from, to)                                                                                 \
    .type = LT_OPTION_INTS, .field = offsetof(lt_options, member), .value = called, .low = from, .high = to
#define INT(member, from, to)                                                                                          \
    .type = LT_OPTION_INT, .field = offsetof(lt_options, member), .value = "N", .low = from, .high = to
#define NUMBER(member, from, to)                                                                                       \
    .type = LT_OPTION_NUMBER, .field = offsetof(lt_options, member), .value = "X", .low = from, .high = to
#define SIZE(member) .type = LT_OPTION_SIZE, .field = offsetof(lt_options, member), .value = "SIZE"
#define CHOICE(member, words) .type = LT_OPTION_CHOICE, .field = offsetof(lt_options, member), .value = words

#define INITIALLY(text) .initial = text
#define SHOWN(text) .shown = text /* a default that is worked out */
#define ALSO(name) .alias = name
#define FOR(set) .commands = set
#define NEEDED(set) .required = set
#define FLAGS(set) .flags = set
#define MANY 1e15 /* an upper bound that is none */

/* Sets of commands. */
#define ALL (~UINT64_C(0))

/* clang-format off */
#define GROUP .group = LT_GROUP_INPUT
static const lt_option table[] = {
    {"model", TEXT(model, "PATH"), GROUP, FLAGS(LT_OPTION_NOT_IN_RECIPE), FOR(LT_ON(INSPECT)), NEEDED(LT_ON(INSPECT)),
     .help = "folder of a model, an adapter or a run, or a .safetensors file"},
#undef GROUP

#define GROUP .group = LT_GROUP_MACHINE
    {"threads", INT(threads, 0, 256), INITIALLY("0"), SHOWN("one per core"), GROUP, FOR(LT_ON(DOCTOR)),
     .help = "threads that compute"},
#undef GROUP

#define GROUP .group = LT_GROUP_GENERAL
    {"config", TEXT(config, "FILE"), GROUP, FLAGS(LT_OPTION_NOT_IN_RECIPE), FOR(ALL),
     .help = "recipe: a YAML file of these options, with underscores; flags win over it"},
    {"json", BOOL(json), GROUP, FLAGS(LT_OPTION_NOT_IN_RECIPE), FOR(LT_ON(DOCTOR) | LT_ON(INSPECT)),
     .help = "the result as one JSON object on standard output"},
    {"help", BOOL(help), GROUP, FLAGS(LT_OPTION_NOT_IN_RECIPE), FOR(ALL), .help = "this page"},
#undef GROUP
};
/* clang-format on */

_Static_assert(sizeof table / sizeof *table <= LT_OPTION_MAX, "lt_options.origin has no room for the table");

const lt_option *lt_option_at(int index)
{
    return index < (int)(sizeof table / sizeof *table) ? &table[index] : NULL;
}

int lt_option_index(const lt_option *option)
{
    return (int)(option - table);
}

const char *lt_option_group_heading(lt_option_group group)
{
    static const char *const headings[] = {
#define X(id, heading) heading,
        LT_OPTION_GROUPS(X)
#undef X
    };
    return headings[group];
}
