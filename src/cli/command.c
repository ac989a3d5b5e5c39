#include "api/command.h"

#include <stddef.h>
#include <string.h>

static const lt_command *const registry[LT_COMMAND_COUNT] = {
#define X(id, name) &lt_cli_##name,
    LT_COMMANDS(X)
#undef X
};

const lt_command *lt_command_at(lt_command_id id)
{
    return registry[id];
}

const lt_command *lt_command_find(const char *name)
{
    for (int i = 0; i < LT_COMMAND_COUNT; i++)
        if (strcmp(registry[i]->name, name) == 0)
            return registry[i];
    return NULL;
}
