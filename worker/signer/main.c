/* SPDX-License-Identifier: MIT */
/*
 * wssd-signer: started by wssd, never by hand.  Its descriptor 3 is the
 * channel to the master, from which it gets everything else.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "common/chan.h"
#include "common/count.h"
#include "common/log.h"
#include "worker/signer/signer.h"

#define CHANNEL 3

/*
 * Whoever asks goes on until it has nothing else to do, instead of giving the
 * CPU to the signer at every question: what several asked is then answered at
 * a stretch (measured, on one CPU: 0.4 to 0.9 context switches a handshake
 * less, and 10 to 20 us of 400).  A signer whose CPU is idle begins at once,
 * as before.  Somebody who chose another class for all of us is right.
 */
static void
let_askers_go_on(void)
{
	const struct sched_param none = { 0 };

	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

int
main(void)
{
	/* The master decides what signals to the whole group mean. */
	static const int ignored[] = {
		SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2,
		SIGWINCH,
	};

	if (!chan_is_one(CHANNEL)) {
		fprintf(stderr, "wssd-signer is started by wssd\n");
		return 2;
	}
	for (size_t i = 0; i < COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	let_askers_go_on();
	log_set_tag("signer");
	return signer_run(CHANNEL);
}
