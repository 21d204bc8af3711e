/* Calls of webhooks, fire and forget, or again and again until answered. */
#include "control/rollout_hooks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "conf/conf.h"
#include "control/publish.h"
#include "control/rollout.h"
#include "control/webhook.h"
#include "router/release.h"

#define TELLER_MAGIC 0x7e11e401u
#define ASK_MAGIC    0xa5c00001u
/* So many are told at a time. */
#define TELLS_MAX 32u
/* The largest text of JSON for one. */
#define BODY_MAX 2048u

/* JSON. */

struct text {
	char buf[BODY_MAX];
	size_t n;
};

static void __attribute__((format(printf, 2, 3)))
put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, sizeof t->buf - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n < sizeof t->buf - t->n
			    ? (size_t)n
			    : sizeof t->buf - t->n - 1;
}

/* A member of text; cut short where it would not fit with the rest. */
static void
put_text(struct text *t, const char *name, const char *value)
{
	const size_t most = t->n + BODY_MAX / 6;

	put(t, ",\"%s\":\"", name);
	for (; *value != '\0' && t->n < most; value++) {
		const unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			put(t, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			put(t, "\\u%04x", c);
		else
			put(t, "%c", c);
	}
	put(t, "\"");
}

static void
put_body(struct text *t, const struct rollout *r, enum rollout_phase phase)
{
	char now[32];

	clock_format(clock_wall_us(), now, sizeof now);
	put(t, "{\"rollout\":%" PRIu64, r->id);
	put_text(t, "service", r->service);
	put_text(t, "strategy", r->strategy);
	put_text(t, "from", r->from);
	put_text(t, "to", r->to);
	put_text(t, "phase", rollout_phase_name(phase));
	put(t, ",\"step\":%u,\"steps\":%u", r->step, r->steps);
	put_text(t, "reason", r->reason);
	put_text(t, "time", now);
	put(t, "}");
}

/* Telling. */

struct tell {
	LIST_ENTRY(tell) link;
	struct rollout_teller *teller;
	struct webhook *call;
	char *url;
};

struct rollout_teller {
	unsigned magic;
	struct event_base *base;
	const struct publish *publish;
	unsigned n;
	LIST_HEAD(, tell) tells;
};

struct rollout_teller *
rollout_teller_new(struct event_base *base, const struct publish *publish)
{
	struct rollout_teller *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->magic = TELLER_MAGIC;
	t->base = base;
	t->publish = publish;
	LIST_INIT(&t->tells);
	return t;
}

static void
tell_free(struct tell *tell)
{
	LIST_REMOVE(tell, link);
	tell->teller->n--;
	free(tell->url);
	free(tell);
}

void
rollout_teller_free(struct rollout_teller *t)
{
	struct tell *tell;

	if (t == NULL)
		return;
	CHECK_OBJ(t, TELLER_MAGIC);
	while ((tell = LIST_FIRST(&t->tells)) != NULL) {
		webhook_cancel(tell->call);
		tell_free(tell);
	}
	t->magic = 0;
	free(t);
}

static void
on_told(void *arg, int status, const char *why)
{
	struct tell *tell = arg;

	CHECK_OBJ(tell->teller, TELLER_MAGIC);
	if (status == 0)
		log_warn("webhook %s: %s", tell->url, why);
	else if (status >= 300)
		log_warn("webhook %s: answered %d", tell->url, status);
	tell_free(tell);
}

static void
tell_one(struct rollout_teller *t, const struct hook *hook, const char *body)
{
	char why[160] = "too many are called already";
	struct tell *tell = NULL;

	if (t->n < TELLS_MAX)
		tell = calloc(1, sizeof *tell);
	if (tell == NULL) {
		log_warn("webhook %s: not called: %s", hook->url, why);
		return;
	}
	tell->teller = t;
	LIST_INSERT_HEAD(&t->tells, tell, link);
	t->n++;
	tell->url = strdup(hook->url);
	if (tell->url != NULL)
		tell->call = webhook_post(t->base,
		    &publish_conf(t->publish)->settings.resolver, hook->url,
		    body, hook->timeout_ms, on_told, tell, why, sizeof why);
	if (tell->call != NULL)
		return;
	log_warn("webhook %s: not called: %s", hook->url, why);
	tell_free(tell);
}

/* Whether a phase is one that may be waited for. */
static bool
can_wait(enum rollout_phase phase)
{
	return phase == ROLLOUT_STARTING || phase == ROLLOUT_PROGRESSING ||
	       phase == ROLLOUT_PROMOTING || phase == ROLLOUT_DONE;
}

static bool
is_asked(const struct hook *hook, enum rollout_phase phase)
{
	return hook->kind == HOOK_ASK && can_wait(phase) &&
	       (hook->phases & (1u << phase)) != 0;
}

void
rollout_tell(struct rollout_teller *t, const struct release *release,
    const struct rollout *r)
{
	struct text body = {.n = 0};

	CHECK_OBJ(t, TELLER_MAGIC);
	put_body(&body, r, r->phase);
	for (size_t i = 0; i < release->nhooks; i++) {
		const struct hook *hook = &release->hooks[i];

		if ((hook->phases & (1u << r->phase)) != 0 &&
		    !is_asked(hook, r->phase))
			tell_one(t, hook, body.buf);
	}
}

/* Asking. */

struct rollout_ask {
	unsigned magic;
	struct event_base *base;
	const struct publish *publish;
	void (*told)(void *arg);
	void *arg;
	bool begun;
	enum rollout_phase phase;
	const struct release *release; /* only compared */
	size_t next;		       /* the hook that is asked */
	struct webhook *call;
	uint64_t begun_us, again_us;
	bool stopped;
	char words[256];
};

struct rollout_ask *
rollout_ask_new(struct event_base *base, const struct publish *publish,
    void (*told)(void *arg), void *arg)
{
	struct rollout_ask *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->magic = ASK_MAGIC;
	a->base = base;
	a->publish = publish;
	a->told = told;
	a->arg = arg;
	return a;
}

void
rollout_ask_free(struct rollout_ask *a)
{
	if (a == NULL)
		return;
	CHECK_OBJ(a, ASK_MAGIC);
	webhook_cancel(a->call);
	a->magic = 0;
	free(a);
}

static void
on_answer(void *arg, int status, const char *why)
{
	struct rollout_ask *a = arg;

	CHECK_OBJ(a, ASK_MAGIC);
	a->call = NULL;
	if (status >= 200 && status < 300) {
		a->next++;
		a->again_us = 0;
	} else if (status >= 400 && status < 500) {
		a->stopped = true;
		snprintf(
		    a->words, sizeof a->words, "a webhook answered %d", status);
	} else if (status > 0) {
		snprintf(a->words, sizeof a->words,
		    "a webhook answered %d, it is asked again", status);
	} else {
		snprintf(a->words, sizeof a->words, "a webhook: %s", why);
	}
	a->told(a->arg);
}

static void
ask_one(struct rollout_ask *a, const struct hook *hook, const struct rollout *r,
    uint64_t now_us)
{
	struct text body = {.n = 0};
	char why[160];

	put_body(&body, r, a->phase);
	a->again_us = now_us + (uint64_t)hook->retry_ms * 1000;
	a->call = webhook_post(a->base,
	    &publish_conf(a->publish)->settings.resolver, hook->url, body.buf,
	    hook->timeout_ms, on_answer, a, why, sizeof why);
	if (a->call == NULL)
		snprintf(a->words, sizeof a->words, "a webhook: %s", why);
}

static void
ask_anew(struct rollout_ask *a, const struct release *release,
    enum rollout_phase phase, uint64_t now_us)
{
	webhook_cancel(a->call);
	a->call = NULL;
	if (!a->begun || a->phase != phase)
		a->begun_us = now_us;
	a->begun = true;
	a->phase = phase;
	a->release = release;
	a->next = 0;
	a->again_us = 0;
	a->stopped = false;
	snprintf(a->words, sizeof a->words, "a webhook is asked");
}

enum rollout_answer
rollout_ask_about(struct rollout_ask *a, const struct release *release,
    const struct rollout *r, enum rollout_phase phase, uint64_t deadline_us,
    uint64_t now_us, const char **words)
{
	const struct hook *hook;

	CHECK_OBJ(a, ASK_MAGIC);
	if (!a->begun || a->phase != phase || a->release != release)
		ask_anew(a, release, phase, now_us);
	*words = a->words;
	while (a->next < release->nhooks &&
	       !is_asked(&release->hooks[a->next], phase))
		a->next++;
	if (a->next == release->nhooks)
		return ANSWER_GO;
	if (a->stopped)
		return ANSWER_STOP;
	if (deadline_us > 0 && now_us - a->begun_us >= deadline_us) {
		snprintf(a->words, sizeof a->words,
		    "no webhook said yes within %" PRIu64 " s",
		    deadline_us / 1000000);
		return ANSWER_STOP;
	}
	hook = &release->hooks[a->next];
	if (a->call == NULL && now_us >= a->again_us)
		ask_one(a, hook, r, now_us);
	return ANSWER_WAIT;
}
