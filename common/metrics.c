/* SPDX-License-Identifier: MIT */
/*
 * Owns the mappings of metrics cells.  The master makes them and only ever
 * reads them; what a worker wrote there is not trusted by anybody.
 */
#include "common/metrics.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int
write_head(int fd, struct err *err)
{
	/* The first members of struct metrics. */
	uint32_t head[2] = { METRICS_MAGIC, sizeof(struct metrics) };

	if (ftruncate(fd, sizeof(struct metrics)) != 0)
		return err_set_errno(err, "cannot size a metrics cell");
	if (pwrite(fd, head, sizeof(head), 0) != sizeof(head))
		return err_set_errno(err, "cannot write a metrics cell");
	if (fcntl(fd, F_ADD_SEALS, SEALS) != 0)
		return err_set_errno(err, "cannot seal a metrics cell");
	/* A peer that has dropped its privileges cannot reopen it writable. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0)
		return err_set_errno(err, "cannot protect a metrics cell");
	return 0;
}

/* An access past the end of a file kills: its size is checked and sealed. */
static void *
map(int fd, int prot, struct err *err)
{
	struct metrics *m;
	struct stat st;
	int seals;

	if (fstat(fd, &st) != 0) {
		err_set_errno(err, "not a metrics cell");
		return NULL;
	}
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 ||
	    st.st_size != sizeof(struct metrics)) {
		err_set(err, "not a metrics cell of this version");
		return NULL;
	}
	m = mmap(NULL, sizeof(*m), prot, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED) {
		err_set_errno(err, "cannot map a metrics cell");
		return NULL;
	}
	if (m->magic != METRICS_MAGIC || m->size != sizeof(*m)) {
		munmap(m, sizeof(*m));
		err_set(err, "a metrics cell of another version");
		return NULL;
	}
	return m;
}

const struct metrics *
metrics_create(int *fd_out, int *ro_fd_out, struct err *err)
{
	const struct metrics *m;
	char path[64];
	int fd, ro_fd = -1;

	fd = memfd_create("wssd-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err_set_errno(err, "cannot make a metrics cell");
		return NULL;
	}
	if (write_head(fd, err) != 0)
		goto fail;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ro_fd < 0) {
		err_set_errno(err, "cannot open a metrics cell through %s",
		    path);
		goto fail;
	}
	m = map(ro_fd, PROT_READ, err);
	if (m == NULL)
		goto fail;
	*fd_out = fd;
	*ro_fd_out = ro_fd;
	return m;
fail:
	if (ro_fd >= 0)
		close(ro_fd);
	close(fd);
	return NULL;
}

#define RESET_GAUGE(name) metrics_set(&m->name, 0);

struct metrics *
metrics_map_own(int fd, struct err *err)
{
	struct metrics *m = map(fd, PROT_READ | PROT_WRITE, err);

	if (m == NULL)
		return NULL;
	metrics_set(&m->running_route, 0);
	METRICS_WORKER_GAUGES(RESET_GAUGE)
	for (size_t i = 0; i < METRICS_LISTENS; i++)
		metrics_set(&m->listens[i].open, 0);
	for (size_t i = 0; i < METRICS_ROUTES; i++)
		metrics_set(&m->routes[i].open, 0);
	memset(m->addresses, 0, sizeof(m->addresses));
	return m;
}

const struct metrics *
metrics_map_peer(int ro_fd, struct err *err)
{
	return map(ro_fd, PROT_READ, err);
}

void
metrics_unmap(const struct metrics *m)
{
	if (m != NULL)
		/* munmap(2) takes no const, but does not write. */
		munmap((void *)(uintptr_t)m, sizeof(*m));
}
