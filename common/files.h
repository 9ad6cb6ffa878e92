/* SPDX-License-Identifier: MIT */
/*
 * The files a config names (certificates, keys, modules, folders), opened
 * once by the master, which may read them, and handed to workers, which may
 * not.  The settings table says which settings are files.
 */
#ifndef WSSD_COMMON_FILES_H
#define WSSD_COMMON_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/config.h"
#include "common/map.h"

/* Of one folder (capath). */
#define FILES_IN_FOLDER_MAX 512

struct file {
	char *path;		/* as the config names it */
	int fd;			/* read-only, close-on-exec; owned */
	bool master;		/* not for workers */
	bool code;		/* a module: a change of it needs new workers */
	bool secret;		/* named by settings that are secrets, and by */
	bool shown;		/* others: both is possible */
	struct stat st;		/* as it was when it was opened */
};

struct files {
	struct file *items;
	size_t n;
	struct map by_path;	/* to the index, plus 1 */
};

#define FILES_INIT { NULL, 0, MAP_INIT }

/*
 * Opens every file the config names, and those in the folders it names, each
 * path once.  -1: see errors.
 */
int files_open(struct files *, const struct config *,
    struct config_errors *);
/* The same, but modules stay those that are open in `old'. */
int files_open_again(struct files *, const struct files *old,
    const struct config *, struct config_errors *);
/* A received descriptor under its path; fd becomes the list's. */
void files_add(struct files *, const char *path, int fd);
/* The descriptor (still the list's), or -1. */
int files_fd(const struct files *, const char *path);
/* As it was when it was opened, or NULL. */
const struct stat *files_stat(const struct files *, const char *path);
/* Whether the path is a file directly in the folder. */
bool files_is_in(const char *path, const char *folder);
/* True when both name the same modules with the same content. */
bool files_same_code(const struct files *, const struct files *);
/* Whether there is a folder to read in that the first one does not have. */
bool files_add_folders(const struct files *have, const struct files *);
void files_done(struct files *);

#endif
