/* From failures to windows. */
#include "load/downtime.h"

#include <stdlib.h>

/* Of one thread; a run that fails at random must not eat all memory. */
#define PARTS_MAX (4u << 20)

static bool
grow(void **list, size_t *room, size_t n, size_t size)
{
	size_t wanted = *room > 0 ? 2 * *room : 64;
	void *grown;

	if (n < *room)
		return true;
	if (n >= PARTS_MAX)
		return false;
	grown = realloc(*list, wanted * size);
	if (grown == NULL)
		return false;
	*list = grown;
	*room = wanted;
	return true;
}

static void
failed_closed(struct downtime *d, uint64_t sent_ns)
{
	struct downtime_window *w;

	if (!d->down) {
		if (!grow((void **)&d->windows, &d->room, d->n, sizeof *w)) {
			d->lost++;
			return;
		}
		d->windows[d->n++] =
		    (struct downtime_window){sent_ns, UINT64_MAX, 0};
		d->down = true;
	}
	w = &d->windows[d->n - 1];
	w->failed++;
	if (sent_ns < w->start_ns)
		w->start_ns = sent_ns;
}

void
downtime_failed(struct downtime *d, uint64_t k, uint64_t sent_ns)
{
	struct downtime_run *last = d->n > 0 ? &d->runs[d->n - 1] : NULL;

	if (d->closed) {
		failed_closed(d, sent_ns);
		return;
	}
	if (last != NULL && k == last->first + last->count * d->step) {
		last->count++;
		return;
	}
	if (!grow((void **)&d->runs, &d->room, d->n, sizeof *last)) {
		d->lost++;
		return;
	}
	d->runs[d->n++] = (struct downtime_run){k, 1};
}

void
downtime_succeeded(struct downtime *d, uint64_t now_ns)
{
	if (!d->down)
		return;
	d->windows[d->n - 1].end_ns = now_ns;
	d->down = false;
}

void
downtime_free(struct downtime *d)
{
	free(d->runs);
	free(d->windows);
	*d = (struct downtime){0};
}

static int
compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
compare_windows(const void *a, const void *b)
{
	const struct downtime_window *x = a, *y = b;

	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static bool
gather_open(struct downtime_list *list, const struct downtime *parts,
    size_t nparts, downtime_clock *at, const void *arg, uint64_t total)
{
	uint64_t *numbers;
	size_t n = 0, windows = 0;

	for (size_t i = 0; i < nparts; i++)
		for (size_t j = 0; j < parts[i].n; j++)
			n += parts[i].runs[j].count;
	numbers = malloc((n + 1) * sizeof *numbers);
	if (numbers == NULL)
		return false;
	n = 0;
	for (size_t i = 0; i < nparts; i++)
		for (size_t j = 0; j < parts[i].n; j++)
			for (uint64_t c = 0; c < parts[i].runs[j].count; c++)
				numbers[n++] =
				    parts[i].runs[j].first + c * parts[i].step;
	qsort(numbers, n, sizeof *numbers, compare_numbers);
	for (size_t i = 0; i < n; i++)
		windows += i == 0 || numbers[i] != numbers[i - 1] + 1;
	list->windows = calloc(windows + 1, sizeof *list->windows);
	for (size_t i = 0, j; list->windows != NULL && i < n; i = j) {
		for (j = i + 1; j < n && numbers[j] == numbers[j - 1] + 1;)
			j++;
		list->windows[list->n++] =
		    (struct downtime_window){at(arg, numbers[i]),
			at(arg, numbers[j - 1] < total ? numbers[j - 1] + 1
						       : total),
			j - i};
	}
	free(numbers);
	return list->windows != NULL;
}

static void
merge_overlapping(struct downtime_list *list)
{
	size_t kept = 0;

	qsort(list->windows, list->n, sizeof *list->windows, compare_windows);
	for (size_t i = 1; i < list->n; i++) {
		struct downtime_window *last = &list->windows[kept];
		const struct downtime_window *w = &list->windows[i];

		if (w->start_ns >= last->end_ns) {
			list->windows[++kept] = *w;
			continue;
		}
		last->failed += w->failed;
		if (w->end_ns > last->end_ns)
			last->end_ns = w->end_ns;
	}
	if (list->n > 0)
		list->n = kept + 1;
}

static bool
gather_closed(struct downtime_list *list, const struct downtime *parts,
    size_t nparts, uint64_t end_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < nparts; i++)
		n += parts[i].n;
	list->windows = calloc(n + 1, sizeof *list->windows);
	if (list->windows == NULL)
		return false;
	for (size_t i = 0; i < nparts; i++)
		for (size_t j = 0; j < parts[i].n; j++) {
			struct downtime_window w = parts[i].windows[j];

			if (w.end_ns == UINT64_MAX)
				w.end_ns = end_ns;
			list->windows[list->n++] = w;
		}
	merge_overlapping(list);
	return true;
}

bool
downtime_gather(struct downtime_list *list, const struct downtime *parts,
    size_t nparts, downtime_clock *at, const void *arg, uint64_t total,
    uint64_t end_ns)
{
	*list = (struct downtime_list){NULL, 0, 0};
	for (size_t i = 0; i < nparts; i++)
		list->lost += parts[i].lost;
	if (at == NULL)
		return gather_closed(list, parts, nparts, end_ns);
	return gather_open(list, parts, nparts, at, arg, total);
}

void
downtime_list_free(struct downtime_list *list)
{
	free(list->windows);
	*list = (struct downtime_list){NULL, 0, 0};
}

uint64_t
downtime_length(const struct downtime_list *list)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < list->n; i++)
		sum += list->windows[i].end_ns - list->windows[i].start_ns;
	return sum;
}
