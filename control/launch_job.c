/* Texts of a job: its arguments and its environment. */
#include "control/launch_job.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/launch_output.h"
#include "control/launch_state.h"
#include "router/launch_spec.h"

/* Settings that every pod has, and a NULL. */
#define OWN_SETTINGS 8u
#define PORT_MAX     8u

struct texts {
	struct launch_words words;
	char ip[INET6_ADDRSTRLEN], port[PORT_MAX];
	char **argv, **env;
};

static void
free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

static void
fill_words(struct texts *t, const struct launch_place *p)
{
	const struct address *a = p->address;

	t->words = (struct launch_words){
	    .service = p->service, .version = p->version, .pod = a->text};
	if (address_is_unix(a)) {
		t->words.socket = a->text + sizeof ADDRESS_UNIX - 1;
		return;
	}
	address_ip(&a->sa, t->ip, sizeof t->ip);
	snprintf(t->port, sizeof t->port, "%u", address_port(a));
	t->words.address = t->ip;
	t->words.port = t->port;
}

/* One more NAME=value; nothing without a value. -1 without memory. */
static int
add_setting(char **env, size_t *n, const char *name, const char *value)
{
	if (value == NULL)
		return 0;
	if (asprintf(&env[*n], "%s=%s", name, value) < 0) {
		env[*n] = NULL;
		return -1;
	}
	++*n;
	return 0;
}

/* What the file says comes last, and so wins. */
static int
make_env(struct texts *t, const struct launch_spec *spec)
{
	const struct launch_words *w = &t->words;
	size_t n = 0;

	t->env = calloc(spec->nenv + OWN_SETTINGS, sizeof(char *));
	if (t->env == NULL || add_setting(t->env, &n, "PORT", w->port) < 0 ||
	    add_setting(t->env, &n, "SHUNT_PORT", w->port) < 0 ||
	    add_setting(t->env, &n, "SHUNT_ADDRESS", w->address) < 0 ||
	    add_setting(t->env, &n, "SHUNT_SOCKET", w->socket) < 0 ||
	    add_setting(t->env, &n, "SHUNT_SERVICE", w->service) < 0 ||
	    add_setting(t->env, &n, "SHUNT_VERSION", w->version) < 0 ||
	    add_setting(t->env, &n, "SHUNT_POD", w->pod) < 0)
		return -1;
	for (size_t i = 0; i < spec->nenv; i++) {
		char *value = launch_expand(spec->env[i].value, w);
		int rc = -1;

		if (value != NULL)
			rc = add_setting(t->env, &n, spec->env[i].name, value);
		free(value);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int
make_argv(struct texts *t, const struct launch_spec *spec)
{
	t->argv = calloc(spec->ncommand + 1, sizeof(char *));
	if (t->argv == NULL)
		return -1;
	for (size_t i = 0; i < spec->ncommand; i++) {
		t->argv[i] = launch_expand(spec->command[i], &t->words);
		if (t->argv[i] == NULL)
			return -1;
	}
	return 0;
}

static struct launched *
hand_over(struct launch *l, const struct launch_spec *spec,
    const struct launch_place *place, const struct texts *t, void *arg)
{
	struct launch_job job = {
	    .spec = spec,
	    .argv = t->argv,
	    .env = t->env,
	    .socket = t->words.socket,
	};
	char *label;

	if (asprintf(&label, "pod %s/%s/%s", place->service, place->version,
		place->address->text) < 0)
		return NULL;
	if (launch_output_new(&l->outputs, l->parts.base, label, &job.output) <
	    0) {
		free(label);
		return NULL;
	}
	free(label);
	return l->ops->start(l->launcher, &job, arg);
}

struct launched *
launch_job_start(struct launch *l, const struct launch_spec *spec,
    const struct launch_place *place, void *arg, char *why, size_t why_size)
{
	struct launched *job = NULL;
	struct texts t = {0};

	fill_words(&t, place);
	errno = ENOMEM;
	if (make_argv(&t, spec) == 0 && make_env(&t, spec) == 0)
		job = hand_over(l, spec, place, &t, arg);
	if (job == NULL)
		snprintf(why, why_size, "not started: %s", strerror(errno));
	free_list(t.argv);
	free_list(t.env);
	return job;
}
