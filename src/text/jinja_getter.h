/* Attribute paths, as the argument `attribute` of map, sort, groupby …: "a.b.0" looks up item a, in it b, in it 0. */
#ifndef LT_TEXT_JINJA_GETTER_H
#define LT_TEXT_JINJA_GETTER_H

#include "text/jinja_value.h"

typedef struct lt_jgetter {
    const lt_jv_list *parts;
    lt_jv fallback;   /* for what is undefined on the way; LT_JV_MISSING or none: stays undefined */
    bool ignore_case; /* a string that is found is made lower case, to compare it */
} lt_jgetter;

/* attribute may be LT_JV_MISSING or none: the value itself. */
lt_jgetter lt_jgetter_make(lt_jrun *run, lt_jv attribute, lt_jv fallback, bool ignore_case);
lt_jv lt_jgetter_get(lt_jrun *run, const lt_jgetter *getter, lt_jv value);

/* An iterator whose items are made all at once when the first is asked for. */
lt_jv lt_jinja_deferred(lt_jrun *run, lt_jv value, const lt_jv *a, int count,
                        lt_jv_list *(*make)(lt_jrun *run, lt_jv value, const lt_jv *a));

#endif
