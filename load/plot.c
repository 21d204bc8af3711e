/* Drawing with SVG. */
#include "load/plot.h"

#include <math.h>
#include <stdio.h>

#define Y_TICKS 4.0
#define X_TICKS 10.0
/* A band is seen, however short it was. */
#define BAND_MIN 1.5

void
plot_escape(struct buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			buffer_add(out, SPAN("&amp;"));
			break;
		case '<':
			buffer_add(out, SPAN("&lt;"));
			break;
		case '>':
			buffer_add(out, SPAN("&gt;"));
			break;
		case '"':
			buffer_add(out, SPAN("&quot;"));
			break;
		default:
			buffer_add(out, (struct span){text, 1});
			break;
		}
	}
}

static double
x_of(const struct plot *p, double seconds)
{
	double part = p->seconds > 0 ? seconds / p->seconds : 0;

	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return PLOT_LEFT + part * (PLOT_RIGHT - PLOT_LEFT);
}

static double
y_of(const struct plot *p, double value)
{
	double part;

	if (p->log)
		part = value > p->low
			   ? log10(value / p->low) / log10(p->high / p->low)
			   : 0;
	else
		part = (value - p->low) / (p->high - p->low);
	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return PLOT_BOTTOM - part * (PLOT_BOTTOM - PLOT_TOP);
}

/* 1, 2 or 5 times a power of ten, at least `step`. */
static double
nice(double step)
{
	double power = pow(10, floor(log10(step))), part = step / power;

	return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void
y_tick(struct plot *p, double value, const char *unit)
{
	double y = y_of(p, value);

	buffer_print(p->out,
	    "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" "
	    "y2=\"%.1f\"/><text class=\"tick\" x=\"%.0f\" y=\"%.1f\" "
	    "text-anchor=\"end\">%.4g%s</text>",
	    PLOT_LEFT, PLOT_RIGHT, y, y, PLOT_LEFT - 6, y + 3.5, value, unit);
}

static void
y_axis(struct plot *p, const char *unit)
{
	double step;
	bool few;

	if (p->log) {
		p->low = pow(10, floor(log10(p->low)));
		p->high = pow(10, ceil(log10(p->high)));
		if (p->high <= p->low)
			p->high = 10 * p->low;
		/* between few decades there is room for more */
		few = log10(p->high / p->low) < 2.5;
		for (double v = p->low; v <= p->high * 1.01; v *= 10) {
			y_tick(p, v, unit);
			for (int i = 2; few && i <= 5 && v * i < p->high;
			     i += 3)
				y_tick(p, v * i, unit);
		}
		return;
	}
	if (p->high <= p->low)
		p->high = p->low + 1;
	step = nice((p->high - p->low) / Y_TICKS);
	p->high = p->low + step * ceil((p->high - p->low) / step - 1e-9);
	for (double v = p->low; v <= p->high + step / 2; v += step)
		y_tick(p, v, unit);
}

static void
x_axis(struct plot *p)
{
	double step = nice((p->seconds > 0 ? p->seconds : 1) / X_TICKS);

	for (double t = 0; t <= p->seconds * 1.0001; t += step)
		buffer_print(p->out,
		    "<text class=\"tick\" x=\"%.1f\" y=\"%.0f\" "
		    "text-anchor=\"middle\">%.4gs</text>",
		    x_of(p, t), PLOT_BOTTOM + 16, t);
}

void
plot_begin(struct plot *p, const char *id, const char *title, const char *unit)
{
	buffer_print(p->out,
	    "<figure><figcaption>%s</figcaption><svg id=\"%s\" class=\"plot\" "
	    "viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">",
	    title, id, PLOT_WIDTH, PLOT_HEIGHT, title);
	y_axis(p, unit);
	x_axis(p);
}

void
plot_end(struct plot *p)
{
	buffer_print(p->out,
	    "<line class=\"cursor\" y1=\"%.0f\" y2=\"%.0f\"/></svg></figure>\n",
	    PLOT_TOP, PLOT_BOTTOM);
}

static void
add_point(struct plot *p, char command, double seconds, double value)
{
	buffer_print(
	    p->out, "%c%.1f %.1f", command, x_of(p, seconds), y_of(p, value));
}

void
plot_line(
    struct plot *p, const char *class, const double *y, size_t n, double width)
{
	char command = 'M';

	buffer_print(p->out, "<path class=\"line %s\" d=\"", class);
	for (size_t i = 0; i < n; i++) {
		if (isnan(y[i])) {
			command = 'M'; /* a gap */
			continue;
		}
		add_point(p, command, ((double)i + 0.5) * width, y[i]);
		if (command == 'M') /* so that a lone point is seen */
			buffer_print(p->out, "h.1");
		command = 'L';
	}
	buffer_print(p->out, "\"/>");
}

void
plot_area(struct plot *p, const char *class, const double *from,
    const double *to, size_t n, double width)
{
	buffer_print(p->out, "<path class=\"area %s\" d=\"", class);
	for (size_t i = 0; i < n; i++) {
		add_point(p, i == 0 ? 'M' : 'L', (double)i * width, to[i]);
		add_point(p, 'L', (double)(i + 1) * width, to[i]);
	}
	for (size_t i = n; i-- > 0;) {
		add_point(p, 'L', (double)(i + 1) * width, from[i]);
		add_point(p, 'L', (double)i * width, from[i]);
	}
	buffer_print(p->out, "Z\"/>");
}

void
plot_band(struct plot *p, double from, double to, const char *words)
{
	double x = x_of(p, from), end = x_of(p, to);

	buffer_print(p->out,
	    "<rect class=\"down\" x=\"%.1f\" width=\"%.1f\" y=\"%.0f\" "
	    "height=\"%.0f\"><title>",
	    x, end - x > BAND_MIN ? end - x : BAND_MIN, PLOT_TOP,
	    PLOT_BOTTOM - PLOT_TOP);
	plot_escape(p->out, words);
	buffer_print(p->out, "</title></rect>");
}

void
plot_mark(struct plot *p, double at, size_t number, const char *words)
{
	double x = x_of(p, at);

	buffer_print(p->out,
	    "<g class=\"mark\"><line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" "
	    "y2=\"%.0f\"/><text x=\"%.1f\" y=\"%.0f\" "
	    "text-anchor=\"middle\">%zu</text><title>",
	    x, x, PLOT_TOP - 4, PLOT_BOTTOM, x, PLOT_TOP - 8, number);
	plot_escape(p->out, words);
	buffer_print(p->out, "</title></g>");
}
