/* SPDX-License-Identifier: MIT */
/* Owns nothing: reads the master's state and the cells, fills the board. */
#include "master/publish.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/board.h"
#include "master/master.h"
#include "master/tally.h"

static uint64_t
look_at(pid_t pid)
{
	char path[64], text[128];
	unsigned long pages = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%*u %lu", &pages) != 1)
		return 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
publish_rss(const struct proc *p)
{
	uint64_t bytes = look_at(p->child.pid);

	return bytes != 0 ? bytes : metrics_get(&p->cell->rss_bytes);
}

void
publish_sum(const struct master *m, struct metrics *sum)
{
	struct list *pos;

	for (size_t i = 0; i < m->n_slots; i++)
		tally_add(sum, m->slots[i].past, false);
	for (pos = m->world.procs.next; pos != &m->world.procs;
	    pos = pos->next)
		tally_add(sum, LIST_ITEM(pos, struct proc, link)->cell, true);
}

static void
fill_worker(struct board_worker *row, const struct slot *s)
{
	row->restarts = s->restarts;
	if (s->current == NULL)
		return;
	row->running = 1;
	row->connections = metrics_get(&s->current->cell->connections);
	row->open = metrics_get(&s->current->cell->open);
	row->loop_lag_us = metrics_get(&s->current->cell->loop_lag_us);
	row->rss_bytes = publish_rss(s->current);
}

static bool
is_wanted(const struct master *m)
{
	const struct config *config = m->edition->config;

	for (size_t i = 0; i < config->n_listens; i++)
		if (config->listens[i].role == CONFIG_ADMIN)
			return true;
	return false;
}

void
publish(struct master *m)
{
	struct board_page *page;

	if (!is_wanted(m))
		return;
	page = board_next(m->board);
	page->started_at = (uint64_t)m->started_at;
	page->generation = m->edition->generation;
	page->loaded_at = (uint64_t)m->edition->loaded_at;
	page->reload_failed = m->last_error != NULL;
	page->n_workers = m->n_slots;
	for (size_t i = 0; i < m->n_slots; i++)
		fill_worker(&page->workers[i], &m->slots[i]);
	publish_sum(m, &page->total);
	board_publish(m->board);
}
