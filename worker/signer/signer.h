/* SPDX-License-Identifier: MIT */
/*
 * wssd-signer: has the private keys of one config and signs for the workers.
 * It hears the master and one channel a worker, and ends with the master's.
 */
#ifndef WSSD_WORKER_SIGNER_SIGNER_H
#define WSSD_WORKER_SIGNER_SIGNER_H

/* chan is the channel to the master.  The exit status. */
int signer_run(int chan);

#endif
