/* SPDX-License-Identifier: MIT */
/*
 * wssd-worker: started by wssd, never by hand.  Its descriptor 3 is the
 * channel to the master, from which it gets everything else.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/chan.h"
#include "common/count.h"
#include "common/log.h"
#include "worker/fetched.h"
#include "worker/pool.h"
#include "worker/worker.h"

#define CHANNEL 3

/*
 * The master died.  The loop sees the end of the channel and closes in good
 * order; a loop that is stuck in a handler does not come to that, so the
 * alarm ends the process, and with it its hold on the port.
 */
static void
on_parent_death(int signal_number)
{
	unsigned left;

	(void)signal_number;
	/* The loop may have seen it first, and have set its own time. */
	left = alarm(1);
	if (left > 0)
		alarm(left);
}

static void
set_signals(void)
{
	/* A terminal's Ctrl-C and a careless killall reach the whole group:
	   the master decides what they mean. */
	static const int ignored[] = {
		SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1,
		SIGWINCH,
	};

	for (size_t i = 0; i < COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGUSR2, on_parent_death);
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
}

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (!chan_is_one(CHANNEL)) {
		fprintf(stderr, "wssd-worker is started by wssd\n");
		return 2;
	}
	log_set_tag("worker");
	pool_install();
	fetched_begin();
	set_signals();
	return worker_run(CHANNEL);
}
