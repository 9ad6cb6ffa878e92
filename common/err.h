/* SPDX-License-Identifier: MIT */
/*
 * The reason of a failure, in one sentence for a person.
 *
 * A function that can fail returns 0 or -1 (or NULL) and takes a
 * `struct err *` as its last parameter, where it leaves the reason.  The
 * pointer may be NULL when the caller does not want it.  Nothing in here
 * allocates, so an err can live on the stack and be copied.
 */
#ifndef WSSD_COMMON_ERR_H
#define WSSD_COMMON_ERR_H

#define ERR_TEXT_MAX 512

struct err {
	char text[ERR_TEXT_MAX];	/* always terminated; "" = no reason */
};

#define ERR_INIT { { 0 } }

/* Sets the reason; returns -1, so that `return err_set(...)` reads well. */
int err_set(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with ": strerror(errno)" behind it; errno is kept. */
int err_set_errno(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "text: " in front of the reason that is there; returns -1. */
int err_prefix(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
