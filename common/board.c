/* SPDX-License-Identifier: MIT */
/* Owns the mapping of the board. */
#include "common/board.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The master's mapping stays writable; no other can be made. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

struct board *
board_create(int *fd_out, struct err *err)
{
	struct board *b = MAP_FAILED;
	int fd;

	fd = memfd_create("wssd-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err_set_errno(err, "cannot make a memfd");
		return NULL;
	}
	if (ftruncate(fd, sizeof(*b)) == 0)
		b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
	if (b == MAP_FAILED || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		err_set_errno(err, "cannot map the board");
		close(fd);
		return NULL;
	}
	b->magic = BOARD_MAGIC;
	b->size = sizeof(*b);
	*fd_out = fd;
	return b;
}

struct board_page *
board_next(struct board *b)
{
	struct board_page *page = &b->pages[(b->turn + 1) % 2];

	memset(page, 0, BOARD_PAGE_BYTES);
	return page;
}

void
board_publish(struct board *b)
{
	__atomic_store_n(&b->turn, b->turn + 1, __ATOMIC_RELEASE);
}

const struct board *
board_map(int fd, struct err *err)
{
	struct board *b;
	struct stat st;

	if (fstat(fd, &st) != 0 || st.st_size != sizeof(*b)) {
		err_set(err, "not a board of this version");
		return NULL;
	}
	b = mmap(NULL, sizeof(*b), PROT_READ, MAP_SHARED, fd, 0);
	if (b == MAP_FAILED) {
		err_set_errno(err, "cannot map the board");
		return NULL;
	}
	if (b->magic != BOARD_MAGIC || b->size != sizeof(*b)) {
		board_unmap(b);
		err_set(err, "not a board of this version");
		return NULL;
	}
	return b;
}

bool
board_read(const struct board *b, struct board_page *page_out)
{
	uint64_t before, after;

	/* The next page comes a second later: twice is much. */
	do {
		before = __atomic_load_n(&b->turn, __ATOMIC_ACQUIRE);
		if (before == 0)
			return false;
		memcpy(page_out, &b->pages[before % 2], BOARD_PAGE_BYTES);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&b->turn, __ATOMIC_RELAXED);
	} while (after != before);
	return true;
}

void
board_unmap(const struct board *b)
{
	if (b != NULL)
		/* munmap(2) takes no const, but does not write. */
		munmap((void *)(uintptr_t)b, sizeof(*b));
}
