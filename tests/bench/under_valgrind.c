/* SPDX-License-Identifier: MIT */
/*
 * Stands in wssd-worker's place beside a copy of wssd and runs the real one,
 * BENCH_WORKER, under callgrind; its counts go to BENCH_COUNTS.  A dump is
 * written whenever the worker is asked for its connections: so `wssctl
 * connections' ends one measurement and begins the next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
main(void)
{
	const char *worker = getenv("BENCH_WORKER");
	const char *counts = getenv("BENCH_COUNTS");
	char out[512];

	if (worker == NULL || counts == NULL)
		return 127;
	snprintf(out, sizeof(out), "--callgrind-out-file=%s", counts);
	execlp("valgrind", "valgrind", "-q", "--tool=callgrind",
	    "--dump-before=query_connections", out, worker, (char *)NULL);
	return 127;
}
