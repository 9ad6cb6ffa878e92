/* SPDX-License-Identifier: MIT */
/*
 * The process that has the private keys of one edition.  It is started
 * before the workers are given that edition, is started again when it dies,
 * and ends with the edition.
 */
#ifndef WSSD_MASTER_SIGNER_H
#define WSSD_MASTER_SIGNER_H

#include <stdbool.h>

#include "master/edition.h"
#include "master/proc.h"

struct signer;

/* How its start went; text: what is wrong, a line each. */
struct signer_verdict {
	bool ok, config_failed;
	const char *text;
};

/* Whether a config has keys that a signer has to have. */
bool signer_is_needed(const struct config *);

/*
 * Starts the edition's signer, which becomes the edition's.  done is called
 * once, later, unless the edition has ended before.  -1: it could not be
 * started, and done is not called.
 */
int signer_start(struct proc_world *, struct edition *,
    void (*done)(void *arg, const struct signer_verdict *), void *arg,
    struct err *);

/*
 * A worker's end of a new channel to the signer, or of one that has ended
 * when the signer is just not there; -1: out of descriptors.
 */
int signer_channel(struct signer *);

/*
 * Its edition is gone.  Handshakes that are under way with it still get their
 * signatures, unless at_once.
 */
void signer_end(struct signer *, bool at_once);
/* Only when the program ends: all of them, without waiting. */
void signers_free(struct proc_world *);

/* The log was opened anew. */
void signers_send_log(struct proc_world *);

/* Whether the process is one of them. */
bool signers_have(const struct proc_world *, pid_t);

struct signer_info {
	pid_t pid;			/* 0: just not there */
	unsigned restarts;
	const char *last_death;		/* or NULL */
};

struct signer_info signer_info(const struct signer *);

#endif
