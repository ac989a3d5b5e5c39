/* A curve drawn with characters: losses over steps in a terminal. */
#ifndef LT_CLI_CURVE_H
#define LT_CLI_CURVE_H

#include <stdio.h>

typedef struct lt_curve {
    const double *x, *y; /* (count), x ascending; values that are not finite are left out */
    int count;
    const char *x_label; /* under the axis, "step" */
    int width, height;   /* of the plot in columns and lines, without the labels; 0: 60 and 10 */
} lt_curve;

/* Braille dots (two by four in a character) in a UTF-8 locale, asterisks elsewhere. Each column of dots shows the mean
 * of the values that fall into it. Nothing is drawn for fewer than two values. */
void lt_curve_draw(FILE *out, const lt_curve *curve);

#endif
