/* SPDX-License-Identifier: MIT */
/* Owns nothing: the child's end of some messages. */
#include "common/receive.h"

#include <unistd.h>

#include "common/log.h"
#include "common/proto.h"

bool
receive_log(struct chan_message *m, int *fd)
{
	struct proto_log p;

	if (m->fd == -1 || !proto_log_get(&m->payload, &p))
		return false;
	log_to(m->fd, (enum log_format)p.format);
	log_set_level((enum log_level)p.level);
	if (*fd != -1)
		close(*fd);
	*fd = m->fd;
	m->fd = -1;
	return true;
}

bool
receive_file(struct chan_message *m, struct files *files)
{
	char path[PROTO_PATH_MAX];

	reader_str(&m->payload, path, sizeof(path));
	if (m->fd == -1 || !reader_end(&m->payload))
		return false;
	files_add(files, path, m->fd);
	m->fd = -1;
	return true;
}
