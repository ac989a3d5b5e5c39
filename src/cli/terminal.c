#include "cli/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utf8proc.h>

static struct {
    bool utf8, redraws, colour_out, colour_err;
} terminal;

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

void lt_terminal_start(void)
{
    setlocale(LC_CTYPE, ""); /* of all categories only this one: numbers keep their decimal point */
    const char *term = getenv("TERM");
    bool capable = term && *term && strcmp(term, "dumb") != 0;
    bool colour = capable && !is_set("NO_COLOR"); /* no-color.org: set and not empty */
    terminal.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    terminal.redraws = capable && isatty(STDERR_FILENO);
    terminal.colour_out = colour && isatty(STDOUT_FILENO);
    terminal.colour_err = colour && isatty(STDERR_FILENO);
}

bool lt_terminal_is_live(void)
{
    return terminal.redraws;
}

bool lt_terminal_is_utf8(void)
{
    return terminal.utf8;
}

bool lt_terminal_has_colour(FILE *stream)
{
    return stream == stderr ? terminal.colour_err : terminal.colour_out;
}

/* Asked anew at every redraw, so a resized window needs no signal. */
int lt_terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

const char *lt_style_on(FILE *stream, lt_style style)
{
    static const char *const codes[] = {"\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[36m"};
    return lt_terminal_has_colour(stream) ? codes[style] : "";
}

const char *lt_style_off(FILE *stream)
{
    return lt_terminal_has_colour(stream) ? "\033[0m" : "";
}

int lt_terminal_columns(const char *text)
{
    int columns = 0;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);
    while (left > 0) {
        utf8proc_int32_t code_point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, left, &code_point);
        if (n <= 0) {
            n = 1;
            code_point = '?';
        }
        columns += utf8proc_charwidth(code_point);
        text += n;
        left -= n;
    }
    return columns;
}

/* ---- figures ---- */

/* Three digits, as many decimals as that leaves. */
static void three_digits(double value, const char *unit, char out[LT_FIGURE])
{
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, LT_FIGURE, "%.*f%s", decimals, value, unit);
}

const char *lt_figure_bytes(int64_t bytes, char out[LT_FIGURE])
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1023.5 && unit < 4; unit++)
        value /= 1024;
    if (unit == 0)
        snprintf(out, LT_FIGURE, "%d B", (int)bytes);
    else
        three_digits(value, units[unit], out);
    return out;
}

const char *lt_figure_count(double count, char out[LT_FIGURE])
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    int unit = 0;
    for (; count >= 999.5 && unit < 4; unit++)
        count /= 1000;
    if (unit == 0 && count == floor(count))
        snprintf(out, LT_FIGURE, "%.0f", count);
    else
        three_digits(count, units[unit], out);
    return out;
}

const char *lt_figure_seconds(double seconds, char out[LT_FIGURE])
{
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e9) {
        snprintf(out, LT_FIGURE, "?");
        return out;
    }
    long whole = lround(seconds);
    if (seconds < 9.95)
        snprintf(out, LT_FIGURE, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(out, LT_FIGURE, "%ld s", whole);
    else if (whole < 3600)
        snprintf(out, LT_FIGURE, "%ld:%02ld", whole / 60, whole % 60);
    else if (whole < 48 * 3600)
        snprintf(out, LT_FIGURE, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(out, LT_FIGURE, "%ld d %02ld h", whole / 86400, whole / 3600 % 24);
    return out;
}

const char *lt_figure_grouped(int64_t count, char out[LT_FIGURE])
{
    char digits[LT_FIGURE];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)count), used = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && digits[i - 1] != '-' && (n - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}
