#include "rl/meter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int find(const lt_meter *m, const char *name)
{
    for (int i = 0; i < m->count; i++)
        if (!strcmp(m->name[i], name))
            return i;
    return -1;
}

void lt_meter_add(lt_meter *m, const char *name, double value)
{
    int i = find(m, name);
    if (i < 0) {
        if (m->count == LT_METER_MAX)
            return;
        i = m->count++;
        snprintf(m->name[i], LT_METER_NAME, "%s", name);
        m->mean[i] = (lt_mean){0};
    }
    m->mean[i].sum += value;
    m->mean[i].count += 1;
}

void lt_meter_add_mean(lt_meter *m, const char *name, const lt_mean *mean)
{
    if (mean->count > 0)
        lt_meter_add(m, name, lt_mean_value(mean));
}

double lt_meter_value(const lt_meter *m, const char *name)
{
    int i = find(m, name);
    return i < 0 ? NAN : lt_mean_value(&m->mean[i]);
}

void lt_meter_flush(lt_meter *m, json_t *row)
{
    for (int i = 0; i < m->count; i++)
        json_object_set_new(row, m->name[i], json_real(lt_mean_value(&m->mean[i])));
    m->count = 0;
}

json_t *lt_meter_json(const lt_meter *m)
{
    json_t *out = json_object();
    for (int i = 0; i < m->count; i++)
        json_object_set_new(out, m->name[i], json_pack("[f,f]", m->mean[i].sum, m->mean[i].count));
    return out;
}

void lt_meter_read(lt_meter *m, const json_t *json)
{
    const char *name;
    json_t *pair;
    m->count = 0;
    json_object_foreach((json_t *)json, name, pair)
    {
        if (m->count == LT_METER_MAX)
            break;
        snprintf(m->name[m->count], LT_METER_NAME, "%s", name);
        m->mean[m->count++] = (lt_mean){json_number_value(json_array_get(pair, 0)), json_number_value(json_array_get(pair, 1))};
    }
}
