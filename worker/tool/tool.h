/* SPDX-License-Identifier: MIT */
/*
 * wssd-tool: what wssctl needs OpenSSL for.  A program of its own, so that
 * neither wssctl nor the master takes certificates apart.  It runs as whoever
 * runs wssctl, for the time of one command; wssd never starts it.
 */
#ifndef WSSD_WORKER_TOOL_TOOL_H
#define WSSD_WORKER_TOOL_TOOL_H

enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* The commands: their arguments are argv[0..argc-1]; return the exit code. */
int tool_dev_cert(int argc, char **argv);
int tool_probe(int argc, char **argv);

#endif
