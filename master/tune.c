/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Run by the master, before it starts any process. */
#include "master/tune.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define VARIABLE "GLIBC_TUNABLES"
#define TUNABLE "glibc.cpu.x86_rep_movsb_threshold"
#define NEVER "1073741824"	/* bytes in one copy */

static bool
copies_slowly(void)
{
#if defined(__x86_64__) && defined(__GLIBC__)
	__builtin_cpu_init();
	return __builtin_cpu_is("amd");
#else
	return false;
#endif
}

void
tune_copying(void)
{
	const char *old = getenv(VARIABLE);
	char *all;

	if (old == NULL)
		old = "";
	if (!copies_slowly() || strstr(old, TUNABLE) != NULL)
		return;
	all = xasprintf("%s%s" TUNABLE "=" NEVER, old,
	    old[0] == '\0' ? "" : ":");
	setenv(VARIABLE, all, 1);
	free(all);
}
