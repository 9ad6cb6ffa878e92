/* SPDX-License-Identifier: MIT */
/*
 * ASSERT: what cannot be false unless this program is wrong.  Always on.
 * Never used for bytes from outside: those get an error, a close code and a
 * counter.
 */
#ifndef WSSD_COMMON_ASSERT_H
#define WSSD_COMMON_ASSERT_H

#define ASSERT(cond)                                                         \
	((cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__, __func__))

_Noreturn void assert_failed(const char *cond, const char *file, int line,
    const char *func);

#endif
