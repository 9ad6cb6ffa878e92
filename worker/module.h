/* SPDX-License-Identifier: MIT */
/*
 * Handlers by name: the built-in ones, and shared objects loaded through the
 * descriptors that the master opened.
 */
#ifndef WSSD_WORKER_MODULE_H
#define WSSD_WORKER_MODULE_H

#include <wssd/handler.h>

#include "common/config.h"
#include "common/err.h"
#include "common/files.h"

struct module {
	struct module *next;
	char *path;
	void *dl;
	const struct wss_handler *handler;
};

struct modules {
	struct module *first;
};

/*
 * Loads every module of the config, once for each path.  Must run before the
 * worker gives up its root directory: the loader opens the libraries a
 * module needs by their names.  -1: no such symbol, another ABI, or what the
 * loader says.
 */
int modules_load(struct modules *, const struct config *,
    const struct files *, struct err *);
/* Never unloads code: a callback may still point into it. */
void modules_done(struct modules *);

/* The handler of a route; NULL with a reason. */
const struct wss_handler *module_handler(const struct modules *,
    const struct config_route *, struct err *);

#endif
