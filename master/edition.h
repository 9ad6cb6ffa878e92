/* SPDX-License-Identifier: MIT */
/*
 * One configuration as the master hands it out: the parsed settings, the
 * text in a sealed memfd, the files it names, opened, and the addresses of
 * the upstreams it names.  Immutable and
 * shared by reference: a worker that drains keeps the one it runs under.
 */
#ifndef WSSD_MASTER_EDITION_H
#define WSSD_MASTER_EDITION_H

#include <stdint.h>
#include <time.h>

#include "common/config.h"
#include "common/files.h"
#include "common/proto.h"
#include "master/names.h"

struct edition {
	unsigned refs;
	uint32_t generation;	/* never used twice, also after a failure */
	time_t loaded_at;
	struct config *config;
	struct files files;
	struct names names;	/* of upstreams */
	int bundle_fd;		/* what PREPARE carries */
	struct proto_tickets ticket_keys;	/* of ticket_key_file; n = 0 */
	int *public_fds;	/* of files: without private keys; -1 where
				   the file has none.  NULL: no isolation */
	struct signer *signer;	/* has the private keys; NULL: the workers */
};

/*
 * Reads and checks the file, opens all it names, looks up the names of
 * upstreams (which may take seconds).  NULL: errors has every
 * line that is wrong.
 */
struct edition *edition_load(const char *path, uint32_t generation,
    struct config_errors *);
/*
 * The same config with its files opened again, but for the modules: these
 * stay those that are in use.
 */
struct edition *edition_renew(const struct edition *, uint32_t generation,
    struct config_errors *);
/*
 * What a worker gets of a file: the file, a copy without private keys, or -1:
 * nothing.
 */
int edition_worker_fd(const struct edition *, const struct file *);
/*
 * How much longer than usual a worker may take to load it: it has so many
 * certificates.
 */
uint64_t edition_extra_ms(const struct edition *);
struct edition *edition_ref(struct edition *);
void edition_unref(struct edition *);

#endif
