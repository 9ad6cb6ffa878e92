/* SPDX-License-Identifier: MIT */
/* Owns a loaded configuration, its memfd and the descriptors of its files. */
#include "master/edition.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/alloc.h"
#include "master/redact.h"
#include "master/signer.h"
#include "master/tickets.h"

/* One takes less than a millisecond, but there is other work, too. */
#define CONTEXT_MS 20

/* The reader need not fear that the bytes change while it parses them. */
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int
write_all(int fd, const uint8_t *data, size_t len)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += (size_t)n) {
		n = write(fd, data + done, len - done);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return -1;
	}
	return 0;
}

static int
seal_bundle(const struct bundle *bundle, struct err *err)
{
	struct buf bytes = BUF_INIT;
	int fd;

	fd = memfd_create("wssd-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_set_errno(err, "cannot make a memfd");
	bundle_put(&bytes, bundle);
	if (write_all(fd, bytes.data, bytes.len) != 0 ||
	    lseek(fd, 0, SEEK_SET) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		err_set_errno(err, "cannot write the memfd of the config");
		close(fd);
		fd = -1;
	}
	buf_done(&bytes);
	return fd;
}

static int
read_tickets(struct edition *s, struct config_errors *errors)
{
	const struct config_daemon *d = &s->config->daemon;
	struct err err = ERR_INIT;

	if (d->ticket_key_file == NULL || tickets_read_file(
	    files_fd(&s->files, d->ticket_key_file), d->ticket_key_file,
	    &s->ticket_keys, &err) == 0)
		return 0;
	config_error(errors, config_place_of(s->config, d,
	    "ticket_key_file"), "%s", err.text);
	return -1;
}

/* Where there is a signer: no worker has a use for it. */
static bool
is_only_secret(const struct file *f)
{
	return f->secret && !f->shown;
}

/* For the workers: copies of certificate files that have the key in them. */
static int
hide_keys(struct edition *s, struct err *err)
{
	if (!signer_is_needed(s->config))
		return 0;
	s->public_fds = xcalloc(s->files.n, sizeof(*s->public_fds));
	for (size_t i = 0; i < s->files.n; i++)
		s->public_fds[i] = -1;
	for (size_t i = 0; i < s->files.n; i++) {
		const struct file *f = &s->files.items[i];

		if (f->code || f->master || !S_ISREG(f->st.st_mode) ||
		    is_only_secret(f))
			continue;
		if (redact_file(f->fd, &s->public_fds[i], err) != 0)
			return err_prefix(err, "%s", f->path);
	}
	return 0;
}

int
edition_worker_fd(const struct edition *s, const struct file *f)
{
	size_t i = (size_t)(f - s->files.items);

	if (f->master)
		return -1;
	if (s->public_fds == NULL)
		return f->fd;
	if (is_only_secret(f))
		return -1;
	return s->public_fds[i] >= 0 ? s->public_fds[i] : f->fd;
}

struct edition *
edition_load(const char *path, uint32_t generation,
    struct config_errors *errors)
{
	struct edition *s = xcalloc(1, sizeof(*s));
	struct config_place place = { path, 0 };
	struct err err = ERR_INIT;

	s->refs = 1;
	s->generation = generation;
	s->loaded_at = time(NULL);
	s->bundle_fd = -1;
	s->config = config_load(path, errors);
	if (s->config == NULL ||
	    files_open(&s->files, s->config, errors) != 0 ||
	    read_tickets(s, errors) != 0 ||
	    names_look_up(&s->names, s->config, errors) != 0)
		goto fail;
	s->bundle_fd = seal_bundle(s->config->bundle, &err);
	if (s->bundle_fd < 0 || hide_keys(s, &err) != 0) {
		config_error(errors, place, "%s", err.text);
		goto fail;
	}
	return s;
fail:
	edition_unref(s);
	return NULL;
}

struct edition *
edition_renew(const struct edition *old, uint32_t generation,
    struct config_errors *errors)
{
	struct edition *s = xcalloc(1, sizeof(*s));
	struct config_place none = { NULL, 0 };
	struct err err = ERR_INIT;

	s->refs = 1;
	s->generation = generation;
	s->loaded_at = old->loaded_at;
	s->config = config_ref(old->config);
	names_copy(&s->names, &old->names);
	s->bundle_fd = fcntl(old->bundle_fd, F_DUPFD_CLOEXEC, 0);
	if (s->bundle_fd < 0)
		config_error(errors, none, "cannot keep the config open: %s",
		    strerror(errno));
	else if (files_open_again(&s->files, &old->files, s->config,
	    errors) == 0 && read_tickets(s, errors) == 0) {
		if (hide_keys(s, &err) == 0)
			return s;
		config_error(errors, none, "%s", err.text);
	}
	edition_unref(s);
	return NULL;
}

uint64_t
edition_extra_ms(const struct edition *s)
{
	return s->config->n_contexts * CONTEXT_MS;
}

struct edition *
edition_ref(struct edition *s)
{
	s->refs++;
	return s;
}

void
edition_unref(struct edition *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	names_done(&s->names);
	signer_end(s->signer, false);
	for (size_t i = 0; s->public_fds != NULL && i < s->files.n; i++)
		if (s->public_fds[i] >= 0)
			close(s->public_fds[i]);
	free(s->public_fds);
	if (s->config != NULL)
		config_unref(s->config);
	files_done(&s->files);
	if (s->bundle_fd >= 0)
		close(s->bundle_fd);
	explicit_bzero(s->ticket_keys.keys, sizeof(s->ticket_keys.keys));
	free(s);
}
