/* SPDX-License-Identifier: MIT */
/*
 * The private keys of one config, found by the digest of their public half.
 */
#ifndef WSSD_WORKER_SIGNER_KEYS_H
#define WSSD_WORKER_SIGNER_KEYS_H

#include <stddef.h>

#include "common/config.h"
#include "common/err.h"
#include "common/files.h"
#include "common/proto.h"
#include "common/proto_sign.h"

struct keys;

/*
 * Makes room for the keys in memory that is neither swapped nor dumped.
 * Before the process is confined, and once.
 */
void keys_prepare_memory(const struct config *);

/* Loads the key of every context; NULL: err says which and why. */
struct keys *keys_load(const struct config *, const struct files *,
    struct err *);
void keys_free(struct keys *);

/*
 * Signs what a TLS server signs.  What is something else, of another key, or
 * not possible with this key, gets an answer of length 0.
 */
void keys_sign(struct keys *, const struct proto_sign *,
    struct proto_signed *out);

#endif
