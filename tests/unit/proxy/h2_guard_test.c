/*
 * Frames as a table of scripts, each with the verdict on its last frame. All
 * are fed whole, in pieces of several sizes and cut at every byte.
 *
 * The words of a script, N being a stream:
 *   HN  HEADERS          DN  DATA, a byte     CN  CONTINUATION
 *   RN  RST_STREAM       WN  WINDOW_UPDATE    PN  PRIORITY
 *   UN  PUSH_PROMISE     S   SETTINGS         I   PING
 *   G   GOAWAY           Y   PRIORITY_UPDATE  X   a type nobody knows
 *   behind them: . END_STREAM   - without END_HEADERS   e empty
 *                p only padding q padding behind a byte a ACK
 *   <N  we end N         !N  we reset N
 *   ^   we send DATA     =   we send HEADERS
 *   +   10 seconds pass  ~   one microsecond less
 * and *N makes N of a word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/h2_guard.h"

#define STREAMS	   4u
#define PREFACE	   24u
#define SCRIPT_MAX 20000u

static const struct http2_limits limits = {
    .streams = STREAMS,
    .continuations = 3,
    .resets = 2,
    .settings = 2,
    .pings = 2,
    .empty_frames = 2,
    .priorities = 2,
    .window_updates = 2,
};

enum {
	FINE = 0,
	PROTOCOL = 1,
	CLOSED = 5,
	CALM = 0xb
};

struct row {
	const char *script;
	uint32_t code;
	enum h2_flood flood;
};

#define NONE H2_FLOOD_NONE

static const struct row rows[] = {
    /* new streams: odd and increasing (RFC 9113 5.1.1) */
    {"S H1. H3. H7.", FINE, NONE},
    {"H2147483647.", FINE, NONE},
    {"H0.", PROTOCOL, NONE},
    {"H2.", PROTOCOL, NONE},
    {"H1. H2.", PROTOCOL, NONE},
    {"H5. H3.", PROTOCOL, NONE},
    {"H5. <5 H3.", PROTOCOL, NONE},
    {"H5 H3", PROTOCOL, NONE},

    /* idle streams, those that cannot be among them */
    {"D1", PROTOCOL, NONE},
    {"H1 D3", PROTOCOL, NONE},
    {"D0", PROTOCOL, NONE},
    {"H5 D4", PROTOCOL, NONE},
    {"R1", PROTOCOL, NONE},
    {"R0", PROTOCOL, NONE},
    {"H3 R2", PROTOCOL, NONE},
    {"W1", PROTOCOL, NONE},
    {"H3 W2", PROTOCOL, NONE},
    {"W0", FINE, NONE},
    {"P1 P9", FINE, NONE},
    {"H5 D3", CLOSED, NONE},
    {"H5 W3", FINE, NONE},
    {"H5 R3", FINE, NONE},

    /* open */
    {"H1 D1 D1. H3. W1 W3 R1", FINE, NONE},
    {"H1 D1 H1. W1", FINE, NONE},
    {"H1 H1 D1", FINE, NONE},
    {"H1 D3", PROTOCOL, NONE},

    /* half-closed (remote) */
    {"H1. P1 W1 R1", FINE, NONE},
    {"H1. D1", CLOSED, NONE},
    {"H1. H1.", CLOSED, NONE},
    {"H1 D1. D1", CLOSED, NONE},
    {"H1 D1. H1.", CLOSED, NONE},
    {"H1 H1. D1", CLOSED, NONE},
    {"H1-. C1 D1", CLOSED, NONE},

    /* half-closed (local) */
    {"H1 <1 D1 W1 H1.", FINE, NONE},
    {"H1 <1 <1 D1 R1", FINE, NONE},
    {"H1 <1 D1. D1", CLOSED, NONE},

    /* closed by END_STREAM on both sides */
    {"H1. <1 P1 W1 R1", FINE, NONE},
    {"H1. <1 D1", CLOSED, NONE},
    {"H1. <1 H1.", CLOSED, NONE},
    {"H1 <1 H1. D1", CLOSED, NONE},
    /* a reset, or a window, may cross that */
    {"H1. <1 R1 W1 P1", FINE, NONE},
    {"H1. <1 W1 R1", FINE, NONE},
    {"H1. <1 R1 D1", CLOSED, NONE},
    {"H1. <1 R1 H1.", CLOSED, NONE},
    {"H1. <1 H3. <3 H5. <5 H7. <7 R1 R3 R5 R7", FINE, NONE},

    /* closed by the client's reset */
    {"H1 R1 P1", FINE, NONE},
    {"H1 R1 D1", CLOSED, NONE},
    {"H1 R1 H1.", CLOSED, NONE},
    {"H1 R1 W1 P1", FINE, NONE},
    {"H1. R1 W1*1001", CALM, H2_FLOOD_WINDOW_UPDATES},
    /* a reset for each frame of ours that was on its way, and no more */
    {"H1 = R1 R1", FINE, NONE},
    {"H1. = ^*3 R1 R1*4", FINE, NONE},
    {"H1. = ^*3 R1 D1", CLOSED, NONE},
    {"H1. = ^*3 R1 R1*5 H3. R3", CALM, H2_FLOOD_RESETS},
    {"H1. = R1 ^ R1 ^ R1 ^ R1", FINE, NONE},
    {"H1 R1 R1", FINE, NONE},
    {"H1 R1 R1*2", CALM, H2_FLOOD_RESETS},
    {"H1. <1 R1 R1*2", FINE, NONE},
    {"H1. <1 R1 R1*3", CALM, H2_FLOOD_RESETS},
    {"H1. <1 R1 R1*2 + R1*2", FINE, NONE},
    {"H1. <1 R1 R1*2 + R1*3", CALM, H2_FLOOD_RESETS},
    {"H1 !1 R1 R1*2", FINE, NONE},
    {"H1 !1 R1 R1*3", CALM, H2_FLOOD_RESETS},
    {"H1 !1 = R1 R1*3", FINE, NONE},
    /* they earn no other resets */
    {"=*9 H1 R1 H3 R3 H5 R5", CALM, H2_FLOOD_RESETS},
    {"H1 R1 <1 !1 D1", CLOSED, NONE},

    /* what was on its way when we reset the stream */
    {"H1 !1 D1 D1. W1 R1", FINE, NONE},
    {"H1 !1 D1 H1. W1", FINE, NONE},
    {"H1 <1 !1 D1", FINE, NONE},
    {"H1 !1 R1", FINE, NONE},
    {"H1 !1 R1 D1", CLOSED, NONE},
    {"H1 !1 D1. D1", CLOSED, NONE},
    {"H1 !1 H1. H1.", CLOSED, NONE},
    {"H1 !1 H1", PROTOCOL, NONE},
    {"H1. !1 W1 R1", FINE, NONE},
    {"H1. !1 D1", CLOSED, NONE},

    /* one stream too many is refused, and its room is none of the others' */
    {"H1. H3. H5. H7. H9 D9. W9 H11.", FINE, NONE},
    {"H1. H3. H5. H7. H9. D9", CLOSED, NONE},
    {"H1. H3. H5. H7. H9 !9 D9", FINE, NONE},
    {"H1. H3. H5. H7. H9 D1", CLOSED, NONE},
    {"H1. H3. H5. H7. <1 H9 R9 H11 R11", FINE, NONE},
    {"H1. H3. H5. H7. H9 R9 H11 R11 H13 R13", FINE, NONE},
    {"H1 H3 H5 H7 R7 R5 R3", CALM, H2_FLOOD_RESETS},
    {"H1 <1 D1. H3. H5. H7. H9. R9 R7 R5", CALM, H2_FLOOD_RESETS},

    /* field sections in pieces (RFC 9113 6.10) */
    {"H1- C1- C1- C1 D1", FINE, NONE},
    {"H1- C1 D1 H1-. C1 H3. ", FINE, NONE},
    {"C1", PROTOCOL, NONE},
    {"C0", PROTOCOL, NONE},
    {"H1 C1", PROTOCOL, NONE},
    {"H1- C1 C1", PROTOCOL, NONE},
    {"H1- C3", PROTOCOL, NONE},
    {"H1- D1", PROTOCOL, NONE},
    {"H1- H1", PROTOCOL, NONE},
    {"H1- H3", PROTOCOL, NONE},
    {"H1- P1", PROTOCOL, NONE},
    {"H1- W0", PROTOCOL, NONE},
    {"H1- Ia", PROTOCOL, NONE},
    {"H1- Sa", PROTOCOL, NONE},
    {"H1- X", PROTOCOL, NONE},
    {"H1- !1 C1 W1", FINE, NONE},

    {"U1", PROTOCOL, NONE},
    {"H1 U1", PROTOCOL, NONE},
    {"G G G", FINE, NONE},

    /* floods: as many as are allowed, and one more */
    {"H1- C1-*3", FINE, NONE},
    {"H1- C1-*3 C1", CALM, H2_FLOOD_CONTINUATIONS},
    {"H1- C1-*2 C1 H3- C3-*2 C3 H3-. C3-*2 C3", FINE, NONE},
    {"S*2", FINE, NONE},
    {"S*3", CALM, H2_FLOOD_SETTINGS},
    {"S*2 ~ S", CALM, H2_FLOOD_SETTINGS},
    {"S*2 + S*2", FINE, NONE},
    {"S*2 + S*3", CALM, H2_FLOOD_SETTINGS},
    {"Sa*9", FINE, NONE},
    {"I*2", FINE, NONE},
    {"I*3", CALM, H2_FLOOD_PINGS},
    {"I*2 + I*2", FINE, NONE},
    {"Ia*9", FINE, NONE},
    {"H1 D1e*2", FINE, NONE},
    {"H1 D1e*2 D1e.", FINE, NONE},
    {"H1 D1e*3", CALM, H2_FLOOD_EMPTY_FRAMES},
    {"H1 D1p*2 D1q D1p.", FINE, NONE},
    {"H1 D1q*9", FINE, NONE},
    {"H1 D1p*3", CALM, H2_FLOOD_EMPTY_FRAMES},
    {"H1 !1 D1e*3", CALM, H2_FLOOD_EMPTY_FRAMES},
    {"H1-e C1-e C1e", FINE, NONE},
    {"H1e H3e H5e H3e.", FINE, NONE},
    {"H1-e C1-e C1-e", CALM, H2_FLOOD_EMPTY_FRAMES},
    {"H1-e C1 H3-e C3 H5-e", CALM, H2_FLOOD_EMPTY_FRAMES},
    {"P1 Y", FINE, NONE},
    {"P1*3", CALM, H2_FLOOD_PRIORITIES},
    {"P1 Y X", CALM, H2_FLOOD_PRIORITIES},
    {"Xe*3", CALM, H2_FLOOD_PRIORITIES},
    {"X*2 + X*2", FINE, NONE},
    {"W0*1000", FINE, NONE},
    {"W0*1001", CALM, H2_FLOOD_WINDOW_UPDATES},
    {"W0*1000 + W0", CALM, H2_FLOOD_WINDOW_UPDATES},
    {"W0*500 H1. W1*501", CALM, H2_FLOOD_WINDOW_UPDATES},
    {"W0*1000 ^ W0*2", FINE, NONE},
    {"W0*1000 ^ W0*3", CALM, H2_FLOOD_WINDOW_UPDATES},
    {"H1 R1 H3. R3", FINE, NONE},
    {"H1 R1 H3 R3 H5. R5", CALM, H2_FLOOD_RESETS},
    {"H1 R1 H3. R3 + H5 R5 H7 R7", FINE, NONE},
    {"H1 R1 H3. R3 + H5 R5 H7 R7 H9 R9", CALM, H2_FLOOD_RESETS},
    /* what was answered, or reset by us, is no loss */
    {"H1 <1 R1 H3 <3 R3 H5 !5 R5 H7. <7 R7 H9 R9 H11 R11", FINE, NONE},
    {"H9 R1*2", FINE, NONE},
    {"H9 R1*3", CALM, H2_FLOOD_RESETS},
    {"H9 =*7 R1*9", FINE, NONE},
    {"H9 =*7 R1*10", CALM, H2_FLOOD_RESETS},
};

struct run {
	struct h2_guard *guard;
	uint64_t now_us;
	struct h2_fault fault;
	size_t fed, consumed; /* bytes of the connection */
	size_t piece;	      /* where the last piece began */
	size_t step, cut;     /* sizes of pieces, and where one ends; 0 = no */
	char bytes[SCRIPT_MAX];
	size_t n;     /* of bytes not fed */
	size_t frame; /* where the last frame began, in the connection */
};

static void
feed_piece(struct run *r, const char *bytes, size_t n)
{
	char *copy = malloc(n);

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	r->piece = r->fed;
	r->consumed += h2_guard_scan(
	    r->guard, &limits, (struct span){copy, n}, r->now_us, &r->fault);
	r->fed += n;
	if (r->fault.code == 0)
		assert_int_equal(r->consumed, r->fed);
	free(copy);
}

static void
feed(struct run *r)
{
	size_t at = 0;

	while (at < r->n && r->fault.code == 0) {
		size_t n = r->n - at;

		if (r->step > 0 && n > r->step)
			n = r->step;
		if (r->cut > r->fed && r->cut < r->fed + n)
			n = r->cut - r->fed;
		feed_piece(r, r->bytes + at, n);
		at += n;
	}
	r->n = 0;
}

/* Type, flags and payload, in the way of its words. */
static void
put_frame(struct run *r, char type, uint32_t stream, const char *how)
{
	static const char types[] = "DHPRSUIGWC";
	static const unsigned char sizes[] = {1, 1, 5, 4, 0, 5, 8, 8, 4, 1};
	const char *known = strchr(types, type);
	unsigned char size = known != NULL ? sizes[known - types] : 3;
	unsigned char f[9] = {0}, flags = 0, pad = 0;

	if (strchr(how, '.') != NULL || strchr(how, 'a') != NULL)
		flags |= 0x1;
	if ((type == 'H' || type == 'C') && strchr(how, '-') == NULL)
		flags |= 0x4;
	if (strchr(how, 'e') != NULL)
		size = 0;
	if (strchr(how, 'p') != NULL || strchr(how, 'q') != NULL) {
		flags |= 0x8;
		pad = 5;
		size = strchr(how, 'p') != NULL ? 1 + pad : 2 + pad;
	}
	f[2] = size;
	f[3] = (unsigned char)(known != NULL ? known - types
			       : type == 'Y' ? 0x10
					     : 0xee);
	f[4] = flags;
	for (int i = 0; i < 4; i++)
		f[5 + i] = (unsigned char)(stream >> (24 - 8 * i));
	f[5] |= 0x80; /* reserved: of no meaning */
	r->frame = r->fed + r->n;
	assert_true(r->n + sizeof f + size <= sizeof r->bytes);
	memcpy(r->bytes + r->n, f, sizeof f);
	memset(r->bytes + r->n + sizeof f, 0xff, size);
	if (pad > 0)
		r->bytes[r->n + sizeof f] = (char)pad;
	r->n += sizeof f + size;
}

/* What is no frame of the client's. */
static void
act(struct run *r, char what, uint32_t stream)
{
	if (what == '<')
		h2_guard_sent_end(r->guard, stream);
	else if (what == '!')
		h2_guard_sent_reset(r->guard, stream);
	else if (what == '^')
		h2_guard_sent_data(r->guard);
	else if (what == '=')
		h2_guard_sent_head(r->guard);
	else
		r->now_us += what == '+' ? 10000000 : 9999999;
}

static void
run_word(struct run *r, const char *word)
{
	char *how;
	uint32_t stream = (uint32_t)strtoul(word + 1, &how, 10);
	const char *star = strchr(how, '*');
	unsigned long times = star != NULL ? strtoul(star + 1, NULL, 10) : 1;
	bool acts = strchr("<!^=+~", word[0]) != NULL;

	if (acts)
		feed(r);
	while (times-- > 0)
		if (acts)
			act(r, word[0], stream);
		else
			put_frame(r, word[0], stream, how);
}

static struct run run; /* large */

static void
run_begin(size_t step, size_t cut)
{
	run = (struct run){
	    .guard = h2_guard_new(STREAMS),
	    .now_us = 3600000000u,
	    .step = step,
	    .cut = cut,
	    .n = PREFACE,
	};
	assert_non_null(run.guard);
	memset(run.bytes, 0xff, PREFACE);
}

/* A fault may be in its last frame only. */
static void
run_text(const char *script)
{
	char word[32];
	int n;

	while (sscanf(script, " %31s%n", word, &n) == 1) {
		assert_int_equal(run.fault.code, 0);
		run_word(&run, word);
		script += n;
	}
	feed(&run);
}

/* Returns how many bytes the whole has. */
static size_t
run_script(const char *script, size_t step, size_t cut)
{
	run_begin(step, cut);
	run_text(script);
	h2_guard_free(run.guard);
	return run.fed;
}

/* Streams that come and are answered, from `first` on. */
static void
run_requests(unsigned first, unsigned n)
{
	char words[64];

	for (unsigned i = 0; i < n; i++) {
		unsigned stream = first + 2 * i;

		snprintf(words, sizeof words, "H%u. <%u", stream, stream);
		run_text(words);
	}
	assert_int_equal(run.fault.code, 0);
}

static void
check_run(const struct row *row)
{
	size_t front = run.frame > run.piece ? run.frame : run.piece;

	if (run.fault.code != row->code || run.fault.flood != row->flood)
		fail_msg("%s: code %u, %s (step %zu, cut %zu)", row->script,
		    run.fault.code, h2_flood_name(run.fault.flood), run.step,
		    run.cut);
	assert_true((run.fault.why != NULL) == (row->code != 0));
	if (row->code != 0)
		assert_int_equal(run.consumed, front);
}

static void
frames(void **state)
{
	static const size_t steps[] = {1, 2, 3, 7, 9, 10, 11, 33};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t size = run_script(rows[i].script, 0, 0);

		check_run(&rows[i]);
		for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
			run_script(rows[i].script, steps[k], 0);
			check_run(&rows[i]);
		}
		for (size_t cut = 1; cut < size && size < 1000; cut++) {
			run_script(rows[i].script, 0, cut);
			check_run(&rows[i]);
		}
	}
}

static void
check_tails(const char *head, unsigned first, unsigned n,
    const struct row *tails, size_t ntails)
{
	for (size_t i = 0; i < ntails; i++) {
		run_begin(0, 0);
		run_text(head);
		run_requests(first, n);
		run_text(tails[i].script);
		check_run(&tails[i]);
		h2_guard_free(run.guard);
	}
}

/* The last streams that ended are known, others look like skipped ones. */
static void
forgotten_streams(void **state)
{
	static const struct row tails[] = {
	    {"H1937.", CLOSED, NONE},
	    {"H1999.", CLOSED, NONE},
	    {"H1935.", PROTOCOL, NONE},
	    {"H1.", PROTOCOL, NONE},
	    {"D1", CLOSED, NONE},
	    {"W1 R1", FINE, NONE},
	    {"P1", FINE, NONE},
	    {"R1*3", CALM, H2_FLOOD_RESETS},
	    {"= ^ R1*4", FINE, NONE},
	    {"H2001 D2001", FINE, NONE},
	};

	(void)state;
	assert_int_equal(H2_GUARD_ENDED, 32);
	check_tails("", 1, 1000, tails, sizeof tails / sizeof tails[0]);
}

/*
 * We reset an upload, and many streams end before the client hears of it:
 * what it goes on sending is let through, but not for nothing.
 */
static void
forgotten_resets(void **state)
{
	static const struct row tails[] = {
	    {"D1 D1. W1 R1", FINE, NONE},
	    {"H1.", FINE, NONE},
	    {"H1", PROTOCOL, NONE},
	    {"H1.*3", CALM, H2_FLOOD_PRIORITIES},
	    {"D3", CLOSED, NONE},
	};

	(void)state;
	check_tails("H1 !1", 3, H2_GUARD_ENDED + 1, tails,
	    sizeof tails / sizeof tails[0]);
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(h2_flood_name(H2_FLOOD_RESETS), "resets");
	assert_string_equal(h2_flood_name(H2_FLOOD_STALLS), "stalls");
	for (int f = 0; f < H2_FLOOD_COUNT; f++)
		assert_true(strlen(h2_flood_name((enum h2_flood)f)) > 0);
	h2_guard_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames),
	    cmocka_unit_test(forgotten_streams),
	    cmocka_unit_test(forgotten_resets),
	    cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
