/* SPDX-License-Identifier: MIT */
/*
 * Owns the grammar of upstream URLs (RFC 6455 §3, and the ws+unix: of npm's
 * ws).  Runs in the master, the workers and wssctl.  Must never look
 * anything up.
 */
#include "common/upstream.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "common/alloc.h"
#include "common/str.h"

#define HOST_MAX 253		/* RFC 1035 §2.3.4, as text */
#define HOW "write ws://HOST:PORT, wss://HOST or ws+unix:/PATH"

/* What goes into a request line as it stands; "" is none. */
static int
take_path(const char *path, struct upstream *u, struct err *err)
{
	for (const char *p = path; *p != '\0'; p++) {
		if (*p <= 0x20 || *p >= 0x7f)
			return err_set(err, "its path must be printable "
			    "ASCII without blanks");
	}
	if (strpbrk(path, "?#") != NULL)
		return err_set(err, "its path must not have a `?' or `#': "
		    "the client's query is passed on");
	if (path[0] != '\0' && path[0] != '/')
		return err_set(err, "its path must begin with /");
	u->path = xstrdup(path);
	return 0;
}

/* The URL's path stands behind the first colon. */
static int
parse_unix(const char *rest, struct upstream *u, struct err *err)
{
	const char *colon;
	struct sockaddr_un room;

	/* ws+unix:///run/app.sock is the same with an empty host. */
	if (strncmp(rest, "///", 3) == 0)
		rest += 2;
	if (rest[0] != '/' || rest[1] == '/')
		return err_set(err, "the path of the socket must begin with "
		    "one /: write ws+unix:/run/app.sock");
	colon = strchrnul(rest, ':');
	u->is_unix = true;
	u->endpoint = xstrndup(rest, (size_t)(colon - rest));
	if (strlen(u->endpoint) >= sizeof(room.sun_path))
		return err_set(err, "the path of the socket is longer than "
		    "%zu bytes", sizeof(room.sun_path) - 1);
	u->host = xstrdup("localhost");
	u->authority = xstrdup("localhost");
	return take_path(*colon == '\0' ? colon : colon + 1, u, err);
}

/* A name's characters; whether it exists is another matter. */
static bool
is_name(const char *host)
{
	size_t len = strlen(host);

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)host[i]) &&
		    strchr("-._", host[i]) == NULL)
			return false;
	}
	return len > 0 && len <= HOST_MAX && host[0] != '-' &&
	    host[0] != '.';
}

/* ":8282" or nothing. */
static int
take_port(const char *text, struct upstream *u, struct err *err)
{
	uint64_t port;

	u->port = u->tls ? 443 : 80;
	if (text[0] == '\0')
		return 0;
	if (text[0] != ':' || str_parse_uint(text + 1, &port, NULL) == -1 ||
	    port < 1 || port > 65535)
		return err_set(err, "its port must be a number from 1 to "
		    "65535");
	u->port = (uint16_t)port;
	return 0;
}

/* [v6], v4 or a name; *port is what stands behind it. */
static int
take_host(char *hostport, char **port, struct upstream *u, struct err *err)
{
	char *host = hostport, *end;

	if (host[0] == '[') {
		end = strchr(++host, ']');
		if (end == NULL)
			return err_set(err, "its `[' has no `]'");
		*port = end + 1;
		u->host = xstrndup(host, (size_t)(end - host));
		return 0;
	}
	end = strchrnul(host, ':');
	*port = end;
	u->host = xstrndup(host, (size_t)(end - host));
	if (is_name(u->host))
		return 0;
	return err_set(err, "it has no host: " HOW);
}

static int
take_address(bool v6, struct upstream *u, struct err *err)
{
	const char *l = v6 ? "[" : "", *r = v6 ? "]" : "";
	uint16_t usual = u->tls ? 443 : 80;
	const char *last = strrchr(u->host, '.');
	struct err reason = ERR_INIT;

	u->endpoint = xasprintf("%s%s%s:%u", l, u->host, r, u->port);
	if (u->port == usual)
		u->authority = xasprintf("%s%s%s", l, u->host, r);
	else
		u->authority = xstrdup(u->endpoint);
	if (addr_parse(u->endpoint, &u->addr, &reason) == 0)
		return 0;
	/* No name ends in digits (RFC 1123 §2.1): a mistyped address. */
	if (v6 || isdigit((unsigned char)*(last == NULL ? u->host : last + 1)))
		return err_set(err, "`%s' is not an IP address", u->host);
	u->is_name = true;
	return 0;
}

static int
parse_tcp(const char *rest, struct upstream *u, struct err *err)
{
	const char *path = strchrnul(rest, '/');
	char *hostport = xstrndup(rest, (size_t)(path - rest));
	char *port = NULL;
	int rc = -1;

	if (strchr(hostport, '@') != NULL)
		err_set(err, "a user and a password in it are not supported");
	else if (take_host(hostport, &port, u, err) == 0 &&
	    take_port(port, u, err) == 0 &&
	    take_address(hostport[0] == '[', u, err) == 0)
		rc = take_path(path, u, err);
	free(hostport);
	return rc;
}

int
upstream_parse(const char *url, struct upstream *upstream_out,
    struct err *err)
{
	struct upstream u = { .url = xstrdup(url) };
	int rc;

	u.tls = strncasecmp(url, "wss://", 6) == 0;
	if (strlen(url) > UPSTREAM_URL_MAX)
		rc = err_set(err, "it is longer than %d bytes",
		    UPSTREAM_URL_MAX);
	else if (strncasecmp(url, "ws+unix:", 8) == 0)
		rc = parse_unix(url + 8, &u, err);
	else if (u.tls || strncasecmp(url, "ws://", 5) == 0)
		rc = parse_tcp(url + (u.tls ? 6 : 5), &u, err);
	else
		rc = err_set(err, HOW);
	if (rc == 0)
		*upstream_out = u;
	else
		upstream_done(&u);
	return rc;
}

void
upstream_done(struct upstream *u)
{
	free(u->url);
	free(u->endpoint);
	free(u->host);
	free(u->authority);
	free(u->path);
	*u = (struct upstream){ 0 };
}
