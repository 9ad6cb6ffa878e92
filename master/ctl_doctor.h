/* SPDX-License-Identifier: MIT */
/* wssctl doctor: its parts. */
#ifndef WSSD_MASTER_CTL_DOCTOR_H
#define WSSD_MASTER_CTL_DOCTOR_H

#include "common/config.h"
#include "common/findings.h"
#include "master/ctl.h"

struct doctor {
	const struct ctl *ctl;
	struct config *config;		/* of the file; NULL: it is wrong */
	pid_t pid;			/* of the running daemon; 0 = none */
	json_t *status;			/* what it says; or NULL */
	struct findings findings;
};

/* --- ctl_doctor_net.c: connects to every address, or tries to have it. --- */

void doctor_addresses(struct doctor *);

/* --- ctl_doctor_port.c --- */

/*
 * Who listens where this address would be: "nginx (pid 12)", or what is known
 * of it.  -1: nobody is found.
 */
int doctor_port_user(const struct addr *, char *out, size_t size);

/* --- ctl_doctor_system.c --- */

/* Keys and certificates: who can read and write them. */
void doctor_files(struct doctor *);
/* Descriptors, and the queue of a listening socket. */
void doctor_limits(struct doctor *);

#endif
