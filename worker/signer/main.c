/* SPDX-License-Identifier: MIT */
/*
 * wssd-signer: started by wssd, never by hand.  Its descriptor 3 is the
 * channel to the master, from which it gets everything else.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "common/chan.h"
#include "common/count.h"
#include "common/log.h"
#include "worker/signer/signer.h"

#define CHANNEL 3

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
	log_set_tag("signer");
	return signer_run(CHANNEL);
}
