/* Making what a listener offers, out of its settings. */
#include "proxy/greeting.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/tls_server.h"

struct greeting *
greeting_new(const struct listen_settings *settings, char *why, size_t why_size)
{
	struct greeting *g = calloc(1, sizeof *g);
	char *hsts;

	snprintf(why, why_size, "out of memory");
	if (g == NULL)
		return NULL;
	g->holders = 1;
	g->http2 = settings->http2;
	g->redirect_port = settings->redirect_port;
	if (settings->hsts != NULL) {
		hsts = strdup(settings->hsts);
		if (hsts == NULL)
			goto fail;
		g->hsts = span_of(hsts);
	}
	if (settings->tls == NULL)
		return g;
	g->tls = tls_server_new(settings->tls, settings->http2,
	    settings->address.text, why, why_size);
	if (g->tls != NULL)
		return g;
fail:
	greeting_drop(g);
	return NULL;
}

struct greeting *
greeting_hold(struct greeting *g)
{
	atomic_fetch_add_explicit(&g->holders, 1, memory_order_relaxed);
	return g;
}

void
greeting_drop(struct greeting *g)
{
	if (g == NULL ||
	    atomic_fetch_sub_explicit(&g->holders, 1, memory_order_acq_rel) > 1)
		return;
	tls_server_drop(g->tls);
	free((void *)(uintptr_t)g->hsts.p);
	free(g);
}
