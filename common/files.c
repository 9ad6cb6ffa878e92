/* SPDX-License-Identifier: MIT */
/*
 * Owns the descriptors of the files a config names.  files_open() runs in
 * the master and in `wssctl check'; a worker only has what it was given.
 */
#include "common/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/settings.h"

#define PEM_MAX (1u << 20)	/* bytes of a certificate or key file */

static struct file *
find_file(const struct files *files, const char *path)
{
	uintptr_t at = (uintptr_t)map_get(&files->by_path, path,
	    strlen(path));

	return at == 0 ? NULL : &files->items[at - 1];
}

static struct file *
add(struct files *files, const char *path, int fd)
{
	struct file *f;

	files->items = xreallocarray(files->items, files->n + 1,
	    sizeof(*files->items));
	f = &files->items[files->n++];
	*f = (struct file){ .path = xstrdup(path), .fd = fd };
	map_put(&files->by_path, f->path, strlen(path),
	    (void *)(uintptr_t)files->n);
	return f;
}

static int
open_file(const char *path, bool folder, struct stat *st_out)
{
	/* O_NONBLOCK: a FIFO must not stop us */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
	    (folder ? O_DIRECTORY : 0));

	if (fd >= 0 && fstat(fd, st_out) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* One file of one setting, once for each path. */
static void
open_path(struct files *files, const struct config_value *value,
    const char *path, struct config_errors *errors)
{
	const struct setting *s = value->setting;
	bool code = (s->flags & SETTING_CODE) != 0;
	bool folder = (s->flags & SETTING_DIRECTORY) != 0;
	bool master = (s->flags & SETTING_MASTER) != 0;
	bool secret = (s->flags & SETTING_SECRET) != 0;
	struct file *f = find_file(files, path);
	struct stat st;
	int fd;

	if (f != NULL) {
		f->code = f->code || code;
		f->master = f->master && master;
		f->secret = f->secret || secret;
		f->shown = f->shown || !secret;
		return;
	}
	fd = open_file(path, folder, &st);
	if (fd < 0) {
		config_error(errors, value->place, "cannot open %s %s: %s",
		    s->key, path, strerror(errno));
		return;
	}
	if (!folder && !S_ISREG(st.st_mode)) {
		config_error(errors, value->place,
		    "%s %s is not a regular file", s->key, path);
	} else if (!code && !folder && st.st_size > PEM_MAX) {
		config_error(errors, value->place,
		    "%s %s is bigger than %u bytes", s->key, path, PEM_MAX);
	} else {
		f = add(files, path, fd);
		f->code = code;
		f->master = master;
		f->secret = secret;
		f->shown = !secret;
		f->st = st;
		return;
	}
	close(fd);
}

/* --- folders -------------------------------------------------------------- */

/*
 * A folder made by c_rehash has a link by a hash to each file: the same file
 * is taken once.  What is no regular file, or a link to nothing, is not
 * meant.
 */
static bool
is_wanted(const struct files *files, size_t first, int fd,
    const struct stat *st)
{
	if (fd < 0 || !S_ISREG(st->st_mode) || st->st_size > PEM_MAX)
		return false;
	for (size_t i = first; i < files->n; i++) {
		if (files->items[i].st.st_ino == st->st_ino &&
		    files->items[i].st.st_dev == st->st_dev)
			return false;
	}
	return true;
}

static int
add_entries(struct files *files, const char *folder, DIR *dir)
{
	const struct dirent *entry;
	size_t first = files->n;
	struct stat st;

	while ((entry = readdir(dir)) != NULL) {
		char *path = xasprintf("%s/%s", folder, entry->d_name);
		int fd = entry->d_name[0] == '.' ||
		    find_file(files, path) != NULL ? -1 :
		    open_file(path, false, &st);

		if (is_wanted(files, first, fd, &st))
			add(files, path, fd)->st = st;
		else if (fd >= 0)
			close(fd);
		free(path);
		if (files->n - first > FILES_IN_FOLDER_MAX)
			return -1;
	}
	return 0;
}

static void
open_folder(struct files *files, const struct config_value *value,
    const char *folder, struct config_errors *errors)
{
	DIR *dir = opendir(folder);

	if (dir == NULL) {
		config_error(errors, value->place, "cannot open %s %s: %s",
		    value->setting->key, folder, strerror(errno));
		return;
	}
	if (add_entries(files, folder, dir) != 0)
		config_error(errors, value->place, "%s %s has more than %d "
		    "files: write them into one for cafile",
		    value->setting->key, folder, FILES_IN_FOLDER_MAX);
	closedir(dir);
}

bool
files_is_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && path[len] == '/' &&
	    strchr(path + len + 1, '/') == NULL;
}

/* --- all ------------------------------------------------------------------- */

static void
open_value(struct files *files, const struct config_value *value,
    struct config_errors *errors)
{
	const struct setting *s = value->setting;
	const char *member = (const char *)value->object + s->offset;
	const struct config_strings *list = (const void *)member;

	if ((s->flags & SETTING_FOLDER) != 0) {
		open_folder(files, value, *(char *const *)(const void *)member,
		    errors);
	} else if ((s->flags & SETTING_FILE) == 0) {
		return;
	} else if (s->type == SETTING_LIST) {
		for (size_t i = 0; i < list->n; i++)
			open_path(files, value, list->items[i], errors);
	} else {
		open_path(files, value, *(char *const *)(const void *)member,
		    errors);
	}
}

static int
open_all(struct files *files, const struct config *config,
    struct config_errors *errors)
{
	size_t before = errors->n + errors->dropped;

	for (size_t i = 0; i < config->n_values; i++)
		open_value(files, &config->values[i], errors);
	if (errors->n + errors->dropped == before)
		return 0;
	files_done(files);
	return -1;
}

int
files_open(struct files *files, const struct config *config,
    struct config_errors *errors)
{
	*files = (struct files)FILES_INIT;
	return open_all(files, config, errors);
}

int
files_open_again(struct files *files, const struct files *old,
    const struct config *config, struct config_errors *errors)
{
	*files = (struct files)FILES_INIT;
	for (size_t i = 0; i < old->n; i++) {
		const struct file *from = &old->items[i];
		struct file *f;
		int fd = from->code ? fcntl(from->fd, F_DUPFD_CLOEXEC, 0) :
		    -1;

		if (fd < 0)
			continue;
		f = add(files, from->path, fd);
		f->code = true;
		f->st = from->st;
	}
	return open_all(files, config, errors);
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

const struct stat *
files_stat(const struct files *files, const char *path)
{
	const struct file *f = find_file(files, path);

	return f == NULL ? NULL : &f->st;
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

bool
files_add_folders(const struct files *have, const struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		const struct stat *st = &files->items[i].st;
		size_t j = 0;

		while (j < have->n && (have->items[j].st.st_ino != st->st_ino ||
		    have->items[j].st.st_dev != st->st_dev))
			j++;
		if (S_ISDIR(st->st_mode) && j == have->n)
			return true;
	}
	return false;
}

void
files_done(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		close(files->items[i].fd);
		free(files->items[i].path);
	}
	free(files->items);
	map_done(&files->by_path);
	*files = (struct files)FILES_INIT;
}
