/* SPDX-License-Identifier: MIT */
/*
 * What `wssctl doctor' says: a line on stdout for each finding.  wssd-tool
 * says its part in the same way.
 */
#ifndef WSSD_COMMON_FINDINGS_H
#define WSSD_COMMON_FINDINGS_H

#include <stdbool.h>

enum finding {
	FINDING_OK,
	FINDING_WARN,		/* some would complain, or will soon */
	FINDING_FAIL		/* it does not work for many, or is unsafe */
};

struct findings {
	unsigned warned, failed;
};

/* A line: its text is one line, with nothing from outside unescaped. */
void findings_add(struct findings *, enum finding, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
