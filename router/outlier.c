/* Who fails too often, and for how long it goes. */
#include "router/outlier.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "router/plan.h"
#include "router/pod.h"

static uint32_t
get(const _Atomic uint32_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

/* One more, and how many that makes. */
static uint32_t
count(_Atomic uint32_t *n)
{
	return atomic_fetch_add_explicit(n, 1, memory_order_relaxed) + 1;
}

bool
outlier_failed(
    const struct outlier_rules *rules, struct outlier_row *row, bool connect)
{
	unsigned was = OUTLIER_TRUSTED, now = OUTLIER_TRUSTED;
	uint32_t in_row, connects = 0;

	count(&row->errors);
	in_row = count(&row->in_row);
	if (connect)
		connects = count(&row->connects);
	else if (get(&row->connects) != 0)
		atomic_store_explicit(&row->connects, 0, memory_order_relaxed);
	if (rules->consecutive_errors > 0 &&
	    in_row >= rules->consecutive_errors)
		now = OUTLIER_ERRORS;
	if (rules->connect_failures > 0 && connects >= rules->connect_failures)
		now = OUTLIER_CONNECTS;
	return now != OUTLIER_TRUSTED &&
	       atomic_compare_exchange_strong_explicit(&row->standing, &was,
		   now, memory_order_relaxed, memory_order_relaxed);
}

static uint32_t
requests_of(const struct pod *p)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < p->nslots; i++)
		n += get(&p->slots[i].attempts);
	return n;
}

void
outlier_restart(struct pod *p)
{
	struct outlier_record *r = &p->record;

	atomic_store_explicit(&p->row.in_row, 0, memory_order_relaxed);
	atomic_store_explicit(&p->row.connects, 0, memory_order_relaxed);
	atomic_store_explicit(
	    &p->row.standing, OUTLIER_TRUSTED, memory_order_relaxed);
	memset(r->slices, 0, sizeof r->slices);
	r->seen_requests = requests_of(p);
	r->seen_errors = get(&p->row.errors);
}

static uint64_t
slice_number(const struct outlier_rules *rules, uint64_t now_us)
{
	return now_us / ((uint64_t)rules->window_ms * 1000 / OUTLIER_SLICES);
}

static void
sample(struct pod *p, uint64_t number)
{
	const uint32_t requests = requests_of(p), errors = get(&p->row.errors);
	struct outlier_record *r = &p->record;
	const size_t i = number % OUTLIER_SLICES;

	if (r->slices[i].number != number) {
		r->slices[i].number = number;
		r->slices[i].requests = r->slices[i].errors = 0;
	}
	r->slices[i].requests += requests - r->seen_requests;
	r->slices[i].errors += errors - r->seen_errors;
	r->seen_requests = requests;
	r->seen_errors = errors;
}

/* Errors per request in the window, of WHOLE; -1 when they are too few. */
static int64_t
ratio_of(const struct outlier_rules *rules, const struct pod *p,
    uint64_t number, uint64_t *requests)
{
	uint64_t errors = 0;

	*requests = 0;
	for (size_t i = 0; i < OUTLIER_SLICES; i++) {
		const uint64_t its = p->record.slices[i].number;

		/* later ones are of a window that was shorter */
		if (its > number || its + OUTLIER_SLICES <= number)
			continue;
		*requests += p->record.slices[i].requests;
		errors += p->record.slices[i].errors;
	}
	if (*requests == 0 || *requests < rules->min_requests)
		return -1;
	/* An answer may be counted before its error, and the other way. */
	if (errors > *requests)
		errors = *requests;
	return (int64_t)(errors * OUTLIER_WHOLE / *requests);
}

void
outlier_survey(const struct outlier_rules *rules, const struct version *v,
    uint64_t now_us, struct outlier_crowd *crowd)
{
	const uint64_t number = slice_number(rules, now_us);

	*crowd = (struct outlier_crowd){0};
	for (size_t i = 0; i < v->npods; i++) {
		struct pod *p = v->pods[i];
		uint64_t requests;
		int64_t ratio;

		sample(p, number);
		crowd->left += p->order == POD_ORDER_NONE;
		crowd->known += pod_is_known(p->state);
		crowd->ejected += p->ejected;
		if (p->state != POD_UP)
			continue;
		crowd->up++;
		ratio = ratio_of(rules, p, number, &requests);
		if (ratio < 0)
			continue;
		crowd->compared++;
		crowd->ratios += (uint64_t)ratio;
	}
}

static const char *
ratio_cause(const struct outlier_rules *rules,
    const struct outlier_crowd *crowd, const struct pod *p, uint64_t now_us,
    char *buf, size_t size)
{
	const double percent = OUTLIER_WHOLE / 100;
	uint64_t requests;
	int64_t its, others;

	if (rules->error_ratio == 0 || crowd->compared < 2)
		return NULL;
	its = ratio_of(rules, p, slice_number(rules, now_us), &requests);
	if (its < 0)
		return NULL;
	others =
	    ((int64_t)crowd->ratios - its) / (int64_t)(crowd->compared - 1);
	if (its - others < (int64_t)rules->error_ratio)
		return NULL;
	snprintf(buf, size, "%.3g%% errors of %llu, others %.3g%%",
	    (double)its / percent, (unsigned long long)requests,
	    (double)others / percent);
	return buf;
}

static bool
reached(uint32_t n, unsigned limit)
{
	return limit > 0 && n >= limit;
}

const char *
outlier_cause(const struct outlier_rules *rules,
    const struct outlier_crowd *crowd, struct pod *p, uint64_t now_us,
    char *buf, size_t size)
{
	const unsigned standing =
	    atomic_load_explicit(&p->row.standing, memory_order_relaxed);
	uint32_t in_row = get(&p->row.in_row);
	uint32_t connects = get(&p->row.connects);

	p->record.judged = standing;
	/* Answers may have come since it was found out. */
	if (standing == OUTLIER_ERRORS && in_row < rules->consecutive_errors)
		in_row = rules->consecutive_errors;
	if (standing == OUTLIER_CONNECTS && connects < rules->connect_failures)
		connects = rules->connect_failures;
	if (reached(connects, rules->connect_failures))
		snprintf(buf, size, "%u connection%s in a row failed", connects,
		    connects == 1 ? "" : "s");
	else if (reached(in_row, rules->consecutive_errors))
		snprintf(buf, size, "%u error%s in a row", in_row,
		    in_row == 1 ? "" : "s");
	else
		return ratio_cause(rules, crowd, p, now_us, buf, size);
	return buf;
}

bool
outlier_has_room(const struct outlier_rules *rules, uint32_t panic,
    const struct outlier_crowd *crowd)
{
	if (crowd->up < 2 ||
	    (crowd->up - 1) * OUTLIER_WHOLE < panic * crowd->known)
		return false;
	return crowd->ejected == 0 || (crowd->ejected + 1) * OUTLIER_WHOLE <=
					  rules->max_ejected * crowd->left;
}

/* Of the n-th time, from 1 on. */
static uint64_t
length_us(const struct outlier_rules *rules, unsigned n)
{
	uint64_t ms = rules->eject_ms;

	while (--n > 0 && ms < rules->max_eject_ms)
		ms *= 2;
	return (ms < rules->max_eject_ms ? ms : rules->max_eject_ms) * 1000;
}

/* As long as it was away it must do well for one time to be forgotten. */
static void
forgive(const struct outlier_rules *rules, struct outlier_record *r,
    uint64_t now_us)
{
	uint64_t since = r->until_us, length;

	while (r->times > 0) {
		length = length_us(rules, r->times);
		if (now_us < since + length)
			break;
		since += length;
		r->times--;
	}
}

uint32_t
outlier_eject(const struct outlier_rules *rules, struct outlier_crowd *crowd,
    struct pod *p, uint64_t now_us)
{
	struct outlier_record *r = &p->record;
	uint64_t length;

	CHECK(!p->ejected);
	forgive(rules, r, now_us);
	/* At the longest time more of them would only be forgiven later. */
	if (r->times == 0 ||
	    length_us(rules, r->times) < (uint64_t)rules->max_eject_ms * 1000)
		r->times++;
	length = length_us(rules, r->times);
	r->until_us = now_us + length;
	p->ejected = true;
	crowd->ejected++;
	crowd->up--;
	/* Workers with an older plan are to pass it over. */
	atomic_store_explicit(
	    &p->row.standing, OUTLIER_ERRORS, memory_order_relaxed);
	return (uint32_t)(length / 1000);
}

void
outlier_keep(struct pod *p, bool suspected)
{
	unsigned was = p->record.judged;
	const unsigned now = suspected ? OUTLIER_KEPT : OUTLIER_TRUSTED;

	/* Unless a worker has found it out since: main will look again. */
	if (was != now)
		atomic_compare_exchange_strong_explicit(&p->row.standing, &was,
		    now, memory_order_relaxed, memory_order_relaxed);
}
