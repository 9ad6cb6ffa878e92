/* SPDX-License-Identifier: MIT */
/* Owns nothing. */
#include "common/findings.h"

#include <stdarg.h>
#include <stdio.h>

void
findings_add(struct findings *f, enum finding kind, const char *fmt, ...)
{
	static const char *const words[] = { "OK", "WARN", "FAIL" };
	va_list ap;

	f->warned += kind == FINDING_WARN;
	f->failed += kind == FINDING_FAIL;
	printf("%-4s  ", words[kind]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}
