/* The three forms of a report. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdbool.h>
#include <stdio.h>

struct buffer;
struct result;

/* For people, in a terminal or a log. */
void report_text(const struct result *r, FILE *out);

/* One JSON object; false without memory. */
bool report_json(const struct result *r, FILE *out);

/* One HTML page that needs nothing else; false without memory. */
bool report_html(const struct result *r, FILE *out);

/* The plots of the page, as SVG. */
void report_plots(const struct result *r, struct buffer *out);

#endif
