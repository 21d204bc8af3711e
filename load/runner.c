/* A thread's loop: its turns, its timers, its beginning and its end. */
#include "load/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "load/count.h"
#include "load/runner_state.h"

#define SECOND_NS 1000000000u
/* How often it is looked what has lasted too long. */
#define TICK_US 10000

uint64_t
runner_now(struct runner *r)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
	r->now_ns = now > r->start_ns ? now - r->start_ns : 0;
	return r->now_ns;
}

/* When this thread's next request of an open loop is due. */
static uint64_t
next_due(const struct runner *r)
{
	return trial_at(r->trial, r->next * r->threads + r->thread);
}

static void
arm_timer(struct runner *r, uint64_t at_ns)
{
	uint64_t when = r->start_ns + at_ns;
	const struct itimerspec spec = {
	    .it_value = {(time_t)(when / SECOND_NS), (long)(when % SECOND_NS)}};

	timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* All that is due by now; the timer for what is next. */
static void
issue_due(struct runner *r)
{
	uint64_t due = 0, before = r->next;

	/* the run has not begun: a turn may come before its start */
	if (r->now_ns == 0)
		return;
	while (r->next < r->quota && !r->stopping &&
	       (due = next_due(r)) <= r->now_ns) {
		histogram_add(r->lag, r->now_ns - due);
		runner_issue(r, due);
	}
	if (r->next > before && r->next < r->quota && !r->stopping)
		arm_timer(r, due);
}

/* In a closed loop: as many as may be under way at a time. */
static void
issue_first(struct runner *r)
{
	uint64_t n = r->connections_max;

	if (r->trial->options.protocol != LOAD_PROTOCOL_H1 &&
	    (r->trial->target.tls ||
		r->trial->options.protocol == LOAD_PROTOCOL_H2))
		n *= r->trial->options.streams;
	while (n-- > 0 && r->next < r->quota)
		runner_issue(r, r->now_ns);
}

static void
issue_owed(struct runner *r)
{
	for (; r->owed > 0 && !r->stopping && r->next < r->quota; r->owed--)
		runner_issue(r, r->now_ns);
}

static void
runner_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(r, RUNNER_MAGIC);
	runner_now(r);
	if (r->closed && r->next == 0)
		issue_first(r);
}

static void
runner_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(r, RUNNER_MAGIC);
	runner_now(r);
	if (r->closed && r->now_ns >= r->trial->duration_ns)
		r->stopping = true;
	runner_expire(r);
	issue_owed(r);
}

static void
runner_on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;
	uint64_t times;

	(void)what;
	CHECK_OBJ(r, RUNNER_MAGIC);
	if (read(fd, &times, sizeof times) != sizeof times)
		return;
	r->aborted = r->stop_asked || times > 1;
	r->stop_asked = r->stopping = true;
}

static bool
is_over(const struct runner *r)
{
	if (r->aborted)
		return true;
	return (r->stopping || r->next >= r->quota) && TAILQ_EMPTY(&r->calls);
}

/* What the events of one turn have left to do. */
static void
end_turn(struct runner *r)
{
	struct connection *c;

	if (!r->closed)
		issue_due(r);
	runner_pump(r);
	while ((c = TAILQ_FIRST(&r->dirty)) != NULL) {
		TAILQ_REMOVE(&r->dirty, c, dirty);
		c->is_dirty = false;
		if (c->state == CONNECTION_OPEN)
			c->codec->flush(c);
	}
	while ((c = TAILQ_FIRST(&r->dead)) != NULL) {
		TAILQ_REMOVE(&r->dead, c, link);
		connection_free(c);
	}
}

static void *
runner_main(void *arg)
{
	const uint64_t one = 1;
	struct runner *r = arg;
	struct connection *c;

	arm_timer(r, r->closed ? 0 : next_due(r));
	while (!is_over(r)) {
		event_base_loop(r->base, EVLOOP_ONCE);
		if (!r->closed)
			runner_now(r);
		end_turn(r);
	}
	count_set(&r->end_ns, runner_now(r));
	r->stopping = true;
	while ((c = TAILQ_FIRST(&r->all)) != NULL)
		connection_close(c);
	end_turn(r);
	if (write(r->done_fd, &one, sizeof one) != sizeof one)
		WRONG("an eventfd takes no number");
	return NULL;
}

static struct event_base *
make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_require_features(
	    config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static bool
add_events(struct runner *r)
{
	const struct timeval tick = {0, TICK_US};

	event_assign(&r->stop_event, r->base, r->stop_fd, EV_READ | EV_PERSIST,
	    runner_on_stop, r);
	event_assign(&r->timer_event, r->base, r->timer_fd,
	    EV_READ | EV_PERSIST | EV_ET, runner_on_timer, r);
	event_assign(
	    &r->tick_event, r->base, -1, EV_PERSIST, runner_on_tick, r);
	return event_add(&r->stop_event, NULL) == 0 &&
	       event_add(&r->timer_event, NULL) == 0 &&
	       event_add(&r->tick_event, &tick) == 0;
}

/* A part of a number for this thread; the parts add up to it. */
static uint64_t
part(const struct runner *r, uint64_t whole)
{
	return whole / r->threads + (r->thread < whole % r->threads);
}

static void
set_limits(struct runner *r)
{
	const struct load_options *o = &r->trial->options;
	uint64_t total =
	    r->closed ? r->trial->requests_max : r->trial->schedule.total;

	r->quota = total == UINT64_MAX ? total : part(r, total);
	r->connections_max = (unsigned)part(r, o->connections);
	r->waiting_max = part(r, o->queue) > 0 ? part(r, o->queue) : 1;
	r->per_connection =
	    o->protocol == LOAD_PROTOCOL_H2 ? (unsigned)o->streams : 1;
	r->downtime.closed = r->closed;
	r->downtime.step = r->threads;
}

static bool
make_parts(struct runner *r)
{
	const struct trial *trial = r->trial;

	TAILQ_INIT(&r->calls);
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->spare);
	TAILQ_INIT(&r->all);
	TAILQ_INIT(&r->idle);
	TAILQ_INIT(&r->dirty);
	TAILQ_INIT(&r->dead);
	set_limits(r);
	r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->timer_fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r->base = make_base();
	r->board = board_new((unsigned)trial->profiles.n);
	r->timeline = timeline_new();
	r->lag = calloc(1, sizeof *r->lag);
	if (trial->options.users > 0)
		r->users = users_new(&trial->profiles, trial->options.users,
		    r->thread, r->threads);
	return r->stop_fd >= 0 && r->timer_fd >= 0 && r->base != NULL &&
	       r->board != NULL && r->timeline != NULL && r->lag != NULL &&
	       (r->users != NULL || trial->options.users == 0) && add_events(r);
}

struct runner *
runner_new(const struct trial *trial, unsigned thread, uint64_t start_ns,
    int done_fd, char *why, size_t why_size)
{
	struct runner *r = calloc(1, sizeof *r);

	if (r == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	r->magic = RUNNER_MAGIC;
	r->trial = trial;
	r->thread = thread;
	r->threads = (unsigned)trial->options.threads;
	r->closed = trial->options.closed;
	r->start_ns = start_ns;
	r->done_fd = done_fd;
	if (!make_parts(r)) {
		snprintf(why, why_size, "cannot make a thread's parts: %s",
		    strerror(errno));
		goto fail;
	}
	if (trial->target.tls) {
		r->tls = wire_maker_new(trial, why, why_size);
		if (r->tls == NULL)
			goto fail;
	}
	return r;
fail:
	runner_free(r);
	return NULL;
}

static void
free_calls(struct call_list *list)
{
	struct call *call;

	while ((call = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, call, link);
		buffer_free(&call->answer.body);
		free(call);
	}
}

void
runner_free(struct runner *r)
{
	if (r == NULL)
		return;
	CHECK_OBJ(r, RUNNER_MAGIC);
	free_calls(&r->calls);
	free_calls(&r->spare);
	if (r->base != NULL)
		event_base_free(r->base);
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	if (r->timer_fd >= 0)
		close(r->timer_fd);
	if (r->tls != NULL)
		wire_maker_free(r->tls);
	users_free(r->users);
	board_free(r->board);
	timeline_free(r->timeline);
	downtime_free(&r->downtime);
	free(r->lag);
	buffer_free(&r->line);
	r->magic = 0;
	free(r);
}

int
runner_start(struct runner *r)
{
	return pthread_create(&r->id, NULL, runner_main, r);
}

void
runner_stop(struct runner *r)
{
	const uint64_t one = 1;

	if (write(r->stop_fd, &one, sizeof one) != sizeof one)
		WRONG("an eventfd takes no number");
}

void
runner_join(struct runner *r)
{
	pthread_join(r->id, NULL);
}

void
runner_look(const struct runner *r, struct runner_view *view)
{
	*view = (struct runner_view){
	    .board = r->board,
	    .timeline = r->timeline,
	    .downtime = &r->downtime,
	    .lag = r->lag,
	    .reasons = r->reasons,
	    .flips = count_get(&r->flips),
	    .opened = count_get(&r->opened),
	    .bytes = count_get(&r->bytes),
	    .in_flight = count_get(&r->in_flight),
	    .issued = count_get(&r->issued),
	    .waited = count_get(&r->waited),
	    .resent = count_get(&r->resent),
	    .http2 = count_get(&r->http2),
	    .end_ns = count_get(&r->end_ns),
	};
}
