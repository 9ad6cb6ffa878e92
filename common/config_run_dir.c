/* SPDX-License-Identifier: MIT */
/*
 * Owns where the control socket is: the one setting that wssctl must find
 * even in a file that is being edited.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/config_parts.h"
#include "common/ini.h"

char *
config_resolve_run_dir(const char *value)
{
	/* systemd.exec(5): may be a list with colons between */
	const char *systemd = getenv("RUNTIME_DIRECTORY");
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (value != NULL && strcmp(value, "auto") != 0)
		return xstrdup(value);
	if (systemd != NULL && systemd[0] == '/')
		return xstrndup(systemd, strcspn(systemd, ":"));
	if (geteuid() == 0)
		return xstrdup("/run/wssd");
	if (xdg != NULL && xdg[0] == '/')
		return xasprintf("%s/wssd", xdg);
	return xasprintf("/tmp/wssd-%u", (unsigned)geteuid());
}

/* The value as the file's text has it, or NULL. */
static const char *
find_value(const struct ini *ini)
{
	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_section *s = &ini->sections[i];

		if (strcmp(s->kind, "wssd") != 0)
			continue;
		for (size_t j = 0; j < s->n_keys; j++) {
			if (strcmp(s->keys[j].key, "run_dir") == 0 &&
			    s->keys[j].value[0] == '/')
				return s->keys[j].value;
		}
	}
	return NULL;
}

char *
config_find_run_dir(const char *path)
{
	struct config_errors ignored = CONFIG_ERRORS_INIT;
	struct bundle *bundle = bundle_load_alone(path, &ignored);
	struct ini *ini = NULL;
	char *run_dir;

	/* [wssd] with an include is in the main file, and is there once */
	if (bundle != NULL)
		ini = ini_parse(bundle->files[0].path, bundle->files[0].text,
		    bundle->files[0].len, &ignored);
	run_dir = config_resolve_run_dir(ini == NULL ? NULL : find_value(ini));
	ini_free(ini);
	bundle_free(bundle);
	config_errors_done(&ignored);
	return run_dir;
}
