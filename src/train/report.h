/* What a run leaves for people, made from its metrics.jsonl, summary.json and recipe.yaml:
 *
 *     report.html                          one page with the curves, that needs nothing else
 *     runs/events.out.tfevents.0.lathe     the same numbers for TensorBoard: train/loss, eval/loss …
 */
#ifndef LT_TRAIN_REPORT_H
#define LT_TRAIN_REPORT_H

#include "core/error.h"

/* Both; the folder must have a metrics.jsonl. */
bool lt_report_write(const char *folder, lt_error *err);

#endif
