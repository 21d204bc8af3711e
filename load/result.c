/* What a result says, and its end. */
#include "load/result.h"

#include <stdlib.h>

#include "load/count.h"

double
result_error_ratio(const struct score *s)
{
	uint64_t n = count_get(&s->requests);

	return n > 0 ? (double)score_failures(s) / (double)n : 0;
}

double
result_rate(const struct result *r, const struct score *s)
{
	if (r->elapsed_ns == 0)
		return 0;
	return (double)count_get(&s->requests) / result_seconds(r->elapsed_ns);
}

const struct result_row *
result_version(const struct result *r, struct span name)
{
	for (size_t i = 0; i < r->nversions; i++)
		if (span_eq(span_of(r->versions[i].name), name))
			return &r->versions[i];
	return NULL;
}

void
result_free(struct result *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->nversions; i++)
		free(r->versions[i].score);
	for (size_t i = 0; i < r->nprofiles; i++)
		free(r->profiles[i].score);
	free(r->total.score);
	board_free(r->names);
	timeline_free(r->timeline);
	downtime_list_free(&r->downtime);
	free(r->lag);
	free(r);
}
