/* SPDX-License-Identifier: MIT */
/*
 * `wssd --check': everything a start would do, short of doing it.  A
 * throw-away worker loads the certificates and modules; nothing on the
 * system is touched, and a running daemon is not disturbed.
 */
#ifndef WSSD_MASTER_CHECK_H
#define WSSD_MASTER_CHECK_H

/* Prints "FILE: ok", or all that is wrong on stderr: the exit code. */
int check_run(const char *config_path);

#endif
