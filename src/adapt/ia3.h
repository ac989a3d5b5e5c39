/* IA3 as an adapter: which layers get a vector, under which names, and how it begins. The mathematics is in ia3_linear.c. */
#ifndef LT_ADAPT_IA3_H
#define LT_ADAPT_IA3_H

#include "adapt/adapter.h"

extern const lt_adapter_method lt_adapter_ia3;

#endif
