/*
 * What a runner, its connections and the codecs on them know of each other.
 * For load/runner*.c, connection.c, h1.c and h2.c only; one thread.
 */
#ifndef LOAD_RUNNER_STATE_H
#define LOAD_RUNNER_STATE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>

#include "base/field.h"
#include "base/queue.h"
#include "base/span.h"
#include "load/buffer.h"
#include "load/judge.h"
#include "load/runner.h"
#include "load/trial.h"
#include "load/users.h"
#include "load/wire.h"

#define RUNNER_MAGIC	 0x10ad0002u
#define CONNECTION_MAGIC 0x10ad0003u

#define RUNNER_SCRATCH 65536u
#define RUNNER_FIELDS  128u
/* A longer head is no answer. */
#define RUNNER_HEAD_MAX 65536u

struct connection;

/* One request of the run, from its intended time to its end. */
struct call {
	TAILQ_ENTRY(call) link;	   /* among all, the oldest first */
	TAILQ_ENTRY(call) waiting; /* for a connection: while conn is NULL */
	uint64_t k;
	uint64_t intended_ns; /* since the start, as all times here */
	unsigned profile;
	struct user *user; /* or NULL */
	struct connection *conn;
	struct answer answer;
	unsigned resent; /* times */
	int32_t stream;	 /* of HTTP/2 */
	bool unsent;	 /* by HTTP/2: it is certain that nothing went */
	size_t sent;	 /* of the body, by HTTP/2 */
};

TAILQ_HEAD(call_list, call);
TAILQ_HEAD(connection_list, connection);

/* How a protocol is spoken on a connection that is open. */
struct codec {
	bool (*open)(struct connection *c);
	/* How many more calls it takes now. */
	unsigned (*room)(const struct connection *c);
	void (*submit)(struct connection *c, struct call *call);
	void (*receive)(struct connection *c, struct span bytes);
	/* The peer sends no more. */
	void (*end)(struct connection *c);
	/* Gives up a call that runs on it. */
	void (*cancel)(struct connection *c, struct call *call);
	/* Sends what submit and receive have left; may be NULL. */
	void (*flush)(struct connection *c);
	/* Fails every call on it. */
	void (*fail)(struct connection *c, enum failure why);
	void (*free)(struct connection *c);
};

extern const struct codec codec_h1, codec_h2;

enum connection_state {
	CONNECTION_CONNECTING,
	CONNECTION_SHAKING, /* hands, of TLS */
	CONNECTION_OPEN,
	CONNECTION_CLOSED, /* until the turn is over */
};

struct connection {
	unsigned magic;
	enum connection_state state;
	TAILQ_ENTRY(connection) link; /* all, or dead */
	TAILQ_ENTRY(connection) idle; /* those with room */
	TAILQ_ENTRY(connection) dirty;
	bool is_idle, is_dirty;
	bool is_new; /* among r->opening: how much it takes is not known */
	struct runner *runner;
	int fd;
	struct event event;
	struct wire *tls;
	struct buffer out;	   /* what the socket did not take yet */
	const struct codec *codec; /* once open */
	void *codec_state;
	uint64_t since_ns;
};

struct runner {
	unsigned magic;
	const struct trial *trial;
	unsigned thread, threads;
	bool closed; /* the loop's kind */
	struct event_base *base;
	pthread_t id;
	int done_fd, stop_fd, timer_fd;
	struct event stop_event, timer_event, tick_event;
	struct wire_maker *tls;

	uint64_t start_ns;    /* of the monotonic clock */
	uint64_t now_ns;      /* since then, when last looked */
	uint64_t next, quota; /* of this thread's requests */
	uint64_t owed;	      /* closed loop: to be sent at the next tick */
	bool stopping, stop_asked, aborted;

	struct call_list calls, waiting, spare;
	uint64_t nwaiting, waiting_max;
	struct connection_list all, idle, dirty, dead;
	unsigned nconnections, connections_max;
	unsigned opening;	 /* of them, that are new */
	unsigned per_connection; /* calls, as far as is known */

	struct users *users;
	struct board *board;
	struct timeline *timeline;
	struct downtime downtime;
	struct histogram *lag;
	_Atomic uint64_t flips, opened, bytes, in_flight, issued, waited, http2;
	_Atomic uint64_t resent;
	_Atomic uint64_t end_ns;

	char reasons[FAILURE_COUNT][REASON_MAX];
	struct judge_memory known; /* of bodies */
	struct field fields[RUNNER_FIELDS];
	struct buffer line; /* a request that is not fixed */
	char scratch[RUNNER_SCRATCH];
};

/* Reads the clock. */
uint64_t runner_now(struct runner *r);

/* connection.c */

/* On its way, or failed already; false without a socket. */
bool connection_new(struct runner *r);
/* Sends, or keeps what cannot be sent now. */
void connection_send(struct connection *c, struct span bytes);
/* It ends, and with it whatever is on it. */
void connection_fail(struct connection *c, enum failure why);
/* It ends with nothing on it. */
void connection_close(struct connection *c);
/* How many calls it takes is known, and in r->per_connection. */
void connection_settle(struct connection *c);
/* What was closed is freed. */
void connection_free(struct connection *c);

/* runner_calls.c, for connections and codecs */

void runner_opened(struct connection *c);
/* It has room, or has no more. */
void runner_set_idle(struct connection *c, bool idle);
/* It is to be flushed when the turn is over. */
void runner_set_dirty(struct connection *c);
/* It could not be opened: the call that waits longest fails by it. */
void runner_unopened(struct runner *r, enum failure why);
/* What the system says of a failure; the first of each kind is kept. */
void runner_reason(struct runner *r, enum failure kind, const char *words);
/* The whole answer is there. */
void runner_answered(struct runner *r, struct call *call);
void runner_failed(struct runner *r, struct call *call, enum failure why);
/*
 * It goes once more, on another connection perhaps: its own was of no use, and
 * any client would ask again.
 */
void runner_resend(struct runner *r, struct call *call);
/* A field of the final head, or a trailer. */
void runner_field(
    struct runner *r, struct call *call, struct span name, struct span value);

/* runner_calls.c, for runner.c */

/* The thread's next request, due at intended_ns. */
void runner_issue(struct runner *r, uint64_t intended_ns);
/* Gives waiting calls to connections, and opens such. */
void runner_pump(struct runner *r);
/* What has lasted too long. */
void runner_expire(struct runner *r);

#endif
