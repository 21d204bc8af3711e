/*
 * Weights in words, and which weights win when the config file is read
 * again.
 */
#include "control/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "router/plan.h"
#include "router/spec.h"
#include "router/split.h"

static double
weight_number(uint64_t weight)
{
	return (double)weight / WEIGHT_ONE;
}

/* Appends at *len, which never passes size. */
static void __attribute__((format(printf, 4, 5)))
append(char *buf, size_t size, size_t *len, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + *len, size - *len, fmt, ap);
	va_end(ap);
	if (n > 0)
		*len += (size_t)n < size - *len ? (size_t)n : size - *len - 1;
}

void
weights_describe_change(const struct service *from, const struct service *to,
    char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < to->nversions; i++) {
		const struct version *v = &to->versions[i];
		const struct version *old = service_version(from, v->name);

		append(buf, size, &len, "%s%s ", i > 0 ? ", " : "", v->name);
		if (old != NULL)
			append(buf, size, &len, "%.10g -> ",
			    weight_number(old->weight));
		append(buf, size, &len, "%.10g", weight_number(v->weight));
		if (old != NULL && old->epoch != v->epoch)
			append(buf, size, &len, " (its cookies are void)");
	}
}

void
weights_describe(const struct service *s, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->nversions; i++)
		append(buf, size, &len, "%s%s %.10g", i > 0 ? ", " : "",
		    s->versions[i].name, weight_number(s->versions[i].weight));
}

static const struct version_spec *
spec_version(const struct service_spec *s, const char *name)
{
	for (size_t i = 0; i < s->nversions; i++)
		if (strcmp(s->versions[i].name, name) == 0)
			return &s->versions[i];
	return NULL;
}

bool
weights_set_at_run_time(
    const struct service_spec *last, const struct service *now)
{
	for (size_t i = 0; i < now->nversions; i++) {
		const struct version *v = &now->versions[i];
		const struct version_spec *filed = spec_version(last, v->name);

		if (filed != NULL && filed->weight != v->weight)
			return true;
	}
	return false;
}

/* A version that is new in the file counts as one that had weight 0. */
static bool
file_edited(const struct service_spec *next, const struct service_spec *last)
{
	for (size_t i = 0; i < next->nversions; i++) {
		const struct version_spec *v = &next->versions[i];
		const struct version_spec *filed = spec_version(last, v->name);

		if (v->weight != (filed != NULL ? filed->weight : 0))
			return true;
	}
	return false;
}

enum weights_choice
weights_keep(struct service_spec *next, const struct service_spec *last,
    const struct service *now, char *why, size_t why_size)
{
	uint64_t *weights;
	struct split *split;

	if (last == NULL || now == NULL || !weights_set_at_run_time(last, now))
		return WEIGHTS_FILE;
	if (file_edited(next, last))
		return WEIGHTS_EDITED;

	weights = calloc(next->nversions, sizeof(*weights));
	if (weights == NULL) {
		snprintf(why, why_size, "out of memory");
		return WEIGHTS_UNFIT;
	}
	for (size_t i = 0; i < next->nversions; i++) {
		const struct version *v;

		v = service_version(now, next->versions[i].name);
		weights[i] = v != NULL ? v->weight : 0;
	}
	split = split_new(weights, next->nversions, why, why_size);
	if (split != NULL)
		for (size_t i = 0; i < next->nversions; i++)
			next->versions[i].weight = weights[i];
	free(weights);
	if (split == NULL)
		return WEIGHTS_UNFIT;
	split_drop(split);
	return WEIGHTS_KEPT;
}

void
weights_keep_told(struct service_spec *next, const struct service_spec *last,
    const struct service *now)
{
	char why[256], words[512] = "";

	if (now != NULL)
		weights_describe(now, words, sizeof(words));
	switch (weights_keep(next, last, now, why, sizeof(why))) {
	case WEIGHTS_FILE:
		break;
	case WEIGHTS_KEPT:
		log_info("weights of %s: set at run time, kept: %s", next->name,
		    words);
		break;
	case WEIGHTS_EDITED:
		log_info("weights of %s: changed in the file, which "
			 "replace those set at run time (%s)",
		    next->name, words);
		break;
	case WEIGHTS_UNFIT:
		log_warn("weights of %s: those set at run time (%s) no "
			 "longer work, the file's are used: %s",
		    next->name, words, why);
		break;
	}
}

uint64_t
weights_filed(const struct service_spec *file, const char *version)
{
	const struct version_spec *v = spec_version(file, version);

	return v != NULL ? v->weight : 0;
}

uint64_t *
weights_save(const struct spec *spec)
{
	uint64_t *saved, *w;
	size_t n = 1;

	for (size_t i = 0; i < spec->nservices; i++)
		n += spec->services[i].nversions + 1;
	saved = w = calloc(n, sizeof(*saved));
	if (saved == NULL)
		return NULL;
	for (size_t i = 0; i < spec->nservices; i++) {
		for (size_t v = 0; v < spec->services[i].nversions; v++)
			*w++ = spec->services[i].versions[v].weight;
		*w++ = spec->services[i].stable;
	}
	return saved;
}

void
weights_restore(struct spec *spec, const uint64_t *saved)
{
	for (size_t i = 0; i < spec->nservices; i++) {
		for (size_t v = 0; v < spec->services[i].nversions; v++)
			spec->services[i].versions[v].weight = *saved++;
		spec->services[i].stable = (size_t)*saved++;
	}
}

struct service_spec *
weights_service(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->nservices; i++)
		if (strcmp(spec->services[i].name, name) == 0)
			return &spec->services[i];
	return NULL;
}
