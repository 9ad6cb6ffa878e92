/* SPDX-License-Identifier: MIT */
/*
 * wssd-signer: started by wssd, never by hand.  Its descriptor 3 is the
 * channel to the master, from which it gets everything else.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/log.h"
#include "worker/signer/signer.h"

#define CHANNEL 3

static bool
is_channel(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET;
}

int
main(void)
{
	/* The master decides what signals to the whole group mean. */
	static const int ignored[] = {
		SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2,
		SIGWINCH,
	};

	if (!is_channel(CHANNEL)) {
		fprintf(stderr, "wssd-signer is started by wssd\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_set_tag("signer");
	return signer_run(CHANNEL);
}
