/* The curves of a run, read back from its metrics.jsonl. */
#ifndef LT_CLI_METRICS_H
#define LT_CLI_METRICS_H

#include <stdio.h>

#include "core/error.h"

typedef struct lt_metrics {
    double *step, *loss; /* (count) rows that have a loss */
    int count;
} lt_metrics;

/* Reads folder/metrics.jsonl; rows that are broken or have no loss are passed over. Free with lt_metrics_free. */
bool lt_metrics_read(lt_metrics *metrics, const char *folder, lt_error *err);
void lt_metrics_free(lt_metrics *metrics);

/* Draws the loss over the steps of the run in `folder`; nothing when it has no metrics or too few to make a curve. */
void lt_metrics_draw_run(const char *folder, FILE *out);

#endif
