/* Running a tree: expressions (jinja_eval.c), statements (jinja_exec.c), macros and loops (jinja_macro.c). */
#ifndef LT_TEXT_JINJA_EVAL_H
#define LT_TEXT_JINJA_EVAL_H

#include "text/jinja_builtin.h"

typedef enum lt_jflow { LT_JF_NEXT, LT_JF_BREAK, LT_JF_CONTINUE } lt_jflow;

lt_jv lt_jeval(lt_jrun *run, lt_jactivation *act, const lt_jnode *node);
void lt_jeval_arguments(lt_jrun *run, lt_jactivation *act, const lt_jarguments *arguments, lt_jargs *out);
/* A filter chain over the text of a block. */
lt_jv lt_jeval_filters(lt_jrun *run, lt_jactivation *act, const lt_jnode *filters, lt_jv text);

lt_jflow lt_jexec(lt_jrun *run, lt_jactivation *act, const lt_jlist *body);
void lt_jexec_assign(lt_jrun *run, lt_jactivation *act, const lt_jnode *target, lt_jv value);
void lt_jexec_print(lt_jrun *run, lt_jv value);

lt_jactivation *lt_jinja_activate(lt_jrun *run, const lt_jcode *code, lt_jactivation *outer);
void lt_jinja_enter_scope(lt_jrun *run, lt_jactivation *act, const lt_jscope *scope);

/* The loop of a {% for %}: runs it over iterable, writing to the output. */
lt_jflow lt_jinja_run_for(lt_jrun *run, lt_jactivation *act, const lt_jnode *node);
lt_jv lt_jinja_macro_value(lt_jrun *run, const lt_jnode *node, lt_jactivation *act);

static inline lt_jv *lt_jinja_slot(lt_jactivation *act, lt_jref ref)
{
    for (int i = 0; i < ref.hops; i++)
        act = act->outer;
    return &act->slots[ref.slot];
}

#endif
