/* `launch` of a version: how shunt runs its pods. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/launch_files.h"
#include "conf/tables.h"
#include "router/launch_spec.h"

#define GROUPS_MAX 256

static option_reader read_command, read_env, read_directory, read_user,
    read_group, read_host, read_ports;

static const char *const listen_words[] = {
    [LAUNCH_PORT] = "port",
    [LAUNCH_SOCKET] = "socket",
    NULL,
};

static const struct option backoff_options[] = {
    {
	.key = "min",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.min = 1,
	.max = HOUR,
	.fallback = "500ms",
	.help = "Before the first restart; each one after it waits twice as "
		"long.",
	OPTION_FIELD(struct launch_spec, backoff_min_ms),
    },
    {
	.key = "max",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.min = 1,
	.max = HOUR,
	.fallback = "30s",
	.help = "At most so long; who has run for that long begins anew with "
		"min.",
	OPTION_FIELD(struct launch_spec, backoff_max_ms),
    },
    {.key = NULL},
};

static const struct option launch_limit_options[] = {
    {
	.key = "memory",
	.read = option_read_value,
	.kind = OPT_SIZE,
	.min = 1u << 20,
	.max = 1ull << 50,
	.absent = "that of shunt",
	.help = "Address space of each process (RLIMIT_AS).",
	OPTION_FIELD(struct launch_spec, memory),
    },
    {
	.key = "files",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 8,
	.max = 1u << 30,
	.absent = "that of shunt",
	.help = "Open files of each process (RLIMIT_NOFILE).",
	OPTION_FIELD(struct launch_spec, files),
    },
    {
	.key = "processes",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 1,
	.max = 1u << 22,
	.absent = "that of shunt",
	.help = "Processes and threads of its user, all together "
		"(RLIMIT_NPROC).",
	OPTION_FIELD(struct launch_spec, processes),
    },
    {.key = NULL},
};

const struct option launch_options[] = {
    {
	.key = "command",
	.read = read_command,
	.type = "a list of a program and its arguments",
	.help = "What is run for each pod.",
	.required = true,
    },
    {
	.key = "replicas",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.max = LAUNCH_REPLICAS_MAX,
	.fallback = "1",
	.help = "How many pods, while the version is in service.",
	OPTION_FIELD(struct launch_spec, replicas),
    },
    {
	.key = "env",
	.read = read_env,
	.type = "a map from names to values",
	.absent = "the environment of shunt",
	.help = "What the environment has besides that of shunt.",
    },
    {
	.key = "directory",
	.read = read_directory,
	.type = "a path",
	.absent = "the folder of the config file",
	.help = "Where it runs.",
    },
    {
	.key = "user",
	.read = read_user,
	.type = "the name of a user",
	.absent = "that of shunt",
	.help = "As whom it runs, with all groups of that user.",
    },
    {
	.key = "group",
	.read = read_group,
	.type = "the name of a group",
	.absent = "that of the user",
	.help = "Its group.",
    },
    {
	.key = "listen",
	.read = option_read_word,
	.words = listen_words,
	.fallback = "port",
	.help = "Where a pod takes connections: at a port or a Unix socket "
		"that it is given.",
	OPTION_FIELD(struct launch_spec, listen),
    },
    {
	.key = "address",
	.read = read_host,
	.type = "an IP address such as 127.0.0.1 or ::1",
	.fallback = "127.0.0.1",
	.help = "Address of the ports.",
	OPTION_FIELD(struct launch_spec, address),
    },
    {
	.key = "ports",
	.read = read_ports,
	.type = "a range of ports such as 20000-29999",
	.min = 1,
	.max = 65535,
	.fallback = "20000-29999",
	.help = "Ports that pods are given.",
    },
    {
	.key = "start",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.min = 1,
	.max = HOUR,
	.fallback = "1m",
	.help = "How long a process may take until it takes connections; "
		"then it is killed, and started again.",
	OPTION_FIELD(struct launch_spec, start_ms),
    },
    {
	.key = "grace",
	.read = option_read_value,
	.kind = OPT_DURATION,
	.max = HOUR,
	.fallback = "10s",
	.help = "From SIGTERM to SIGKILL.",
	OPTION_FIELD(struct launch_spec, grace_ms),
    },
    {
	.key = "backoff",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "How long to wait before a process that ended is started "
		"again.",
	.shape = OPTION_MAP,
	.sub = backoff_options,
    },
    {
	.key = "limits",
	.read = option_read_map,
	.absent = "those of shunt",
	.help = "What a process may have.",
	.shape = OPTION_MAP,
	.sub = launch_limit_options,
    },
    {.key = NULL},
};

static void
read_command(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct option item = {.type = "a string"};
	struct launch_spec *l = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n == 0) {
		errors_add(
		    e, value->at, "expected %s, found an empty one", o->type);
		return;
	}
	l->command = calloc(value->n + 1, sizeof(char *));
	if (l->command == NULL) {
		errors_no_memory(e);
		return;
	}
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *text = option_text(e, &item, m);

		if (text != NULL)
			l->command[l->ncommand++] = read_copy(e, text);
	}
	if (value->first->kind == NODE_SCALAR && value->first->text[0] == '\0')
		errors_add(
		    e, value->first->at, "expected a program, found \"\"");
}

/* POSIX: letters, digits and "_", no digit first. */
static bool
is_env_name(const char *name)
{
	if (isdigit((unsigned char)name[0]) || name[0] == '\0')
		return false;
	while (isalnum((unsigned char)*name) || *name == '_')
		name++;
	return *name == '\0';
}

static void
read_env(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct option item = {.type = "a string"};
	struct launch_spec *l = field;
	char found[OPT_QUOTE_MAX];

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	l->env = read_alloc(e, value, sizeof *l->env);
	if (l->env == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *text = option_text(e, &item, m);

		opt_quote(span_of(m->key->text), found, sizeof found);
		if (!is_env_name(m->key->text))
			errors_add(e, m->key->at,
			    "expected a name of letters, digits and \"_\", "
			    "found %s",
			    found);
		else if (text != NULL)
			l->env[l->nenv++] = (struct launch_env){
			    .name = read_copy(e, m->key->text),
			    .value = read_copy(e, text),
			};
	}
}

static void
read_directory(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct launch_spec *l = field;
	const char *text = option_text(e, o, value);
	char why[LAUNCH_FAULT_MAX];

	if (text == NULL)
		return;
	if (text[0] == '\0') {
		option_refuse(e, o, value);
		return;
	}
	l->directory = read_absolute(e, text);
	if (l->directory != NULL &&
	    launch_directory_fault(l->directory, why, sizeof why))
		errors_add(e, value->at, "%s", why);
}

/* Both by name, or by number where there is none of that name. */
static const struct passwd *
find_user(const char *text)
{
	const struct passwd *pw = getpwnam(text);
	uint64_t n;

	if (pw == NULL && span_to_u64(span_of(text), &n) && n < UINT32_MAX)
		pw = getpwuid((uid_t)n);
	return pw;
}

static void
read_user(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct launch_spec *l = field;
	const char *text = option_text(e, o, value);
	const struct passwd *pw;
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX;

	if (text == NULL)
		return;
	pw = find_user(text);
	if (pw == NULL) {
		option_refuse(e, o, value);
		return;
	}
	l->user = read_copy(e, text);
	l->uid = pw->pw_uid;
	if (l->group == NULL)
		l->gid = pw->pw_gid;
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		n = GROUPS_MAX;
	l->groups = calloc((size_t)n, sizeof *l->groups);
	if (l->groups == NULL) {
		errors_no_memory(e);
		return;
	}
	l->ngroups = (size_t)n;
	memcpy(l->groups, groups, l->ngroups * sizeof *groups);
}

static void
read_group(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct launch_spec *l = field;
	const char *text = option_text(e, o, value);
	const struct group *gr;
	uint64_t n;

	if (text == NULL)
		return;
	gr = getgrnam(text);
	if (gr != NULL)
		l->gid = gr->gr_gid;
	else if (span_to_u64(span_of(text), &n) && n < UINT32_MAX)
		l->gid = (gid_t)n;
	else {
		option_refuse(e, o, value);
		return;
	}
	l->group = read_copy(e, text);
}

static void
read_host(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const char *text = option_text(e, o, value);
	char whole[ADDRESS_TEXT_MAX], found[OPT_QUOTE_MAX];
	const char *fault;
	struct address a;

	if (text == NULL)
		return;
	snprintf(whole, sizeof whole,
	    strchr(text, ':') != NULL ? "[%s]:1" : "%s:1", text);
	if (!address_parse(span_of(whole), &a) || address_is_unix(&a)) {
		option_refuse(e, o, value);
		return;
	}
	fault = address_peer_fault(&a);
	if (fault == NULL) {
		*(struct address *)field = a;
		return;
	}
	opt_quote(span_of(text), found, sizeof found);
	errors_add(e, value->at, "expected %s, found %s", fault, found);
}

static void
read_ports(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct launch_spec *l = field;
	int first, last;

	if (!read_range(e, o, value, &first, &last))
		return;
	l->port_first = (uint32_t)first;
	l->port_last = (uint32_t)last;
}

/* Placeholders that do not exist, in texts that do. */
static void
check_texts(struct errors *e, const struct node *map, enum node_kind kind,
    enum launch_listen listen)
{
	char why[512];

	if (map == NULL || map->kind != kind)
		return;
	for (const struct node *m = map->first; m != NULL; m = m->next)
		if (m->kind == NODE_SCALAR &&
		    launch_text_fault(m->text, listen, why, sizeof why))
			errors_add(e, m->at, "%s", why);
}

static void
check_size(
    struct errors *e, const struct node *map, const struct launch_spec *l)
{
	size_t size = 0;

	for (size_t i = 0; i < l->ncommand; i++)
		size += l->command[i] != NULL ? strlen(l->command[i]) + 1 : 0;
	for (size_t i = 0; i < l->nenv; i++)
		if (l->env[i].name != NULL && l->env[i].value != NULL)
			size += strlen(l->env[i].name) +
				strlen(l->env[i].value) + 2;
	if (size > LAUNCH_TEXT_MAX)
		errors_add(e, map->at,
		    "expected at most %u bytes of \"command\" and \"env\", "
		    "found %zu",
		    LAUNCH_TEXT_MAX, size);
}

/* What it names is absolute afterwards, or found by PATH. */
static void
check_program(
    struct errors *e, const struct node *command, struct launch_spec *l)
{
	char why[LAUNCH_FAULT_MAX], *path;

	if (l->ncommand == 0 || l->command[0] == NULL ||
	    l->command[0][0] == '\0')
		return;
	if (strchr(l->command[0], '/') != NULL) {
		path = read_absolute(e, l->command[0]);
		if (path == NULL)
			return;
		free(l->command[0]);
		l->command[0] = path;
	}
	if (strchr(l->command[0], '{') == NULL &&
	    launch_program_fault(
		l->command[0], launch_path(l), why, sizeof why))
		errors_add(e, command->first->at, "%s", why);
}

static void
check_launch(struct errors *e, const struct node *value, struct launch_spec *l)
{
	const struct node *command = node_get(value, "command");
	const struct node *max = node_get(node_get(value, "backoff"), "max");
	char found[OPT_QUOTE_MAX];

	check_texts(e, command, NODE_LIST, l->listen);
	check_texts(e, node_get(value, "env"), NODE_MAP, l->listen);
	check_size(e, value, l);
	check_program(e, command, l);
	if (l->backoff_max_ms >= l->backoff_min_ms)
		return;
	if (max == NULL) {
		l->backoff_max_ms = l->backoff_min_ms;
		return;
	}
	opt_quote(span_of(max->text), found, sizeof found);
	errors_add(
	    e, max->at, "expected at least what \"min\" says, found %s", found);
}

void
read_launch(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct launch_spec **launch = field, *l;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	l = launch_spec_new();
	if (l == NULL) {
		errors_no_memory(e);
		return;
	}
	*launch = l;
	option_defaults(e, o->sub, l);
	option_walk(e, o->sub, value, l);
	if (l->directory == NULL)
		l->directory = read_absolute(e, ".");
	check_launch(e, value, l);
}
