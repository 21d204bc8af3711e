/* From bytes to characters to lines. */
#include "control/launch_lines.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Of one character, however it is written: \xNN for each of 4 bytes. */
#define CHARACTER_MAX 16u
#define PIECE_MAX     (LAUNCH_LINE_MAX - sizeof LAUNCH_LINE_CUT)

/* How many bytes a character has that begins with this one; 0: none does. */
static size_t
utf8_length(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Whether a character may go on with c at place i (RFC 3629 4). */
static bool
utf8_goes_on(const char *begun, size_t i, unsigned char c)
{
	unsigned char first = (unsigned char)begun[0];

	if (c < 0x80 || c > 0xbf)
		return false;
	if (i > 1)
		return true;
	return !(first == 0xe0 && c < 0xa0) && !(first == 0xed && c > 0x9f) &&
	       !(first == 0xf0 && c < 0x90) && !(first == 0xf4 && c > 0x8f);
}

/* Control characters move the cursor of whoever reads the log. */
static bool
is_control(const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0];

	return (n == 1 && (c < 0x20 || c == 0x7f)) ||
	       (n == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

static void
put(struct launch_lines *l, const char *p, size_t n)
{
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

static void
put_hex(struct launch_lines *l, const char *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		const char hex[] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

		put(l, hex, sizeof hex);
	}
}

/* What was held of a character that never became one. */
static void
give_up(struct launch_lines *l)
{
	put_hex(l, l->held, l->nheld);
	l->nheld = 0;
}

static void
put_character(struct launch_lines *l)
{
	if (l->held[0] == '\t')
		put(l, " ", 1);
	else if (is_control(l->held, l->nheld))
		put_hex(l, l->held, l->nheld);
	else
		put(l, l->held, l->nheld);
	l->nheld = 0;
}

static void
take_byte(struct launch_lines *l, char c)
{
	if (l->nheld > 0 && !utf8_goes_on(l->held, l->nheld, (unsigned char)c))
		give_up(l);
	l->held[l->nheld++] = c;
	if (l->nheld == 1 && utf8_length((unsigned char)c) == 0)
		give_up(l);
	else if (l->nheld == utf8_length((unsigned char)l->held[0]))
		put_character(l);
}

static void
tell(struct launch_lines *l, bool last, launch_line *told, void *arg)
{
	if (!last)
		put(l, LAUNCH_LINE_CUT, sizeof LAUNCH_LINE_CUT - 1);
	l->text[l->n] = '\0';
	/* the end of a line that was just cut there is no line */
	if (l->n > 0 || !l->cut)
		told(arg, l->text);
	l->n = 0;
	l->cut = !last;
}

size_t
launch_lines_feed(struct launch_lines *l, const char *bytes, size_t n,
    launch_line *told, void *arg)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			give_up(l);
			if (l->n >= 4 &&
			    memcmp(l->text + l->n - 4, "\\x0d", 4) == 0)
				l->n -= 4; /* of a line that ends in CRLF */
			tell(l, true, told, arg);
			return i + 1;
		}
		take_byte(l, bytes[i]);
		if (l->n + 2 * CHARACTER_MAX > PIECE_MAX) {
			tell(l, false, told, arg);
			return i + 1;
		}
	}
	return n;
}

void
launch_lines_end(struct launch_lines *l, launch_line *told, void *arg)
{
	give_up(l);
	if (l->n > 0)
		tell(l, true, told, arg);
	l->cut = false;
}
