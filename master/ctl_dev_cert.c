/* SPDX-License-Identifier: MIT */
/* wssctl dev-cert: everything is done by wssd-tool, which has OpenSSL. */
#include <string.h>

#include "master/ctl.h"

#define NAMES_MAX 64

static int
run(const struct ctl *ctl)
{
	/* wssd-tool dev-cert DIR NAMES NULL */
	const char *argv[NAMES_MAX + 4] = { NULL, "dev-cert",
		ctl->dir != NULL ? ctl->dir : "wssd-dev" };

	memcpy(argv + 3, ctl->words, ctl->n_words * sizeof(argv[0]));
	return ctl_run_tool(argv);
}

const struct ctl_command ctl_dev_cert = {
	"dev-cert", "[--dir DIR] [NAME...]", CTL_OPT_DIR, NAMES_MAX,
	"make a development CA, unless DIR has one, and a certificate for\n"
	"        the names (localhost); say how to trust it",
	run
};
