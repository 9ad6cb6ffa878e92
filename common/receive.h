/* SPDX-License-Identifier: MIT */
/* Messages of the master that the worker and the signer take alike. */
#ifndef WSSD_COMMON_RECEIVE_H
#define WSSD_COMMON_RECEIVE_H

#include <stdbool.h>

#include "common/chan.h"
#include "common/files.h"

/*
 * False: the message is malformed, and its descriptor still the message's.
 * Else it is taken out of the message.
 */

/* LOG: from now on the log goes there.  *fd is what was in use, or -1. */
bool receive_log(struct chan_message *, int *fd);
/* FILE: one more of the files of the next PREPARE. */
bool receive_file(struct chan_message *, struct files *);

#endif
