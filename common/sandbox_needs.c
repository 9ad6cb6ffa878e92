/* SPDX-License-Identifier: MIT */
/*
 * Owns which handlers need which calls.  Pure: the master asks too, to know
 * whether a reload needs new workers.
 */
#include <string.h>

#include "common/config.h"
#include "common/count.h"
#include "common/sandbox.h"

static const struct {
	const char *handler;
	unsigned features;
} needs[] = {
	{ "static", SANDBOX_FOLDERS },
};

unsigned
sandbox_needs(const struct config *config)
{
	unsigned features = 0;

	for (size_t i = 0; i < config->n_routes; i++)
		for (size_t j = 0; j < COUNT(needs); j++)
			if (strcmp(config->routes[i].handler,
			    needs[j].handler) == 0)
				features |= needs[j].features;
	return features;
}
