/* Pods that are written as names: what is asked for, and every error. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/tables.h"

#define SRV	       "srv:"
#define HOST_BYTES_MAX 253u
#define WANT_NAME                                                            \
	"expected a name and a port such as app.internal:8080, or one that " \
	"SRV records are asked of, such as srv:app.internal or "             \
	"_http._tcp.app.internal"

bool
read_localhost(const char *host)
{
	static const char tail[] = "localhost";
	size_t n = strlen(host), k = sizeof tail - 1;

	if (n > 0 && host[n - 1] == '.')
		n--;
	return n >= k && strncasecmp(host + n - k, tail, k) == 0 &&
	       (n == k || host[n - k - 1] == '.');
}

bool
read_host_name(const char *host)
{
	size_t n = strlen(host);
	char copy[HOST_BYTES_MAX + 1];
	const char *last;

	if (n > 1 && host[n - 1] == '.')
		n--;
	if (n == 0 || n > HOST_BYTES_MAX)
		return false;
	memcpy(copy, host, n);
	copy[n] = '\0';
	if (!read_labels(copy))
		return false;
	last = strrchr(copy, '.');
	last = last != NULL ? last + 1 : copy;
	return last[strspn(last, "0123456789")] != '\0';
}

static void
refuse(struct errors *e, const struct node *value, const char *expected)
{
	char found[OPT_QUOTE_MAX];

	opt_quote(span_of(value->text), found, sizeof found);
	errors_add(e, value->at, "%s, found %s", expected, found);
}

static void
take(struct errors *e, const struct node *value, const char *host,
    uint16_t port, struct pod_name *name)
{
	if (read_localhost(host)) {
		refuse(e, value,
		    "expected the address 127.0.0.1 or [::1], which no name "
		    "server is asked for");
		return;
	}
	name->text = read_copy(e, value->text);
	name->host = read_copy(e, host);
	name->port = port;
}

static bool
read_srv(struct errors *e, const struct node *value, const char *host,
    struct pod_name *name)
{
	if (read_host_name(host))
		take(e, value, host, 0, name);
	else
		refuse(e, value, WANT_NAME);
	return true;
}

bool
read_pod_name(struct errors *e, const struct node *value, struct pod_name *name)
{
	const char *text = value->text, *colon = strrchr(text, ':');
	char *host;
	uint64_t port;

	if (strncmp(text, SRV, sizeof SRV - 1) == 0)
		return read_srv(e, value, text + sizeof SRV - 1, name);
	if (colon == NULL && text[0] == '_')
		return read_srv(e, value, text, name);
	if (colon == NULL && !read_host_name(text))
		return false;
	if (colon == NULL) {
		refuse(e, value, WANT_NAME);
		return true;
	}
	host = strndup(text, (size_t)(colon - text));
	if (host == NULL) {
		errors_no_memory(e);
		return true;
	}
	if (!read_host_name(host)) {
		free(host);
		return false;
	}
	if (opt_parse(OPT_COUNT, span_of(colon + 1), &port) && port >= 1 &&
	    port <= UINT16_MAX)
		take(e, value, host, (uint16_t)port, name);
	else
		refuse(e, value,
		    "expected a port from 1 to 65535 behind the name");
	free(host);
	return true;
}

static int
name_order(const void *va, const void *vb)
{
	const struct node *const *a = va, *const *b = vb;
	int order = strcasecmp((*a)->text, (*b)->text);

	if (order != 0 || (*a)->at.line == (*b)->at.line)
		return order != 0 ? order
				  : (int)(*a)->at.column - (int)(*b)->at.column;
	return (*a)->at.line < (*b)->at.line ? -1 : 1;
}

/* The scalar that says where a pod is. */
static const struct node *
written(const struct node *pod)
{
	return pod->kind == NODE_MAP ? node_get(pod, "address") : pod;
}

static void
check_duplicates(struct errors *e, const struct node **list, size_t n)
{
	const struct node **first = list;

	if (n > 0)
		qsort(list, n, sizeof(struct node *), name_order);
	for (const struct node **m = list + 1; n > 1 && m < list + n; m++) {
		if (strcasecmp((*m)->text, (*first)->text) != 0)
			first = m;
		else
			errors_add(e, (*m)->at,
			    "duplicate name \"%s\", first on line %u",
			    (*m)->text, (*first)->at.line);
	}
}

void
check_pod_names(
    struct errors *e, const struct node *pods, const struct version_spec *v)
{
	const struct node **list;
	const struct node *pod = pods->first;
	size_t n = 0;

	if (v->nnames == 0)
		return;
	list = calloc(v->nnames, sizeof(struct node *));
	if (list == NULL) {
		errors_no_memory(e);
		return;
	}
	for (size_t i = 0; i < v->npods && n < v->nnames; i++, pod = pod->next)
		if (v->pods[i].len == 0 && written(pod) != NULL &&
		    written(pod)->kind == NODE_SCALAR &&
		    strcmp(written(pod)->text, v->names[n].text) == 0)
			list[n++] = written(pod);
	check_duplicates(e, list, n);
	free(list);
}

void
squeeze_pods(struct version_spec *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->npods; i++) {
		if (v->pods[i].len == 0)
			continue;
		v->pods[n] = v->pods[i];
		v->pod_weights[n++] = v->pod_weights[i];
	}
	v->npods = n;
	if (v->nnames == 0) {
		free(v->names);
		v->names = NULL;
	}
}
