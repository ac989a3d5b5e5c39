/* Several data sets one behind the other as one source of rows, each row with the number of its set. */
#ifndef LT_API_DATA_MIX_H
#define LT_API_DATA_MIX_H

#include "core/rows.h"

/* Takes the sources over (they are closed with *out, or on failure at once). Consecutive sources with the same number are one set.
 * numbers[i]: of source i, never falling. */
bool lt_api_chain_rows(lt_row_source *out, const lt_row_source *sources, const int32_t *numbers, int count, lt_error *err);

#endif
