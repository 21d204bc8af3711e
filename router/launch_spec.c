/* Counting references, comparing, and filling in placeholders. */
#include "router/launch_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/opt.h"

static const struct placeholder {
	const char *name;
	size_t offset; /* in struct launch_words */
	bool with_port, with_socket;
} placeholders[] = {
    {"port", offsetof(struct launch_words, port), true, false},
    {"address", offsetof(struct launch_words, address), true, false},
    {"socket", offsetof(struct launch_words, socket), false, true},
    {"service", offsetof(struct launch_words, service), true, true},
    {"version", offsetof(struct launch_words, version), true, true},
    {"pod", offsetof(struct launch_words, pod), true, true},
};

#define PLACEHOLDERS (sizeof placeholders / sizeof placeholders[0])

struct launch_spec *
launch_spec_new(void)
{
	struct launch_spec *s = calloc(1, sizeof *s);

	if (s != NULL)
		s->refs = 1;
	return s;
}

struct launch_spec *
launch_spec_hold(struct launch_spec *s)
{
	s->refs++;
	return s;
}

void
launch_spec_drop(struct launch_spec *s)
{
	if (s == NULL)
		return;
	CHECK(s->refs > 0);
	if (--s->refs > 0)
		return;
	for (size_t i = 0; i < s->ncommand; i++)
		free(s->command[i]);
	for (size_t i = 0; i < s->nenv; i++) {
		free(s->env[i].name);
		free(s->env[i].value);
	}
	free(s->command);
	free(s->env);
	free(s->directory);
	free(s->user);
	free(s->group);
	free(s->groups);
	free(s);
}

static bool
text_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
env_same(const struct launch_spec *a, const struct launch_spec *b)
{
	if (a->nenv != b->nenv)
		return false;
	for (size_t i = 0; i < a->nenv; i++)
		if (!text_same(a->env[i].name, b->env[i].name) ||
		    !text_same(a->env[i].value, b->env[i].value))
			return false;
	return true;
}

static bool
owner_same(const struct launch_spec *a, const struct launch_spec *b)
{
	return text_same(a->user, b->user) && text_same(a->group, b->group) &&
	       a->uid == b->uid && a->gid == b->gid &&
	       a->ngroups == b->ngroups &&
	       (a->ngroups == 0 || memcmp(a->groups, b->groups,
				       a->ngroups * sizeof *a->groups) == 0);
}

bool
launch_spec_same(const struct launch_spec *a, const struct launch_spec *b)
{
	if (a->ncommand != b->ncommand)
		return false;
	for (size_t i = 0; i < a->ncommand; i++)
		if (!text_same(a->command[i], b->command[i]))
			return false;
	return env_same(a, b) && owner_same(a, b) &&
	       text_same(a->directory, b->directory) &&
	       a->listen == b->listen && address_eq(&a->address, &b->address) &&
	       a->port_first == b->port_first && a->port_last == b->port_last &&
	       a->memory == b->memory && a->files == b->files &&
	       a->processes == b->processes;
}

/* The lower case word in braces that the text begins with; n == 0: none. */
static struct span
word_in_braces(const char *text)
{
	size_t n = 0;

	if (text[0] != '{')
		return (struct span){text, 0};
	while (text[1 + n] == '_' || (text[1 + n] >= 'a' && text[1 + n] <= 'z'))
		n++;
	return (struct span){text + 1, text[1 + n] == '}' ? n : 0};
}

/* The same in two pairs of braces. */
static struct span
word_in_double(const char *text)
{
	struct span word = {text, 0};

	if (text[0] == '{')
		word = word_in_braces(text + 1);
	if (word.n > 0 && word.p[word.n + 1] != '}')
		word.n = 0;
	return word;
}

static const struct placeholder *
find_placeholder(struct span word)
{
	for (size_t i = 0; i < PLACEHOLDERS; i++)
		if (strlen(placeholders[i].name) == word.n &&
		    memcmp(placeholders[i].name, word.p, word.n) == 0)
			return &placeholders[i];
	return NULL;
}

char *
launch_expand(const char *text, const struct launch_words *words)
{
	char *made = NULL;
	size_t size;
	FILE *out = open_memstream(&made, &size);

	if (out == NULL)
		return NULL;
	while (*text != '\0') {
		struct span word = word_in_double(text);
		const struct placeholder *p = NULL;
		const char *value;

		if (word.n > 0) {
			fprintf(out, "{%.*s}", SPAN_ARG(word));
			text += word.n + 4;
			continue;
		}
		word = word_in_braces(text);
		if (word.n > 0)
			p = find_placeholder(word);
		if (p == NULL) {
			fputc(*text++, out);
			continue;
		}
		value = *(const char *const *)((const char *)words + p->offset);
		fputs(value != NULL ? value : "", out);
		text += word.n + 2;
	}
	if (ferror(out) | (fclose(out) != 0)) {
		free(made);
		return NULL;
	}
	return made;
}

static void
list_placeholders(enum launch_listen listen, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < PLACEHOLDERS && used < size; i++)
		if (listen == LAUNCH_PORT ? placeholders[i].with_port
					  : placeholders[i].with_socket)
			used +=
			    (size_t)snprintf(buf + used, size - used, "%s{%s}",
				used > 0 ? ", " : "", placeholders[i].name);
}

bool
launch_text_fault(
    const char *text, enum launch_listen listen, char *why, size_t why_size)
{
	char known[128], quoted[OPT_QUOTE_MAX];

	while (*text != '\0') {
		struct span word = word_in_double(text);
		const struct placeholder *p;

		if (word.n > 0) {
			text += word.n + 4;
			continue;
		}
		word = word_in_braces(text++);
		if (word.n == 0)
			continue;
		p = find_placeholder(word);
		if (p != NULL &&
		    (listen == LAUNCH_PORT ? p->with_port : p->with_socket))
			continue;
		list_placeholders(listen, known, sizeof known);
		opt_quote((struct span){word.p - 1, word.n + 2}, quoted,
		    sizeof quoted);
		snprintf(why, why_size,
		    "expected one of %s%s, found %s; {{x}} stands for {x}",
		    known, listen == LAUNCH_SOCKET ? " with a socket" : "",
		    quoted);
		return true;
	}
	return false;
}
