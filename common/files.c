/* SPDX-License-Identifier: MIT */
/*
 * Owns the descriptors of the files a config names.  files_open() runs in
 * the master and in `wssctl check'; a worker only has what it was given.
 */
#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/settings.h"

#define PEM_MAX (1u << 20)	/* bytes of a certificate or key file */

static struct file *
find_file(const struct files *files, const char *path)
{
	for (size_t i = 0; i < files->n; i++) {
		if (strcmp(files->items[i].path, path) == 0)
			return &files->items[i];
	}
	return NULL;
}

static struct file *
add(struct files *files, const char *path, int fd)
{
	struct file *f;

	files->items = xreallocarray(files->items, files->n + 1,
	    sizeof(*files->items));
	f = &files->items[files->n++];
	*f = (struct file){ .path = xstrdup(path), .fd = fd };
	return f;
}

/* The file of one setting, once for each path. */
static void
open_value(struct files *files, const struct config_value *value,
    struct config_errors *errors)
{
	const struct setting *s = value->setting;
	const char *path = *(char *const *)((const char *)value->object +
	    s->offset);
	bool code = (s->flags & SETTING_CODE) != 0;
	struct file *f = find_file(files, path);
	struct stat st;
	int fd;

	if (f != NULL) {
		f->code = f->code || code;
		return;
	}
	/* O_NONBLOCK: a FIFO must not stop us */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		config_error(errors, value->place, "cannot open %s %s: %s",
		    s->key, path, strerror(errno));
		return;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		config_error(errors, value->place,
		    "%s %s is not a regular file", s->key, path);
	} else if (!code && st.st_size > PEM_MAX) {
		config_error(errors, value->place,
		    "%s %s is bigger than %u bytes", s->key, path, PEM_MAX);
	} else {
		f = add(files, path, fd);
		f->code = code;
		f->st = st;
		return;
	}
	close(fd);
}

int
files_open(struct files *files, const struct config *config,
    struct config_errors *errors)
{
	size_t before = errors->n + errors->dropped;

	*files = (struct files){ NULL, 0 };
	for (size_t i = 0; i < config->n_values; i++) {
		if (config->values[i].setting->flags & SETTING_FILE)
			open_value(files, &config->values[i], errors);
	}
	if (errors->n + errors->dropped == before)
		return 0;
	files_done(files);
	return -1;
}

void
files_add(struct files *files, const char *path, int fd)
{
	struct file *f = find_file(files, path);

	if (f == NULL) {
		f = add(files, path, fd);
	} else {
		close(f->fd);
		f->fd = fd;
	}
	/* what fstat(2) cannot tell stays 0 */
	(void)!fstat(fd, &f->st);
}

int
files_fd(const struct files *files, const char *path)
{
	const struct file *f = find_file(files, path);

	return f == NULL ? -1 : f->fd;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Whether every module of a is in b, unchanged. */
static bool
contains_code(const struct files *a, const struct files *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct file *f;

		if (!a->items[i].code)
			continue;
		f = find_file(b, a->items[i].path);
		if (f == NULL || !f->code ||
		    !same_file(&f->st, &a->items[i].st))
			return false;
	}
	return true;
}

bool
files_same_code(const struct files *a, const struct files *b)
{
	return contains_code(a, b) && contains_code(b, a);
}

void
files_done(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		close(files->items[i].fd);
		free(files->items[i].path);
	}
	free(files->items);
	*files = (struct files){ NULL, 0 };
}
