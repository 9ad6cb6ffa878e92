/* SPDX-License-Identifier: MIT */
/*
 * A config file: the INI syntax, the settings, how they relate.  Whatever
 * stands there, it is a config or a list of sentences with their lines.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/config.h"
#include "common/ini.h"
#include "tests/fuzz/fuzz.h"

static unsigned
lines(const uint8_t *data, size_t len)
{
	unsigned n = 1;

	for (size_t i = 0; i < len; i++)
		n += data[i] == '\n';
	return n;
}

static void
check_errors(const struct config_errors *errors, unsigned n_lines)
{
	char *text = config_errors_text(errors);

	for (size_t i = 0; i < errors->n; i++) {
		unsigned line = 0;

		ASSERT(errors->items[i][0] != '\0');
		if (sscanf(errors->items[i], "f.ini:%u:", &line) == 1)
			ASSERT(line >= 1 && line <= n_lines);
		for (const char *p = errors->items[i]; *p != '\0'; p++)
			ASSERT((uint8_t)*p >= ' ' || *p == '\t');
	}
	free(text);
}

static void
check_config(const struct config *c)
{
	ASSERT(c->n_listens >= 1 && c->n_listens <= CONFIG_LISTENS_MAX);
	ASSERT(c->n_routes <= CONFIG_ROUTES_MAX);
	ASSERT(c->daemon.workers >= 1 &&
	    c->daemon.workers <= CONFIG_WORKERS_MAX);
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct config_route *r = &c->routes[i];

		ASSERT(r->path[0] == '/' && r->handler != NULL);
		ASSERT(r->output_low < r->output_high);
		ASSERT(r->compression_window_bits >= 9 &&
		    r->compression_window_bits <= 15);
	}
	for (size_t i = 0; i < c->n_listens; i++) {
		const struct config_listen *l = &c->listens[i];

		ASSERT(l->transport == CONFIG_TCP || l->n_contexts > 0);
		for (size_t k = 0; k < l->n_contexts; k++)
			ASSERT(l->contexts[k] < c->n_contexts);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	char *text = (char *)exact_copy(data, size);
	struct config *config;

	config = config_new(bundle_from_text("f.ini", text, size), &errors);
	ASSERT((config == NULL) == (errors.n > 0));
	if (config != NULL)
		check_config(config);
	else
		check_errors(&errors, lines(data, size));
	config_unref(config);
	config_errors_done(&errors);
	free(text);
	return 0;
}
