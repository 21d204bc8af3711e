/* A pipe's end, read a little in each turn of the loop. */
#include "control/launch_output.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "control/launch_lines.h"

#define OUTPUT_MAGIC 0x0b790001u
/* Read in one turn of the loop: other things come between two of them. */
#define TURN_BYTES (16u * 1024)
/* Until a log without room is looked at again. */
#define AGAIN_MS 20
/* At the end what is left in the pipe is logged: Linux' default size. */
#define LAST_BYTES (64u * 1024)

struct launch_output {
	unsigned magic;
	LIST_ENTRY(launch_output) link;
	char *label;
	int fd;
	struct event readable, again;
	struct launch_lines lines;
	char bytes[TURN_BYTES];
	size_t at, n; /* of bytes: where to go on, and where they end */
};

static void
log_piece(void *arg, const char *text)
{
	const struct launch_output *o = arg;

	log_info("%s | %s", o->label, text);
}

static void
output_free(struct launch_output *o)
{
	event_del(&o->readable);
	event_del(&o->again);
	close(o->fd);
	LIST_REMOVE(o, link);
	free(o->label);
	o->magic = 0;
	free(o);
}

/* False when the log has no room for the rest. */
static bool
log_bytes(struct launch_output *o)
{
	while (o->at < o->n) {
		if (!log_has_room())
			return false;
		o->at += launch_lines_feed(
		    &o->lines, o->bytes + o->at, o->n - o->at, log_piece, o);
	}
	o->at = o->n = 0;
	return true;
}

/* The pipe is left alone for a while, so that who writes to it waits. */
static void
wait_for_log(struct launch_output *o)
{
	struct timeval tv = {0, AGAIN_MS * 1000};

	event_del(&o->readable);
	if (evtimer_add(&o->again, &tv) < 0)
		log_error("%s: no memory to read on", o->label);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct launch_output *o = arg;
	ssize_t n;

	(void)what;
	CHECK_OBJ(o, OUTPUT_MAGIC);
	n = read(fd, o->bytes, sizeof o->bytes);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		launch_lines_end(&o->lines, log_piece, o);
		output_free(o);
		return;
	}
	o->n = (size_t)n;
	if (!log_bytes(o))
		wait_for_log(o);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct launch_output *o = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(o, OUTPUT_MAGIC);
	if (!log_bytes(o) || event_add(&o->readable, NULL) < 0)
		wait_for_log(o);
}

int
launch_output_new(struct launch_outputs *all, struct event_base *base,
    const char *label, int *end)
{
	struct launch_output *o = calloc(1, sizeof *o);
	int ends[2];

	if (o == NULL || (o->label = strdup(label)) == NULL)
		goto fail;
	if (pipe2(ends, O_CLOEXEC) < 0)
		goto fail;
	o->magic = OUTPUT_MAGIC;
	o->fd = ends[0];
	event_assign(
	    &o->readable, base, o->fd, EV_READ | EV_PERSIST, on_readable, o);
	evtimer_assign(&o->again, base, on_again, o);
	LIST_INSERT_HEAD(all, o, link);
	if (fcntl(o->fd, F_SETFL, O_NONBLOCK) < 0 ||
	    event_add(&o->readable, NULL) < 0) {
		output_free(o);
		close(ends[1]);
		return -1;
	}
	*end = ends[1];
	return 0;
fail:
	if (o != NULL)
		free(o->label);
	free(o);
	return -1;
}

void
launch_outputs_free(struct launch_outputs *all)
{
	struct launch_output *o;

	while ((o = LIST_FIRST(all)) != NULL) {
		size_t sum = 0;

		while (log_bytes(o) && sum < LAST_BYTES) {
			ssize_t n = read(o->fd, o->bytes, sizeof o->bytes);

			if (n <= 0)
				break;
			o->n = (size_t)n;
			sum += o->n;
		}
		launch_lines_end(&o->lines, log_piece, o);
		output_free(o);
	}
}
