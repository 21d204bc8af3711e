/* Comparing a plan and its sets of pods with the file they came from. */
#include "control/diff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/pod_set.h"
#include "control/rollouts.h"
#include "control/weights.h"
#include "router/plan.h"
#include "router/spec.h"

/* Shares that are closer differ by how they were calculated. */
#define SHARE_LEAST 1e-13

static const char *const kinds[] = {
    [DIFF_STABLE] = "stable",
    [DIFF_WEIGHT] = "weight",
    [DIFF_POD_ADDED] = "pod_added",
    [DIFF_POD_REMOVED] = "pod_removed",
    [DIFF_POD_ORDER] = "pod_order",
    [DIFF_ROLLOUT] = "rollout",
};

static const char *const orders[] = {
    [POD_ORDER_NONE] = "ready",
    [POD_ORDER_DRAIN] = "drain",
    [POD_ORDER_MAINT] = "maint",
};

/* A diff that is being made. */
struct making {
	const struct diff_parts *parts;
	struct diff *diff;
	bool failed; /* without memory */
};

const char *
diff_kind_name(enum diff_kind kind)
{
	return kinds[kind];
}

static const char *
copy(struct making *m, const char *text)
{
	char *made = text != NULL ? strdup(text) : NULL;

	if (text != NULL && made == NULL)
		m->failed = true;
	return made;
}

/* The texts are copied. */
static void
add(struct making *m, const struct difference *what)
{
	struct diff *d = m->diff;
	struct difference *rows =
	    reallocarray(d->rows, d->n + 1, sizeof *d->rows);

	if (rows == NULL) {
		m->failed = true;
		return;
	}
	d->rows = rows;
	rows[d->n++] = (struct difference){
	    .kind = what->kind,
	    .service = copy(m, what->service),
	    .version = copy(m, what->version),
	    .pod = copy(m, what->pod),
	    .filed = copy(m, what->filed),
	    .running = copy(m, what->running),
	};
}

static void
compare_stable(
    struct making *m, const struct service *s, const struct service_spec *file)
{
	const char *running = s->versions[s->stable].name;
	const char *filed = file->versions[file->stable].name;

	if (strcmp(running, filed) != 0)
		add(m, &(struct difference){.kind = DIFF_STABLE,
			   .service = s->name,
			   .filed = filed,
			   .running = running});
}

static double
share_of(uint64_t weight, uint64_t sum)
{
	return sum > 0 ? (double)weight / (double)sum : 0;
}

static uint64_t
sum_filed(const struct service_spec *file)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < file->nversions; i++)
		sum += file->versions[i].weight;
	return sum;
}

static uint64_t
sum_running(const struct service *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->nversions; i++)
		sum += s->versions[i].weight;
	return sum;
}

/* 8 and 2 are the same as 80 and 20. */
static void
compare_weight(struct making *m, const struct service *s,
    const struct version *v, const struct service_spec *file)
{
	const double was =
	    share_of(weights_filed(file, v->name), sum_filed(file));
	const double is = share_of(v->weight, sum_running(s));
	char filed[32], running[32];

	if (fabs(was - is) < SHARE_LEAST)
		return;
	snprintf(filed, sizeof filed, "%.6g%%", was * 100);
	snprintf(running, sizeof running, "%.6g%%", is * 100);
	add(m, &(struct difference){.kind = DIFF_WEIGHT,
		   .service = s->name,
		   .version = v->name,
		   .filed = filed,
		   .running = running});
}

static void
compare_pod(struct making *m, const struct service *s, const struct version *v,
    const struct pod_member *pod)
{
	struct difference d = {.service = s->name, .version = v->name};
	char weight[32];

	snprintf(weight, sizeof weight, "weight %u", pod_member_weight(pod));
	d.pod = pod->address.text;
	if (pod->removed) {
		d.kind = DIFF_POD_REMOVED;
		d.filed = weight;
		d.running = pod->leaving ? "draining" : NULL;
		add(m, &d);
		return;
	}
	if (pod->added && !pod->filed && pod->nnames == 0) {
		d.kind = DIFF_POD_ADDED;
		d.running = weight;
		add(m, &d);
		d.running = NULL;
	}
	if (pod->order == POD_ORDER_NONE || !pod_member_wanted(pod))
		return;
	d.kind = DIFF_POD_ORDER;
	d.filed = pod->filed ? orders[POD_ORDER_NONE] : NULL;
	d.running = orders[pod->order];
	add(m, &d);
}

static void
compare_rollout(struct making *m, const struct service *s)
{
	struct rollout_view v;
	char words[256], step[64] = "";

	if (!m->parts->rollout(m->parts->arg, s->name, &v))
		return;
	if (v.steps > 0)
		snprintf(step, sizeof step, ", step %u of %u", v.step, v.steps);
	snprintf(words, sizeof words, "%s %s -> %s, %s%s", v.strategy, v.from,
	    v.to, rollout_phase_name(v.phase), step);
	add(m, &(struct difference){.kind = DIFF_ROLLOUT,
		   .service = s->name,
		   .version = v.to,
		   .running = words});
}

static void
compare_service(
    struct making *m, const struct service *s, const struct service_spec *file)
{
	compare_rollout(m, s);
	compare_stable(m, s, file);
	for (size_t i = 0; i < s->nversions; i++)
		compare_weight(m, s, &s->versions[i], file);
	for (size_t i = 0; i < s->nversions; i++) {
		const struct pod_set *set =
		    m->parts->pods(m->parts->arg, s->name, s->versions[i].name);

		for (size_t k = 0; set != NULL && k < pod_set_size(set); k++)
			compare_pod(m, s, &s->versions[i], pod_set_at(set, k));
	}
}

struct diff *
diff_new(const struct diff_parts *parts)
{
	struct making m = {.parts = parts};

	m.diff = calloc(1, sizeof *m.diff);
	if (m.diff == NULL)
		return NULL;
	for (size_t i = 0; i < parts->plan->nservices; i++) {
		const struct service *s = parts->plan->services[i];
		const struct service_spec *file =
		    weights_service(parts->file, s->name);

		if (file != NULL)
			compare_service(&m, s, file);
	}
	if (!m.failed)
		return m.diff;
	diff_free(m.diff);
	return NULL;
}

static void
drop(const char *own)
{
	free((char *)own);
}

void
diff_free(struct diff *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->n; i++) {
		drop(d->rows[i].service);
		drop(d->rows[i].version);
		drop(d->rows[i].pod);
		drop(d->rows[i].filed);
		drop(d->rows[i].running);
	}
	free(d->rows);
	free(d);
}
