/* SPDX-License-Identifier: MIT */
/*
 * A daemon that systemd supervises is started and stopped by systemd, so
 * that the two never disagree about what should run.
 */
#include <unistd.h>

#include "common/count.h"
#include "master/ctl.h"

static bool
unit_is_installed(void)
{
	static const char *const paths[] = {
		"/etc/systemd/system/wssd.service",
		"/run/systemd/system/wssd.service",
		"/usr/local/lib/systemd/system/wssd.service",
		"/lib/systemd/system/wssd.service",
		"/usr/lib/systemd/system/wssd.service",
	};

	for (size_t i = 0; i < COUNT(paths); i++)
		if (access(paths[i], F_OK) == 0)
			return true;
	return false;
}

bool
ctl_is_systemds(const struct ctl *ctl)
{
	return !ctl->direct && ctl->default_config && geteuid() == 0 &&
	    access("/run/systemd/system", F_OK) == 0 && unit_is_installed();
}

int
ctl_systemctl(const char *verb)
{
	const char *argv[] = { "systemctl", verb, "wssd.service", NULL };
	int code = ctl_run("systemctl", argv, false);

	if (code != CTL_OK)
		ctl_say("systemctl %s wssd.service failed; `journalctl -u "
		    "wssd' says why", verb);
	return code == CTL_OK ? CTL_OK : CTL_GENERIC;
}
