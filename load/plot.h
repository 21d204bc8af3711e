/*
 * Plots over time as SVG: axes, areas, lines, bands and marks; colours are the
 * page's, by class. Pure.
 */
#ifndef LOAD_PLOT_H
#define LOAD_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "load/buffer.h"

/* The drawing, and where in it the axes are. */
#define PLOT_WIDTH  960.0
#define PLOT_HEIGHT 240.0
#define PLOT_LEFT   64.0
#define PLOT_RIGHT  944.0
#define PLOT_TOP    22.0
#define PLOT_BOTTOM 212.0

struct plot {
	struct buffer *out;
	double seconds;	  /* at the right end */
	double low, high; /* at the ends of the y axis */
	bool log;	  /* low is above 0 then */
};

/*
 * Begins the drawing with its axes; low and high are moved to what is fit for
 * them. The unit is put behind the numbers.
 */
void plot_begin(
    struct plot *p, const char *id, const char *title, const char *unit);
void plot_end(struct plot *p);

/* n points at equal times `width` apart, the first at width / 2. */
void plot_line(
    struct plot *p, const char *class, const double *y, size_t n, double width);
/* What is between two of them. */
void plot_area(struct plot *p, const char *class, const double *from,
    const double *to, size_t n, double width);
/* A stretch of time, with words that show when it is pointed at. */
void plot_band(struct plot *p, double from, double to, const char *words);
void plot_mark(struct plot *p, double at, size_t number, const char *words);

/* "&" and the like as HTML has them. */
void plot_escape(struct buffer *out, const char *text);

#endif
