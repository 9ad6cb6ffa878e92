/* SPDX-License-Identifier: MIT */
/*
 * Owns the reading of config files: the main one and those it includes.
 * Runs in the master and in wssctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/config.h"
#include "common/ini.h"
#include "common/str.h"

struct loader {
	struct bundle *bundle;
	struct config_errors *errors;
	struct { dev_t dev; ino_t ino; } *seen;	/* of each file */
	size_t bytes;
};

/* Up to BUNDLE_FILE_MAX + 1 bytes, so that too much is noticed. */
static char *
read_all(int fd, size_t *len_out)
{
	size_t room = BUNDLE_FILE_MAX + 2, len = 0;
	char *text = xmalloc(room);
	ssize_t n;

	for (;;) {
		n = read(fd, text + len, room - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (n < 0) {
		free(text);
		return NULL;
	}
	text = xreallocarray(text, len + 1, 1);
	text[len] = '\0';
	*len_out = len;
	return text;
}

static bool
is_seen(struct loader *l, const struct stat *st)
{
	for (size_t i = 0; i < l->bundle->n; i++) {
		if (l->seen[i].dev == st->st_dev &&
		    l->seen[i].ino == st->st_ino)
			return true;
	}
	l->seen = xreallocarray(l->seen, l->bundle->n + 1, sizeof(*l->seen));
	l->seen[l->bundle->n].dev = st->st_dev;
	l->seen[l->bundle->n].ino = st->st_ino;
	return false;
}

/* An open descriptor of a regular file, or -1 with an error at place. */
static int
open_file(struct loader *l, const char *path, struct config_place place,
    struct stat *st_out)
{
	/* O_NONBLOCK: a FIFO must not stop us */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		config_error(l->errors, place, "cannot open %s: %s", path,
		    strerror(errno));
		return -1;
	}
	if (fstat(fd, st_out) == 0 && S_ISREG(st_out->st_mode))
		return fd;
	config_error(l->errors, place, "%s is not a regular file", path);
	close(fd);
	return -1;
}

/* A file met a second time (two patterns, or its own) is read once. */
static void
load_file(struct loader *l, const char *path, struct config_place place)
{
	struct stat st;
	size_t len = 0;
	char *text;
	int fd;

	if (strlen(path) > BUNDLE_PATH_MAX) {
		config_error(l->errors, place, "the path is longer than %u "
		    "bytes", BUNDLE_PATH_MAX);
		return;
	}
	fd = open_file(l, path, place, &st);
	if (fd < 0)
		return;
	if (is_seen(l, &st)) {
		close(fd);
		return;
	}
	text = read_all(fd, &len);
	if (text == NULL)
		config_error(l->errors, place, "cannot read %s: %s", path,
		    strerror(errno));
	else if (len > BUNDLE_FILE_MAX)
		config_error(l->errors, place, "%s is bigger than %u bytes",
		    path, BUNDLE_FILE_MAX);
	else if (l->bundle->n == BUNDLE_FILES_MAX)
		config_error(l->errors, place, "more than %u files",
		    BUNDLE_FILES_MAX);
	else if ((l->bytes += len) > BUNDLE_BYTES_MAX)
		config_error(l->errors, place, "all files together are bigger "
		    "than %u bytes", BUNDLE_BYTES_MAX);
	else {
		bundle_add(l->bundle, xstrdup(path), text, len);
		text = NULL;
	}
	free(text);
	close(fd);
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A folder that is not there has no files; else glob(3) is to stop. */
static int
on_glob_error(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

/* The files of one pattern, in the order of their bytes. */
static void
load_pattern(struct loader *l, const char *pattern, struct config_place place)
{
	glob_t found;
	int r;

	if (strpbrk(pattern, "*?[") == NULL) {
		load_file(l, pattern, place);
		return;
	}
	/* GLOB_NOSORT: glob(3) would sort by the locale */
	r = glob(pattern, GLOB_NOSORT, on_glob_error, &found);
	if (r != 0 && r != GLOB_NOMATCH) {
		config_error(l->errors, place,
		    "cannot look for %s: a folder cannot be read", pattern);
		return;
	}
	if (r == 0) {
		qsort(found.gl_pathv, found.gl_pathc,
		    sizeof(*found.gl_pathv), compare_paths);
		for (size_t i = 0; i < found.gl_pathc && l->bundle->n <=
		    BUNDLE_FILES_MAX && l->errors->dropped == 0; i++)
			load_file(l, found.gl_pathv[i], place);
		globfree(&found);
	}
}

/* The value of include: patterns relative to the main file's folder. */
static void
load_patterns(struct loader *l, const char *value, struct config_place place)
{
	const char *slash = strrchr(place.file, '/');
	char *copy = xstrdup(value), *rest = copy, *item;

	while ((item = str_next_item(&rest, ',')) != NULL) {
		char *pattern;

		if (*item == '\0') {
			config_error(l->errors, place,
			    "include: there is an empty path");
			continue;
		}
		pattern = item[0] == '/' || slash == NULL ? xstrdup(item) :
		    xasprintf("%.*s/%s", (int)(slash - place.file),
		    place.file, item);
		load_pattern(l, pattern, place);
		free(pattern);
	}
	free(copy);
}

static void
load_includes(struct loader *l)
{
	/* the errors of its lines are found again by config_new() */
	struct config_errors ignored = CONFIG_ERRORS_INIT;
	const struct bundle_file main_file = l->bundle->files[0];
	struct ini *ini = ini_parse(main_file.path, main_file.text,
	    main_file.len, &ignored);

	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_section *s = &ini->sections[i];

		if (strcmp(s->kind, "wssd") != 0)
			continue;
		for (size_t j = 0; j < s->n_keys; j++) {
			struct config_place place = { main_file.path,
				s->keys[j].line };

			if (strcmp(s->keys[j].key, "include") == 0)
				load_patterns(l, s->keys[j].value, place);
		}
	}
	ini_free(ini);
	config_errors_done(&ignored);
}

static struct bundle *
load(const char *path, bool includes, struct config_errors *errors)
{
	struct loader l = { .bundle = bundle_new(), .errors = errors };
	size_t n_before = errors->n + errors->dropped;

	load_file(&l, path, (struct config_place){ NULL, 0 });
	if (l.bundle->n == 1 && includes)
		load_includes(&l);
	free(l.seen);
	if (errors->n + errors->dropped == n_before)
		return l.bundle;
	bundle_free(l.bundle);
	return NULL;
}

struct bundle *
bundle_load(const char *path, struct config_errors *errors)
{
	return load(path, true, errors);
}

struct bundle *
bundle_load_alone(const char *path, struct config_errors *errors)
{
	return load(path, false, errors);
}
