/* SPDX-License-Identifier: MIT */
/*
 * wssctl restart: stop, then start, after the config has been checked: a
 * mistake in it does not take the running daemon down.
 */
#include <stdio.h>

#include "master/ctl.h"

/* 256 workers, each with all the time it may take to become ready. */
#define ROLLING_WITHIN_MS (256 * 30000ull)

static int
roll(const struct ctl *ctl)
{
	json_t *root = NULL;
	int code = ctl_ask(ctl, "restart rolling",
	    ctl_timeout(ctl, ROLLING_WITHIN_MS), &root);

	if (code == CTL_OK)
		printf("all workers have been replaced\n");
	json_decref(root);
	return code;
}

static int
run(const struct ctl *ctl)
{
	int code;

	if (ctl->options & CTL_OPT_ROLLING)
		return roll(ctl);
	code = ctl_check_file(ctl, ctl->config_path, true);
	if (code != CTL_OK) {
		ctl_say("nothing was restarted");
		return code;
	}
	if (ctl_is_systemds(ctl))
		return ctl_systemctl("restart");
	code = ctl_stop_run(ctl);
	return code == CTL_OK ? ctl_start_run(ctl) : code;
}

const struct ctl_command ctl_restart = {
	"restart", "[--rolling]", CTL_OPT_ROLLING, 0,
	"check the config, stop and start; --rolling replaces the workers\n"
	"        one by one, nobody is refused",
	run
};
