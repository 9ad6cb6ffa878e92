/* SPDX-License-Identifier: MIT */
/*
 * wssctl doctor: every address of the config.  TLS is spoken by wssd-tool;
 * nothing of what a server sends is read here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/sock.h"
#include "master/ctl_doctor.h"

#define CONNECT_WITHIN_S 10
#define WORDS_MAX 256		/* names for wssd-tool */

/* ---- of a running daemon ------------------------------------------------ */

/* It may have chosen the port, and listen elsewhere than the file says. */
static json_t *
running_addresses(const struct doctor *d, const char *listen)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(d->status, "listens"), i, row) {
		const char *name = json_string_value(json_object_get(row,
		    "name"));

		if (name != NULL && strcmp(name, listen) == 0)
			return json_object_get(row, "addresses");
	}
	return NULL;
}

/* 0.0.0.0 is no address to connect to. */
static void
make_reachable(struct addr *a)
{
	if (a->sa.sa_family == AF_INET &&
	    a->in.sin_addr.s_addr == htonl(INADDR_ANY))
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (a->sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr))
		a->in6.sin6_addr = in6addr_loopback;
}

static void
try_tcp(struct doctor *d, const struct addr *addr, const char *text)
{
	struct timeval within = { CONNECT_WITHIN_S, 0 };
	int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &within,
		    sizeof(within));
	if (fd >= 0 && connect(fd, &addr->sa, addr->len) == 0)
		findings_add(&d->findings, FINDING_OK, "%s: answers (without "
		    "TLS)", text);
	else
		findings_add(&d->findings, FINDING_FAIL, "nobody answers at "
		    "%s: %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* What clients may ask for: its server_name, else the certificates' names. */
static size_t
put_words(const struct config_context *c, char **words, size_t n)
{
	bool named = c->server_name.n > 0;
	const struct config_strings *from = named ? &c->server_name :
	    &c->local_cert;

	for (size_t i = 0; i < from->n && n < WORDS_MAX; i++)
		words[n++] = xasprintf("%s%s", named ? "" : "@",
		    from->items[i]);
	return n;
}

static void
try_tls(struct doctor *d, const struct config_listen *l, const char *text)
{
	/* wssd-tool probe ADDRESS CAFILE WORDS NULL */
	const char *argv[WORDS_MAX + 5] = { NULL, "probe", text,
		d->ctl->ca != NULL ? d->ctl->ca : "" };
	char *words[WORDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < l->n_contexts; i++)
		n = put_words(&d->config->contexts[l->contexts[i]], words, n);
	for (size_t i = 0; i < n; i++)
		argv[4 + i] = words[i];
	fflush(stdout);
	/* Its findings are on stdout already. */
	d->findings.failed += ctl_run_tool(argv) != CTL_OK;
	for (size_t i = 0; i < n; i++)
		free(words[i]);
}

static void
try_address(struct doctor *d, const struct config_listen *l, const char *text)
{
	char shown[ADDR_TEXT_MAX];
	struct addr addr;

	if (addr_parse(text, &addr, NULL) != 0)
		return;
	make_reachable(&addr);
	addr_format(&addr, shown);
	if (l->transport == CONFIG_SSL)
		try_tls(d, l, shown);
	else
		try_tcp(d, &addr, shown);
}

static void
try_listen(struct doctor *d, const struct config_listen *l)
{
	json_t *addresses = running_addresses(d, l->name), *row;
	size_t i;

	if (d->status != NULL && addresses == NULL) {
		findings_add(&d->findings, FINDING_FAIL, "[listen %s] is in "
		    "the config, but not in use: wssctl reload", l->name);
		return;
	}
	json_array_foreach(addresses, i, row)
		if (json_is_string(row))
			try_address(d, l, json_string_value(row));
	/* It runs, but we may not ask it. */
	for (i = 0; d->status == NULL && i < l->address.n; i++)
		try_address(d, l, l->address.items[i]);
}

/* ---- where none runs ---------------------------------------------------- */

static void
want_address(struct doctor *d, const struct addr *addr)
{
	char text[ADDR_TEXT_MAX], user[160];
	struct err err = ERR_INIT;

	addr_format(addr, text);
	if (addr_is_unix(addr))
		return;
	if (sock_probe(addr, &err) == 0)
		findings_add(&d->findings, FINDING_OK, "%s is free", text);
	else if (errno == EADDRINUSE && doctor_port_user(addr, user,
	    sizeof(user)) == 0)
		findings_add(&d->findings, FINDING_FAIL, "%s is in use by %s",
		    text, user);
	else
		findings_add(&d->findings, errno == EACCES && geteuid() != 0 ?
		    FINDING_WARN : FINDING_FAIL, "%s", err.text);
}

void
doctor_addresses(struct doctor *d)
{
	for (size_t i = 0; i < d->config->n_listens; i++) {
		const struct config_listen *l = &d->config->listens[i];

		if (d->pid != 0) {
			try_listen(d, l);
			continue;
		}
		for (size_t j = 0; j < l->address.n; j++)
			want_address(d, &l->addrs[j]);
	}
}
