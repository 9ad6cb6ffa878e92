/* SPDX-License-Identifier: MIT */
/* wssctl check, config: what needs no running daemon. */
#include <stdio.h>
#include <stdlib.h>

#include "common/settings.h"
#include "master/ctl.h"

int
ctl_check_file(const struct ctl *ctl, const char *file, bool quiet)
{
	const char *argv[] = { "wssd", "--check", "--config", file, NULL };
	char *path = ctl_beside("wssd");
	int code;

	(void)ctl;
	code = ctl_run(path, argv, quiet);
	free(path);
	return code;
}

static int
run_check(const struct ctl *ctl)
{
	return ctl_check_file(ctl, ctl->n_words > 0 ? ctl->words[0] :
	    ctl->config_path, false);
}

static int
run_config(const struct ctl *ctl)
{
	if ((ctl->options & CTL_OPT_DEFAULTS) == 0) {
		ctl_say("say `wssctl config --defaults'");
		return CTL_USAGE;
	}
	settings_print_defaults(stdout);
	return CTL_OK;
}

const struct ctl_command ctl_check = {
	"check", "[FILE]", 0, 1,
	"try the config, its certificates and modules; touches nothing",
	run_check
};

const struct ctl_command ctl_config = {
	"config", "--defaults", CTL_OPT_DEFAULTS, 0,
	"print a complete config with all keys and their defaults",
	run_config
};
