/* How a rollout stands, in words. */
#include "cli/rollout_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/rollout_document.h"

#define ARROW "\xe2\x86\x92"

/* A reason that is only worded anew is said again after that. */
#define REASON_EVERY_US 5000000u

void
rollout_words_way(const struct rollout_row *r, char *buf, size_t size)
{
	snprintf(buf, size, "%s " ARROW " %s", r->from, r->to);
}

/* The one that it is at or, on the way back and behind that, was at. */
static void
say_step(const struct rollout_row *r, char *buf, size_t size)
{
	const bool left = r->phase == ROLLOUT_ROLLING_BACK ||
			  r->phase == ROLLOUT_ROLLED_BACK ||
			  r->phase == ROLLOUT_FAILED;

	buf[0] = '\0';
	if (r->steps > 0 && r->phase != ROLLOUT_DONE)
		snprintf(buf, size, "%s step %" PRIu64 " of %" PRIu64,
		    left ? " at" : ",", r->step, r->steps);
}

/* The verdict is one on what goes on, so it ends with that. */
void
rollout_words(const struct rollout_row *r, char *buf, size_t size)
{
	const bool judged =
	    r->verdict[0] != '\0' && !rollout_phase_over(r->phase);
	char step[64];

	say_step(r, step, sizeof step);
	snprintf(buf, size, "%s %s " ARROW " %s, %s%s%s%s%s%s", r->strategy,
	    r->from, r->to, rollout_phase_name(r->phase), step,
	    judged ? ", " : "", judged ? r->verdict : "",
	    r->reason[0] != '\0' ? ": " : "", r->reason);
}

void
rollout_words_time(uint64_t ms, char *buf, size_t size)
{
	const uint64_t s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;

	if (s == 0)
		snprintf(buf, size, "%" PRIu64 "ms", ms);
	else if (m == 0)
		snprintf(buf, size, "%" PRIu64 "s", s);
	else if (h == 0)
		snprintf(buf, size, "%" PRIu64 "m%02" PRIu64 "s", m, s % 60);
	else if (d == 0)
		snprintf(buf, size, "%" PRIu64 "h%02" PRIu64 "m", h, m % 60);
	else
		snprintf(buf, size, "%" PRIu64 "d%" PRIu64 "h", d, h % 24);
}

static bool
begins_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

void
rollout_words_cut(char *text, size_t columns)
{
	size_t n = 0;

	if (columns == 0)
		return;
	for (; *text != '\0'; text++)
		if (begins_character(*text) && ++n > columns) {
			*text = '\0';
			return;
		}
}

static bool
says_more(const struct rollout_said *said, const struct rollout_row *r,
    uint64_t now_us)
{
	if (said->id != r->id || said->phase != r->phase ||
	    said->step != r->step || strcmp(said->verdict, r->verdict) != 0)
		return true;
	return now_us - said->at_us >= REASON_EVERY_US &&
	       strncmp(said->reason, r->reason, sizeof said->reason - 1) != 0;
}

bool
rollout_words_new(
    struct rollout_said *said, const struct rollout_row *r, uint64_t now_us)
{
	if (!says_more(said, r, now_us))
		return false;
	*said = (struct rollout_said){
	    .id = r->id, .step = r->step, .phase = r->phase, .at_us = now_us};
	snprintf(said->verdict, sizeof said->verdict, "%s", r->verdict);
	snprintf(said->reason, sizeof said->reason, "%s", r->reason);
	return true;
}
