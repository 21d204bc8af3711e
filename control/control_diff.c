/* What is in force beside the config file: as it was loaded, and as it is. */
#include "base/check.h"
#include "conf/conf.h"
#include "control/control.h"
#include "control/control_state.h"
#include "control/diff.h"
#include "control/pods.h"
#include "control/publish.h"
#include "control/rollouts.h"

static const struct pod_set *
pods_of(void *arg, const char *service, const char *version)
{
	struct control *c = arg;

	return pods_set(c->pods, service, version);
}

static bool
rollout_of(void *arg, const char *service, struct rollout_view *view)
{
	struct control *c = arg;

	return rollouts_running(c->rollouts, service) &&
	       rollouts_last(c->rollouts, service, view);
}

struct diff *
control_diff(struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return diff_new(&(struct diff_parts){
	    .file = publish_conf(c->publish)->spec,
	    .plan = publish_current(c->publish),
	    .pods = pods_of,
	    .rollout = rollout_of,
	    .arg = c,
	});
}

bool
control_file_changed(struct control *c, struct conf_errors *errors)
{
	uint64_t now;

	CHECK_OBJ(c, CONTROL_MAGIC);
	if (conf_digest(c->config_path, &now) &&
	    now == publish_conf(c->publish)->digest)
		return false;
	conf_free(conf_load(c->config_path, errors));
	return true;
}

const char *
control_file(const struct control *c)
{
	CHECK_OBJ(c, CONTROL_MAGIC);
	return c->config_path;
}
