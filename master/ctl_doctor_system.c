/* SPDX-License-Identifier: MIT */
/* wssctl doctor: what the system allows, by modes and numbers alone. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "master/ctl_doctor.h"

#define GROUPS_MAX 64
#define OWN_FDS 64		/* of a worker that are no connections */
#define CAN_READ_ALL 0x6	/* CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH */

/* ---- who the daemon is -------------------------------------------------- */

/* As whom the master reads files. */
struct who {
	bool known, may_all;
	unsigned uid, gid;
	unsigned groups[GROUPS_MAX];
	size_t n_groups;
};

static void
take_groups(struct who *w, const char *text)
{
	char *end;

	while (w->n_groups < GROUPS_MAX) {
		unsigned long group = strtoul(text, &end, 10);

		if (end == text)
			return;
		w->groups[w->n_groups++] = (unsigned)group;
		text = end;
	}
}

/* proc_pid_status(5) */
static void
find_who(pid_t pid, struct who *w)
{
	char path[64], line[1024];
	unsigned long long caps;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "Uid: %*u %u", &w->uid) == 1)
			w->known = true;
		(void)!sscanf(line, "Gid: %*u %u", &w->gid);
		if (strncmp(line, "Groups:", 7) == 0)
			take_groups(w, line + 7);
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			w->may_all = (caps & CAN_READ_ALL) != 0;
	}
	if (file != NULL)
		fclose(file);
}

static bool
has_group(const struct who *w, unsigned gid)
{
	if (w->gid == gid)
		return true;
	for (size_t i = 0; i < w->n_groups; i++)
		if (w->groups[i] == gid)
			return true;
	return false;
}

static bool
can_read(const struct who *w, const struct stat *st)
{
	if (w->may_all)
		return true;
	if (w->uid == st->st_uid)
		return (st->st_mode & S_IRUSR) != 0;
	return (st->st_mode & (has_group(w, st->st_gid) ? S_IRGRP :
	    S_IROTH)) != 0;
}

/* ---- files -------------------------------------------------------------- */

static bool
look_at(struct doctor *d, const struct who *w, const char *path,
    struct stat *st)
{
	if (stat(path, st) != 0) {
		findings_add(&d->findings, errno == EACCES ? FINDING_WARN :
		    FINDING_FAIL, "%s cannot be looked at: %s", path,
		    strerror(errno));
		return false;
	}
	if (!w->known || can_read(w, st))
		return true;
	findings_add(&d->findings, FINDING_FAIL, "%s cannot be read by wssd "
	    "(user number %u): the next reload or start would fail", path,
	    w->uid);
	return false;
}

static void
look_at_key(struct doctor *d, const struct who *w, const char *path)
{
	struct stat st;

	if (!look_at(d, w, path, &st))
		return;
	if (st.st_mode & S_IRWXO)
		findings_add(&d->findings, FINDING_FAIL, "the private key %s "
		    "is open to every user of this machine (mode %04o): chmod "
		    "o= it", path, (unsigned)st.st_mode & 07777);
	else if (st.st_mode & S_IWGRP)
		findings_add(&d->findings, FINDING_WARN, "the private key %s "
		    "can be changed by its group (mode %04o): chmod g-w it",
		    path, (unsigned)st.st_mode & 07777);
	else
		findings_add(&d->findings, FINDING_OK, "%s: mode %04o", path,
		    (unsigned)st.st_mode & 07777);
}

static void
look_at_cert(struct doctor *d, const struct who *w, const char *path)
{
	struct stat st;

	if (look_at(d, w, path, &st) && st.st_mode & S_IWOTH)
		findings_add(&d->findings, FINDING_FAIL, "the certificate %s "
		    "can be changed by every user of this machine (mode "
		    "%04o): chmod o-w it", path, (unsigned)st.st_mode & 07777);
}

void
doctor_files(struct doctor *d)
{
	struct who who = { .known = false };

	if (d->pid != 0)
		find_who(d->pid, &who);
	for (size_t i = 0; i < d->config->n_contexts; i++) {
		const struct config_context *c = &d->config->contexts[i];

		for (size_t j = 0; j < c->local_cert.n; j++)
			look_at_cert(d, &who, c->local_cert.items[j]);
		for (size_t j = 0; j < c->local_pk.n; j++)
			look_at_key(d, &who, c->local_pk.items[j]);
	}
}

/* ---- limits ------------------------------------------------------------- */

/* Of a process, or of what is started from here. */
static bool
find_fd_limit(pid_t pid, uint64_t *limit_out)
{
	char path[64], line[256];
	bool found = false;
	struct rlimit own;
	FILE *file;

	if (pid == 0) {
		if (getrlimit(RLIMIT_NOFILE, &own) != 0)
			return false;
		*limit_out = own.rlim_max;
		return true;
	}
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && !found && fgets(line, sizeof(line),
	    file) != NULL)
		found = sscanf(line, "Max open files %" SCNu64,
		    limit_out) == 1;
	if (file != NULL)
		fclose(file);
	return found;
}

static pid_t
any_worker(const struct doctor *d)
{
	json_t *row = json_array_get(json_object_get(d->status, "workers"),
	    0);

	return (pid_t)json_integer_value(json_object_get(row, "pid"));
}

/* A second one where a connection has an upstream. */
static uint64_t
wanted_fds(const struct config *c)
{
	uint64_t each = 1;

	for (size_t i = 0; i < c->n_routes; i++)
		if (strcmp(c->routes[i].handler, "proxy") == 0)
			each = 2;
	return c->daemon.max_connections_per_worker * each + OWN_FDS;
}

static void
check_fds(struct doctor *d)
{
	uint64_t limit, wanted = wanted_fds(d->config);
	pid_t worker = any_worker(d);

	/* systemd gives other limits than this shell has. */
	if ((worker == 0 && ctl_is_systemds(d->ctl)) ||
	    !find_fd_limit(worker, &limit))
		return;
	if (limit < wanted)
		findings_add(&d->findings, FINDING_WARN, "a worker %s open %"
		    PRIu64 " files, but max_connections_per_worker = %" PRIu64
		    " needs %" PRIu64 ": raise LimitNOFILE or `ulimit -n'",
		    worker == 0 ? "started from here could" : "may", limit,
		    d->config->daemon.max_connections_per_worker, wanted);
	else
		findings_add(&d->findings, FINDING_OK, "a worker may open %"
		    PRIu64 " files and needs %" PRIu64, limit, wanted);
}

static void
check_backlog(struct doctor *d)
{
	FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
	uint64_t most = 0;

	if (file == NULL)
		return;
	if (fscanf(file, "%" SCNu64, &most) != 1)
		most = UINT64_MAX;
	fclose(file);
	for (size_t i = 0; i < d->config->n_listens; i++) {
		const struct config_listen *l = &d->config->listens[i];

		if (l->backlog > most)
			findings_add(&d->findings, FINDING_WARN, "[listen %s] "
			    "has backlog = %" PRIu64 ", but the kernel allows "
			    "%" PRIu64 ": raise net.core.somaxconn", l->name,
			    l->backlog, most);
	}
}

void
doctor_limits(struct doctor *d)
{
	check_fds(d);
	check_backlog(d);
}
