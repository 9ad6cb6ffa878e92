/* SPDX-License-Identifier: MIT */
/* wssctl reload, reopen: what changes a running daemon. */
#include <stdio.h>

#include "master/ctl.h"

#define RELOAD_WITHIN_MS 300000
#define REOPEN_WITHIN_MS 10000

static int
run_reload(const struct ctl *ctl)
{
	json_t *root = NULL, *notice;
	size_t i;
	int code = ctl_ask(ctl, "reload", ctl_timeout(ctl, RELOAD_WITHIN_MS),
	    &root);

	if (code != CTL_OK)
		return code;
	json_array_foreach(json_object_get(root, "notices"), i, notice)
		ctl_say("%s", json_string_value(notice));
	printf("reloaded: generation %lld\n", (long long)json_integer_value(
	    json_object_get(root, "generation")));
	json_decref(root);
	return CTL_OK;
}

static int
run_reopen(const struct ctl *ctl)
{
	json_t *root = NULL;
	int code = ctl_ask(ctl, "reopen", ctl_timeout(ctl, REOPEN_WITHIN_MS),
	    &root);

	json_decref(root);
	return code;
}

const struct ctl_command ctl_reload = {
	"reload", "", 0, 0,
	"read the config again; on any error the old one stays in use",
	run_reload
};

const struct ctl_command ctl_reopen = {
	"reopen", "", 0, false, "open the log anew, after a rotation",
	run_reopen
};
