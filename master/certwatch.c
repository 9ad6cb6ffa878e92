/* SPDX-License-Identifier: MIT */
/*
 * Owns an inotify(7) descriptor and what the files looked like when they were
 * last read.  An event only says that it is time to look; whether something
 * has changed, stat(2) says.
 */
#include "master/certwatch.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/log.h"
#include "common/map.h"
#include "master/master.h"

/*
 * Certificate and key are two files: after the last event there is quiet for
 * a while.  But not for ever, where something else writes all the time.
 */
#define QUIET_MS 1000
#define PATIENCE_MS 10000
#define LINKS_MAX 40		/* of one path, as the kernel has it */

#define EVENTS (IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |          \
	IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF |        \
	IN_ONLYDIR)

struct watched {
	char *path;
	struct stat st;		/* zeros: it was not there */
};

struct certwatch {
	struct master *master;
	struct watched *files;
	size_t n;
	int fd;			/* inotify; -1: nothing is watched */
	struct event *event, *timer;
	uint64_t first_ms;	/* of the events not yet looked at; 0 = none */
	struct map names;	/* "watch/name" that matter */
	char **owned;		/* the map's strings */
	size_t n_owned;
	bool told;		/* that a folder cannot be watched */
};

/* ---- what is watched ----------------------------------------------------------- */

/* The name in the folder matters; "": every name does. */
static void
watch_name(struct certwatch *w, const char *folder, const char *name)
{
	int wd = inotify_add_watch(w->fd, folder, EVENTS);
	char *key;

	if (wd < 0) {
		if (!w->told && errno != ENOENT)
			log_warn("cannot watch %s for changed certificates "
			    "(%s): use wssctl reload", folder,
			    strerror(errno));
		w->told |= errno != ENOENT;
		return;
	}
	key = xasprintf("%d/%s", wd, name);
	if (!map_put(&w->names, key, strlen(key), w)) {
		free(key);
		return;
	}
	w->owned = xreallocarray(w->owned, w->n_owned + 1, sizeof(char *));
	w->owned[w->n_owned++] = key;
}

/*
 * One component further: `at' (a real folder, "" is the root) grows by it; if
 * it is a link, `rest' begins with where that leads.  False: a dead end.
 */
static bool
step(struct certwatch *w, char at[PATH_MAX], char rest[PATH_MAX])
{
	char name[NAME_MAX + 1], target[PATH_MAX], tail[PATH_MAX];
	char path[2 * PATH_MAX];
	size_t len = strcspn(rest, "/");
	char *slash = strrchr(at, '/');
	ssize_t n;

	if (len > NAME_MAX)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)len, rest);
	snprintf(tail, sizeof(tail), "%s", rest + len);
	memmove(rest, tail, strlen(tail) + 1);
	if (name[0] == '\0' || strcmp(name, ".") == 0)
		return true;
	if (strcmp(name, "..") == 0) {
		if (slash != NULL)
			*slash = '\0';
		return true;
	}
	watch_name(w, at[0] == '\0' ? "/" : at, name);
	snprintf(path, sizeof(path), "%s/%s", at, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0) {
		if (strlen(path) >= PATH_MAX)
			return false;
		memcpy(at, path, strlen(path) + 1);
		return true;
	}
	target[n] = '\0';
	if (target[0] == '/')
		at[0] = '\0';
	return snprintf(rest, PATH_MAX, "%s%s", target, tail) < PATH_MAX;
}

static void
watch_path(struct certwatch *w, const char *path)
{
	char at[PATH_MAX] = "", rest[PATH_MAX];
	/* Each link is a step, and so is each of its components. */
	int steps = LINKS_MAX * 16;

	snprintf(rest, sizeof(rest), "%s", path);
	while (rest[0] != '\0' && steps-- > 0) {
		size_t slashes = strspn(rest, "/");

		memmove(rest, rest + slashes, strlen(rest + slashes) + 1);
		if (rest[0] != '\0' && !step(w, at, rest))
			return;
	}
}

static void
unwatch(struct certwatch *w)
{
	if (w->event != NULL)
		event_free(w->event);
	if (w->fd >= 0)
		close(w->fd);
	w->event = NULL;
	w->fd = -1;
	map_done(&w->names);
	for (size_t i = 0; i < w->n_owned; i++)
		free(w->owned[i]);
	free(w->owned);
	w->owned = NULL;
	w->n_owned = 0;
}

static void on_inotify(evutil_socket_t, short, void *);

static void
watch_all(struct certwatch *w)
{
	const struct config *config = w->master->edition->config;

	unwatch(w);
	if (!config->daemon.watch_certificates)
		return;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		log_warn("cannot watch certificates for changes (%s): use "
		    "wssctl reload", strerror(errno));
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		watch_path(w, w->files[i].path);
	for (size_t i = 0; i < config->n_contexts; i++) {
		if (config->contexts[i].capath != NULL)
			watch_name(w, config->contexts[i].capath, "");
	}
	w->event = event_new(w->master->world.base, w->fd,
	    EV_READ | EV_PERSIST, on_inotify, w);
	event_add(w->event, NULL);
}

/* ---- what has changed ------------------------------------------------------------ */

static bool
looks_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && a->st_mode == b->st_mode &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Remembers what it sees: what has been tried is not tried again. */
static bool
look(struct certwatch *w)
{
	bool changed = false;

	for (size_t i = 0; i < w->n; i++) {
		struct watched *f = &w->files[i];
		struct stat st;

		if (stat(f->path, &st) != 0)
			memset(&st, 0, sizeof(st));
		if (looks_same(&f->st, &st))
			continue;
		log_debug("%s has changed", f->path);
		f->st = st;
		changed = true;
	}
	return changed;
}

static void
look_in(struct certwatch *w, uint64_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };

	evtimer_add(w->timer, &tv);
}

static void
on_timer(evutil_socket_t unused, short what, void *arg)
{
	struct certwatch *w = arg;
	struct master *m = w->master;

	(void)unused, (void)what;
	if (w->fd < 0 || m->state == MASTER_STOPPING)
		return;
	/* Whatever is under way may read them itself. */
	if (m->state != MASTER_RUNNING || m->jobs.now != NULL ||
	    m->jobs.queued != NULL) {
		look_in(w, QUIET_MS);
		return;
	}
	w->first_ms = 0;
	/* Links may lead elsewhere now, and a folder may be a new one. */
	watch_all(w);
	if (look(w))
		job_submit(m, JOB_RENEW, NULL);
}

static bool
matters(const struct certwatch *w, const struct inotify_event *e)
{
	char key[NAME_MAX + 32];

	if (e->len == 0 || (e->mask & IN_Q_OVERFLOW) != 0)
		return true;
	snprintf(key, sizeof(key), "%d/%s", e->wd, e->name);
	if (map_get(&w->names, key, strlen(key)) != NULL)
		return true;
	snprintf(key, sizeof(key), "%d/", e->wd);
	return map_get(&w->names, key, strlen(key)) != NULL;
}

static bool
read_events(struct certwatch *w)
{
	_Alignas(struct inotify_event) char room[4096];
	const struct inotify_event *e;
	bool any = false;
	ssize_t n;

	while ((n = read(w->fd, room, sizeof(room))) > 0) {
		for (ssize_t at = 0; at < n; at += (ssize_t)sizeof(*e) +
		    e->len) {
			e = (const void *)(room + at);
			any |= matters(w, e);
		}
	}
	return any;
}

static void
on_inotify(evutil_socket_t unused, short what, void *arg)
{
	struct certwatch *w = arg;
	uint64_t now = proc_now_ms();

	(void)unused, (void)what;
	if (!read_events(w))
		return;
	if (w->first_ms == 0)
		w->first_ms = now;
	if (now - w->first_ms < PATIENCE_MS)
		look_in(w, QUIET_MS);
}

/* ---- life --------------------------------------------------------------------------- */

struct certwatch *
certwatch_new(struct master *m)
{
	struct certwatch *w = xcalloc(1, sizeof(*w));

	w->master = m;
	w->fd = -1;
	w->timer = evtimer_new(m->world.base, on_timer, w);
	return w;
}

static void
forget_files(struct certwatch *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->files[i].path);
	free(w->files);
	w->files = NULL;
	w->n = 0;
}

static void
add_file(struct certwatch *w, const char *path, const struct stat *st)
{
	struct watched *f = &w->files[w->n++];

	f->path = xstrdup(path);
	if (st != NULL)
		f->st = *st;
	else if (stat(path, &f->st) != 0)
		memset(&f->st, 0, sizeof(f->st));
}

void
certwatch_renew(struct certwatch *w)
{
	const struct edition *e = w->master->edition;
	const struct config *config = e->config;

	forget_files(w);
	w->files = xcalloc(e->files.n + config->n_contexts,
	    sizeof(*w->files));
	for (size_t i = 0; i < e->files.n; i++) {
		const struct file *f = &e->files.items[i];

		/* A module that has changed needs other workers. */
		if (!f->code)
			add_file(w, f->path, &f->st);
	}
	/* A file that comes or goes changes its folder. */
	for (size_t i = 0; i < config->n_contexts; i++) {
		if (config->contexts[i].capath != NULL)
			add_file(w, config->contexts[i].capath, NULL);
	}
	w->told = false;
	watch_all(w);
	/* What has changed since it was opened gave no event. */
	if (w->fd >= 0)
		look_in(w, QUIET_MS);
}

void
certwatch_free(struct certwatch *w)
{
	if (w == NULL)
		return;
	unwatch(w);
	forget_files(w);
	event_free(w->timer);
	free(w);
}
