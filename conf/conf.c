/* Loading a config file: the root table and the passes over it. */
#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/hash_key.h"

#define SETTING(member) OPTION_FIELD(struct conf, settings.member)

const struct option conf_options[] = {
    {
	.key = "listen",
	.read = read_listeners,
	.type = "a list of listeners",
	.help = "Where clients connect; at least one.",
	.required = true,
	.shape = OPTION_LIST,
	.sub = listener_options,
	OPTION_FIELD(struct conf, settings),
    },
    {
	.key = "admin",
	.read = option_read_map,
	.absent = "no admin API",
	.help = "Where the admin API is served.",
	.shape = OPTION_MAP,
	.sub = admin_options,
	OPTION_FIELD(struct conf, settings),
    },
    {
	.key = "state",
	.read = read_state_path,
	.type = "a path",
	.absent = "forgotten at the end",
	.help = "File that keeps what is set at run time; its folder must "
		"exist.",
	SETTING(state),
    },
    {
	.key = "workers",
	.read = read_workers,
	.type = "auto or an integer from 1 to 256",
	.fallback = "auto",
	.help = "Threads that serve clients; auto = one per CPU.",
	SETTING(workers),
    },
    {
	.key = "timeouts",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "How long things may take.",
	.shape = OPTION_MAP,
	.sub = timeout_options,
	SETTING(timeouts),
    },
    {
	.key = "limits",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "How many and how large things may be.",
	.shape = OPTION_MAP,
	.sub = limit_options,
	SETTING(limits),
    },
    {
	.key = "forward",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "Which fields tell pods about the client.",
	.shape = OPTION_MAP,
	.sub = forward_options,
	SETTING(forward),
    },
    {
	.key = "resolver",
	.read = read_resolver,
	.absent = "the defaults below",
	.help = "How names of pods are resolved.",
	.shape = OPTION_MAP,
	.sub = resolver_options,
	SETTING(resolver),
    },
    {
	.key = "access_log",
	.read = option_read_map,
	.absent = "no access log",
	.help = "Where each request leaves a line.",
	.shape = OPTION_MAP,
	.sub = log_options,
	SETTING(access_log),
    },
    {
	.key = "services",
	.read = read_services,
	.type = "a map of services",
	.help = "The applications behind the proxy; at least one.",
	.required = true,
	.shape = OPTION_NAMED,
	.sub = service_options,
	OPTION_FIELD(struct conf, spec),
    },
    {.key = NULL},
};

/* Bytes that libyaml would take for a character of the first line. */
static void
skip_byte_order_mark(const char **text, size_t *len)
{
	if (*len >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
		*text += 3;
		*len -= 3;
	}
}

static void
read_tree(struct errors *e, const struct tree *tree, struct conf *c)
{
	const struct node *root = tree_root(tree);

	if (root == NULL) {
		errors_add(e, (struct position){1, 1},
		    "the file is empty, expected a map with at least the "
		    "keys listen and services");
		return;
	}
	option_defaults(e, conf_options, c);
	option_walk(e, conf_options, root, c);
	check_unique(e, root, c);
	for (size_t i = 0; i < c->spec->nservices; i++)
		for (size_t k = 0; k < c->spec->services[i].nversions; k++)
			squeeze_pods(&c->spec->services[i].versions[k]);
}

static struct conf *
parse(const char *text, size_t len, struct errors *e)
{
	struct conf *c = calloc(1, sizeof *c);
	struct tree *tree;

	if (c == NULL || (c->spec = spec_new()) == NULL) {
		errors_no_memory(e);
		free(c);
		return NULL;
	}
	skip_byte_order_mark(&text, &len);
	tree = tree_parse(text, len, e);
	if (tree != NULL)
		read_tree(e, tree, c);
	tree_free(tree);
	return c;
}

struct conf *
conf_parse(
    const char *name, const char *text, size_t len, struct conf_errors *errors)
{
	struct errors e;
	struct conf *c = NULL;

	errors_init(&e, name);
	if (len > CONF_FILE_MAX)
		errors_add(&e, (struct position){1, 1},
		    "the file is larger than %u MiB", CONF_FILE_MAX >> 20);
	else
		c = parse(text, len, &e);
	if (c != NULL)
		c->digest = hash_bytes((struct span){text, len}, 0);
	errors_print(&e, errors);
	if (errors_any(&e)) {
		conf_free(c);
		c = NULL;
	}
	errors_free(&e);
	return c;
}

/*
 * The whole file, or more than a config may have of it. NULL with errno set;
 * the caller frees.
 */
static char *
read_file(FILE *f, size_t *len)
{
	size_t room = 0;
	char *text = NULL;

	*len = 0;
	do {
		char *more;

		room = room == 0 ? 16384 : room * 2;
		more = realloc(text, room);
		if (more == NULL) {
			free(text);
			return NULL;
		}
		text = more;
		*len += fread(text + *len, 1, room - *len, f);
	} while (*len == room && room <= CONF_FILE_MAX);
	if (ferror(f)) {
		free(text);
		return NULL;
	}
	return text;
}

struct conf *
conf_load(const char *path, struct conf_errors *errors)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	struct conf *c = NULL;
	size_t len = 0;

	if (f != NULL)
		text = read_file(f, &len);
	if (text != NULL) {
		c = conf_parse(path, text, len, errors);
	} else {
		struct errors e;
		const char *why = strerror(errno);

		errors_init(&e, path);
		errors_add(&e, (struct position){1, 1}, "cannot read: %s", why);
		errors_print(&e, errors);
		errors_free(&e);
	}
	free(text);
	if (f != NULL)
		fclose(f);
	return c;
}

bool
conf_digest(const char *path, uint64_t *digest)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t len = 0;

	if (f == NULL)
		return false;
	text = read_file(f, &len);
	if (text != NULL)
		*digest = hash_bytes((struct span){text, len}, 0);
	free(text);
	fclose(f);
	return text != NULL;
}

static void
free_listener(struct listen_settings *l)
{
	free(l->hsts);
	tls_settings_free(l->tls);
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	spec_free(c->spec);
	for (size_t i = 0; i < c->settings.nlisteners; i++)
		free_listener(&c->settings.listeners[i]);
	free(c->settings.listeners);
	free(c->settings.access_log.path);
	free(c->settings.admin_socket);
	free(c->settings.state);
	free(c->settings.forward.trusted);
	free(c->settings.resolver.servers);
	free(c);
}

void
conf_print_options(FILE *out)
{
	option_print(out, conf_options, "");
}
