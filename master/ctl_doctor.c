/* SPDX-License-Identifier: MIT */
/*
 * wssctl doctor: what clients would complain about, and what will be in the
 * way tomorrow.  Changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/config.h"
#include "master/ctl_doctor.h"

#define ANSWER_WITHIN_MS 5000

static void
load_config(struct doctor *d)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	const char *path = d->ctl->config_path;

	d->config = config_load(path, &errors);
	for (size_t i = 0; i < errors.n; i++)
		findings_add(&d->findings, FINDING_FAIL, "%s",
		    errors.items[i]);
	if (d->config != NULL)
		findings_add(&d->findings, FINDING_OK, "%s can be read; "
		    "wssctl check tries it", path);
	config_errors_done(&errors);
}

/* Its errors, a line each. */
static void
say_last_error(struct doctor *d)
{
	const char *text = json_string_value(json_object_get(json_object_get(
	    d->status, "config"), "last_error"));
	char *copy, *rest, *line;

	if (text == NULL)
		return;
	copy = rest = xstrdup(text);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			findings_add(&d->findings, FINDING_FAIL, "the last "
			    "reload failed: %s", line);
	free(copy);
}

static void
ask(struct doctor *d, int fd)
{
	struct buf answer = BUF_INIT;
	struct err err = ERR_INIT;

	if (ctlsock_ask_all(fd, "status", ctl_timeout(d->ctl,
	    ANSWER_WITHIN_MS), &answer, &err) == 0)
		d->status = json_loadb((const char *)answer.data, answer.len,
		    0, NULL);
	if (d->status == NULL)
		findings_add(&d->findings, FINDING_FAIL, "wssd (pid %d) runs, "
		    "but does not answer: %s", (int)d->pid,
		    err.text[0] != '\0' ? err.text : "nonsense");
	else
		findings_add(&d->findings, FINDING_OK, "wssd runs, pid %d",
		    (int)d->pid);
	buf_done(&answer);
}

static void
find_daemon(struct doctor *d)
{
	char *run_dir = ctl_run_dir(d->ctl);
	struct err err = ERR_INIT;
	int fd;

	switch (ctlsock_connect(run_dir, &fd, &d->pid, &err)) {
	case CTLSOCK_OK:
		ask(d, fd);
		close(fd);
		say_last_error(d);
		break;
	case CTLSOCK_NOT_RUNNING:
		d->pid = ctl_lock_holder(run_dir);
		findings_add(&d->findings, FINDING_FAIL, d->pid == 0 ?
		    "wssd is not running" : "wssd (pid %d) runs, but cannot "
		    "be reached in %s", (int)d->pid, run_dir);
		break;
	default:
		d->pid = ctl_lock_holder(run_dir);
		findings_add(&d->findings, FINDING_WARN, "wssd cannot be "
		    "asked, so less is seen: %s", err.text);
	}
	free(run_dir);
}

static int
run(const struct ctl *ctl)
{
	struct doctor d = { .ctl = ctl };

	if (ctl->ca != NULL && access(ctl->ca, R_OK) != 0) {
		ctl_say("cannot read %s: %s", ctl->ca, strerror(errno));
		return CTL_GENERIC;
	}
	load_config(&d);
	find_daemon(&d);
	if (d.config != NULL) {
		doctor_addresses(&d);
		doctor_files(&d);
		doctor_limits(&d);
	}
	config_unref(d.config);
	json_decref(d.status);
	if (fflush(stdout) != 0)
		return CTL_GENERIC;
	return d.findings.failed > 0 ? CTL_GENERIC : CTL_OK;
}

const struct ctl_command ctl_doctor = {
	"doctor", "[--ca FILE]", CTL_OPT_CA, 0,
	"connect as clients do, and say what they would complain about;\n"
	"        --ca FILE: they trust these CAs, too",
	run
};
