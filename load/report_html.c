/* The report as one page: tables, and the plots between them. */
#include <inttypes.h>
#include <stdarg.h>

#include "base/clock.h"
#include "load/count.h"
#include "load/plot.h"
#include "load/report.h"
#include "load/result.h"
#include "load/trial.h"

#define WINDOWS_SHOWN 200u

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,"
    "initial-scale=1\">\n<title>shunt load</title>\n<style>\n"
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--fg:#1b2330;"
    "--dim:#5b6675;--rule:#dfe3e8;--bad:#c62828;--good:#1b7f3b;"
    "--c0:#2f6fde;--c1:#e58a12;--c2:#129a72;--c3:#8451d6;--c4:#0f9cb3;"
    "--c5:#d1458f;--c6:#6f9a12;--c7:#8a6a4f;--none:#98a2b0}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2029;"
    "--fg:#e3e8ef;--dim:#98a4b3;--rule:#2d3642;--bad:#ff7b72;"
    "--good:#4cc978;--c0:#6ea0ff;--c1:#ffb04d;--c2:#3fcf9f;--c3:#b78cff;"
    "--c4:#45c9df;--c5:#f48cc0;--c6:#b2d64b;--c7:#c8a78a;"
    "--none:#6d7887}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);"
    "color:var(--fg);font:15px/1.5 system-ui,sans-serif}\n"
    "main{max-width:1040px;margin:0 auto;padding:24px 16px 48px}"
    "h1{font-size:22px;margin:0;overflow-wrap:anywhere}"
    "h2{font-size:16px;margin:28px 0 8px}.dim{color:var(--dim);margin:4px 0}"
    "\n.tiles{display:grid;grid-template-columns:repeat(auto-fit,"
    "minmax(140px,1fr));gap:12px;margin:20px 0}"
    ".tile{background:var(--card);border:1px solid var(--rule);"
    "border-radius:8px;padding:10px 14px}.tile b{display:block;"
    "font-size:20px;font-variant-numeric:tabular-nums}"
    ".tile span{color:var(--dim);font-size:13px}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;"
    "background:var(--card);border:1px solid var(--rule);"
    "font-variant-numeric:tabular-nums;font-size:14px}"
    "th,td{padding:6px 10px;border-bottom:1px solid var(--rule);"
    "text-align:right;white-space:nowrap}th{color:var(--dim);"
    "font-weight:600}td:first-child,th:first-child,td.t,th.t{"
    "text-align:left}td.t{white-space:normal}"
    ".bad{color:var(--bad)}.good{color:var(--good)}\n"
    "figure{margin:12px 0;padding:10px 8px 4px;background:var(--card);"
    "border:1px solid var(--rule);border-radius:8px}"
    "figcaption{font-weight:600;font-size:14px;padding:0 8px}"
    "svg{display:block;width:100%;height:auto}"
    ".tick{fill:var(--dim);font-size:11px}.grid{stroke:var(--rule)}"
    ".line{fill:none;stroke-width:1.6;stroke-linejoin:round;"
    "stroke-linecap:round}.area{stroke:none;fill-opacity:.75}"
    ".down{fill:var(--bad);fill-opacity:.18}"
    ".mark line{stroke:var(--fg);stroke-dasharray:3 3;opacity:.6}"
    ".mark text{fill:var(--fg);font-size:10px}"
    ".cursor{stroke:var(--dim);visibility:hidden}\n"
    ".area.c0{fill:var(--c0)}.area.c1{fill:var(--c1)}"
    ".area.c2{fill:var(--c2)}.area.c3{fill:var(--c3)}"
    ".area.c4{fill:var(--c4)}.area.c5{fill:var(--c5)}"
    ".area.c6{fill:var(--c6)}.area.c7{fill:var(--c7)}"
    ".area.none{fill:var(--none)}"
    ".line.c0,.line.l50{stroke:var(--c0)}.line.c1,.line.l99{"
    "stroke:var(--c1)}.line.c2{stroke:var(--c2)}.line.c3{"
    "stroke:var(--c3)}.line.c4{stroke:var(--c4)}.line.c5{"
    "stroke:var(--c5)}.line.c6{stroke:var(--c6)}.line.c7{"
    "stroke:var(--c7)}.line.none,.line.lmax{stroke:var(--none)}\n"
    ".legend{margin:8px 0;font-size:13px}.key{margin-right:16px}"
    ".key i{display:inline-block;width:12px;height:12px;"
    "border-radius:3px;margin-right:6px;vertical-align:-1px}"
    "i.c0,i.l50{background:var(--c0)}i.c1,i.l99{background:var(--c1)}"
    "i.c2{background:var(--c2)}i.c3{background:var(--c3)}"
    "i.c4{background:var(--c4)}i.c5{background:var(--c5)}"
    "i.c6{background:var(--c6)}i.c7{background:var(--c7)}"
    "i.none,i.lmax{background:var(--none)}"
    "i.down{background:var(--bad);opacity:.4}\n"
    "#tip{position:fixed;display:none;pointer-events:none;"
    "background:var(--card);border:1px solid var(--rule);border-radius:6px;"
    "padding:6px 10px;font-size:12px;white-space:pre;"
    "box-shadow:0 2px 8px #0004}\n"
    "</style></head><body><main>\n";

/* Without it everything can be read as well; it shows numbers on hovering. */
static const char page_tail[] =
    "<div id=\"tip\"></div><script>\n"
    "(function(){\n"
    "var points=JSON.parse(document.getElementById('points').textContent);\n"
    "var names=[].map.call(document.querySelectorAll('#versions tbody "
    "tr td:first-child'),function(e){return e.textContent});\n"
    "var tip=document.getElementById('tip');\n"
    "var plots=[].slice.call(document.querySelectorAll('svg.plot'));\n"
    "function hide(){tip.style.display='none';plots.forEach(function(s){"
    "s.querySelector('.cursor').style.visibility='hidden'})}\n"
    "function show(e){\n"
    "var box=e.currentTarget.getBoundingClientRect();\n"
    "var x=(e.clientX-box.left)*960/box.width;\n"
    "var at=(x-64)/880*points.seconds;\n"
    "var i=Math.floor(at/points.width),p=points.list[i];\n"
    "if(!p||at<0){hide();return}\n"
    "var text=(i*points.width).toFixed(1)+' s\\n'+p[0].toFixed(0)+'/s\\n'"
    "+'p50 '+p[1]+' ms, p99 '+p[2]+' ms, max '+p[3]+' ms';\n"
    "names.forEach(function(n,v){var r=p[4+2*v],f=p[5+2*v];if(r)text+="
    "'\\n'+n+': '+r+' requests, '+f+' failed'});\n"
    "tip.textContent=text;tip.style.display='block';\n"
    "tip.style.left=Math.min(e.clientX+14,innerWidth-tip.offsetWidth-8)"
    "+'px';tip.style.top=(e.clientY+14)+'px';\n"
    "plots.forEach(function(s){var c=s.querySelector('.cursor');"
    "c.setAttribute('x1',x);c.setAttribute('x2',x);"
    "c.style.visibility='visible'})}\n"
    "plots.forEach(function(s){s.addEventListener('mousemove',show);"
    "s.addEventListener('mouseleave',hide)});\n"
    "})();\n"
    "</script></main></body></html>\n";

static void tile(struct buffer *out, const char *name, const char *class,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
tile(struct buffer *out, const char *name, const char *class, const char *fmt,
    ...)
{
	char value[64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(value, sizeof value, fmt, args);
	va_end(args);
	buffer_print(out,
	    "<div class=\"tile\"><b class=\"%s\">%s</b><span>%s</span></div>",
	    class, value, name);
}

static void
write_tiles(const struct result *r, struct buffer *out)
{
	const struct score *s = r->total.score;
	double down = result_seconds(downtime_length(&r->downtime));
	uint64_t failed = score_failures(s);

	buffer_print(out, "<div class=\"tiles\">");
	tile(out, "requests", "", "%" PRIu64, count_get(&s->requests));
	tile(out, "requests per second", "", "%.1f", result_rate(r, s));
	tile(out, "failed", failed > 0 ? "bad" : "good", "%" PRIu64 " (%.3g%%)",
	    failed, 100 * result_error_ratio(s));
	tile(out, "downtime", down > 0 ? "bad" : "good", "%.3f s", down);
	tile(out, "p50", "", "%.3f ms",
	    result_ms(histogram_quantile(&s->latency, 0.5)));
	tile(out, "p99", "", "%.3f ms",
	    result_ms(histogram_quantile(&s->latency, 0.99)));
	if (r->trial->options.users > 0)
		tile(out, "flips", r->flips > 0 ? "bad" : "good", "%" PRIu64,
		    r->flips);
	if (!r->trial->options.closed)
		tile(out, "schedule's lag, p99", "", "%.3f ms",
		    result_ms(histogram_quantile(r->lag, 0.99)));
	buffer_print(out, "</div>\n");
}

static void
write_failures(const struct score *s, struct buffer *out)
{
	const char *gap = "";

	buffer_print(out, "<td class=\"t\">");
	for (unsigned i = 0; i < FAILURE_COUNT; i++) {
		if (count_get(&s->failures[i]) == 0)
			continue;
		buffer_print(out, "%s%s %" PRIu64, gap, failure_words[i],
		    count_get(&s->failures[i]));
		gap = ", ";
	}
	buffer_print(out, "</td>");
}

static void
write_rows(const struct result *r, const char *id, const char *title,
    const struct result_row *rows, size_t n, struct buffer *out)
{
	static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 1};

	buffer_print(out,
	    "<h2>%s</h2><div class=\"wide\"><table id=\"%s\"><thead><tr>"
	    "<th>name</th><th>requests</th><th>share</th><th>failed</th>"
	    "<th>ratio</th><th>p50 ms</th><th>p90 ms</th><th>p99 ms</th>"
	    "<th>p99.9 ms</th><th>max ms</th><th>per s</th>"
	    "<th class=\"t\">failed by kind</th></tr></thead><tbody>",
	    title, id);
	for (size_t i = 0; i < n; i++) {
		const struct score *s = rows[i].score;

		buffer_print(out, "<tr><td>");
		plot_escape(out, rows[i].name);
		buffer_print(out,
		    "</td><td>%" PRIu64 "</td><td>%.3f%%</td><td>%" PRIu64
		    "</td><td>%.3f%%</td>",
		    count_get(&s->requests), 100 * rows[i].share,
		    score_failures(s), 100 * result_error_ratio(s));
		for (size_t q = 0; q < 5; q++)
			buffer_print(out, "<td>%.3f</td>",
			    result_ms(
				histogram_quantile(&s->latency, quantiles[q])));
		buffer_print(out, "<td>%.1f</td>", result_rate(r, s));
		write_failures(s, out);
		buffer_print(out, "</tr>");
	}
	buffer_print(out, "</tbody></table></div>\n");
}

static void
write_downtime(const struct downtime_list *list, struct buffer *out)
{
	if (list->n == 0)
		return;
	buffer_print(out,
	    "<h2>Downtime</h2><div class=\"wide\"><table id=\"downtime\">"
	    "<thead><tr><th>from</th><th>length</th><th>failed</th></tr>"
	    "</thead><tbody>");
	for (size_t i = 0; i < list->n && i < WINDOWS_SHOWN; i++) {
		const struct downtime_window *w = &list->windows[i];

		buffer_print(out,
		    "<tr><td>%.3f s</td><td>%.3f s</td><td>%" PRIu64
		    "</td></tr>",
		    result_seconds(w->start_ns),
		    result_seconds(w->end_ns - w->start_ns), w->failed);
	}
	buffer_print(out, "</tbody></table></div>\n");
	if (list->n > WINDOWS_SHOWN)
		buffer_print(out, "<p class=\"dim\">and %zu more</p>\n",
		    list->n - WINDOWS_SHOWN);
}

static void
write_marks(const struct marks *marks, struct buffer *out)
{
	if (marks == NULL || marks->n == 0)
		return;
	buffer_print(out,
	    "<h2>Events</h2><div class=\"wide\"><table id=\"events\"><thead>"
	    "<tr><th>no.</th><th>at</th><th class=\"t\">kind</th>"
	    "<th class=\"t\">what</th></tr></thead><tbody>");
	for (size_t i = 0; i < marks->n; i++) {
		buffer_print(out,
		    "<tr><td>%zu</td><td>%.3f s</td><td class=\"t\">", i + 1,
		    result_seconds(marks->list[i].at_ns));
		plot_escape(out, marks->list[i].kind);
		buffer_print(out, "</td><td class=\"t\">");
		plot_escape(out, marks->list[i].text);
		buffer_print(out, "</td></tr>");
	}
	buffer_print(out, "</tbody></table></div>\n");
}

static void
write_expectations(const struct result *r, struct buffer *out)
{
	const struct expectations *all = &r->trial->expectations;
	char found[EXPECT_FOUND_MAX];

	if (all->n == 0)
		return;
	buffer_print(out,
	    "<h2>Expectations</h2><div class=\"wide\"><table "
	    "id=\"expectations\"><thead><tr><th>expected</th><th>found</th>"
	    "<th>verdict</th></tr></thead><tbody>");
	for (size_t i = 0; i < all->n; i++) {
		bool met = expect_met(&all->list[i], r, found);

		buffer_print(out, "<tr><td>");
		plot_escape(out, all->list[i].text);
		buffer_print(out,
		    "</td><td>%s</td><td class=\"%s\">%s</td></tr>", found,
		    met ? "good" : "bad", met ? "met" : "not met");
	}
	buffer_print(out, "</tbody></table></div>\n");
}

bool
report_html(const struct result *r, FILE *out)
{
	struct buffer page = {0};
	char started[32];
	bool good;

	clock_format(r->started_us, started, sizeof started);
	buffer_add(&page, (struct span){page_head, sizeof page_head - 1});
	buffer_print(&page, "<h1>");
	plot_escape(&page, r->trial->options.url);
	buffer_print(&page,
	    "</h1><p class=\"dim\">%s, %.3f s, %s loop%s, shunt "
	    "load " SHUNT_VERSION "</p>\n",
	    started, result_seconds(r->elapsed_ns),
	    r->trial->options.closed ? "closed" : "open",
	    r->interrupted ? ", interrupted" : "");
	write_tiles(r, &page);
	write_expectations(r, &page);
	report_plots(r, &page);
	write_rows(r, "versions", "Versions", r->versions, r->nversions, &page);
	write_rows(r, "profiles", "Profiles", r->profiles, r->nprofiles, &page);
	write_downtime(&r->downtime, &page);
	write_marks(r->marks, &page);
	buffer_add(&page, (struct span){page_tail, sizeof page_tail - 1});
	good = !page.failed && fwrite(page.p, 1, page.n, out) == page.n;
	buffer_free(&page);
	return good;
}
