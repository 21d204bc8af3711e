/* Where each service's rollout stands, and how those before it ended. */
#include "admin/metrics_rollout.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/label.h"
#include "admin/metrics_lines.h"
#include "control/control.h"
#include "control/rollouts.h"
#include "router/plan.h"

struct row {
	char *service; /* as a label; NULL = it has none */
	struct rollout_view view;
	uint64_t ended[ROLLOUT_PHASE_COUNT];
};

static void
write_phases(struct evbuffer *out, const char *name, const struct row *r)
{
	for (unsigned p = 0; p < ROLLOUT_PHASE_COUNT; p++)
		evbuffer_add_printf(out, "%s{service=\"%s\",phase=\"%s\"} %d\n",
		    name, r->service, rollout_phase_name((enum rollout_phase)p),
		    r->view.phase == (enum rollout_phase)p);
}

static void
write_step(struct evbuffer *out, const char *name, const struct row *r)
{
	evbuffer_add_printf(
	    out, "%s{service=\"%s\"} %u\n", name, r->service, r->view.step);
}

static void
write_ended(struct evbuffer *out, const char *name, const struct row *r)
{
	for (unsigned p = 0; p < ROLLOUT_PHASE_COUNT; p++)
		if (rollout_phase_over((enum rollout_phase)p))
			evbuffer_add_printf(out,
			    "%s{service=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
			    name, r->service,
			    rollout_phase_name((enum rollout_phase)p),
			    r->ended[p]);
}

static const struct family {
	const char *name, *type, *help;
	void (*write)(
	    struct evbuffer *out, const char *name, const struct row *r);
} families[] = {
    {"shunt_rollout_phase", "gauge",
	"1 for the phase that the service's last rollout is in.", write_phases},
    {"shunt_rollout_step", "gauge",
	"The step that it has reached, 0 where it has none.", write_step},
    {"shunt_rollouts_total", "counter",
	"Rollouts that ended so, since the start of the process.", write_ended},
};

static bool
row_read(struct row *row, struct rollouts *rollouts, const char *service)
{
	if (!rollouts_last(rollouts, service, &row->view))
		return true;
	for (unsigned p = 0; p < ROLLOUT_PHASE_COUNT; p++)
		row->ended[p] =
		    rollouts_ended(rollouts, service, (enum rollout_phase)p);
	row->service = label_escape(service);
	return row->service != NULL;
}

bool
metrics_rollout(struct evbuffer *out, struct control *control)
{
	const struct plan *plan = control_plan(control);
	struct row *rows = calloc(plan->nservices + 1, sizeof *rows);
	bool read = rows != NULL, any = false;

	for (size_t i = 0; read && i < plan->nservices; i++) {
		read = row_read(&rows[i], control_rollouts(control),
		    plan->services[i]->name);
		any |= rows[i].service != NULL;
	}
	for (size_t f = 0; any && f < sizeof families / sizeof families[0];
	     f++) {
		metrics_head(
		    out, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < plan->nservices; i++)
			if (rows[i].service != NULL)
				families[f].write(
				    out, families[f].name, &rows[i]);
	}
	for (size_t i = 0; rows != NULL && i < plan->nservices; i++)
		free(rows[i].service);
	free(rows);
	return read;
}
