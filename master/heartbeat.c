/* SPDX-License-Identifier: MIT */
/*
 * Is a worker's event loop still turning?  A PING a second; one that does
 * not answer gets SIGABRT (its core shows where it hangs), then SIGKILL.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "master/proc_parts.h"

/*
 * Stopped by a signal or a debugger: proc(5), the field behind the name,
 * which may itself contain blanks and parentheses.
 */
static bool
is_stopped(pid_t pid)
{
	char path[64], text[512];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' &&
	    (end[2] == 'T' || end[2] == 't');
}

static void
ping(struct proc *p, uint64_t now_ms)
{
	p->ping_ms = now_ms;
	p->ping_id++;
	proc_tell_ping(p);
}

static void
on_silence(struct proc *p, uint64_t now_ms, uint64_t timeout_ms)
{
	char route[METRICS_NAME + 32], text[ERR_TEXT_MAX];

	if (is_stopped(p->child.pid)) {
		if (!p->stopped)
			log_warn("%s does not answer because it is stopped "
			    "(SIGSTOP or a debugger): left alone", p->name);
		p->stopped = true;
		return;
	}
	if (p->stopped) {
		/* It goes on: a new period, for the PING it still has. */
		log_info("%s goes on", p->name);
		p->stopped = false;
		p->ping_ms = now_ms;
		return;
	}
	proc_name_route(p, route, sizeof(route));
	snprintf(text, sizeof(text), "%s did not answer for %g s%s: killed",
	    p->name, (double)timeout_ms / 1000, route[0] == '\0' ? "" : route);
	log_error("%s", text);
	proc_set_text(p, text);
	proc_kill(p, SIGABRT);
}

void
proc_heartbeat(struct proc *p, uint64_t now_ms, uint64_t timeout_ms)
{
	if (p->chan_closed || p->state < PROC_RUNNING)
		return;
	/* It may take a while to load all that the config names: the job
	   that waits for it has a limit of its own. */
	if (p->state == PROC_PREPARING) {
		if (p->ping_ms != 0)
			p->ping_ms = now_ms;
		return;
	}
	if (p->ping_ms == 0) {
		if (p->stopped)
			log_info("%s goes on", p->name);
		p->stopped = false;
		ping(p, now_ms);
	} else if (timeout_ms > 0 && now_ms - p->ping_ms >= timeout_ms) {
		on_silence(p, now_ms, timeout_ms);
	}
}
