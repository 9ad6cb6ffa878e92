/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Pure: text to struct addr and back, by inet_pton(3). */
#include "common/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"

#define SHOWN 80		/* bytes of a wrong value in a sentence */
#define UNIX "unix:"

/* What people know from other programs, and what to write here. */
static int
explain_scheme(const char *text, const char *scheme_end, struct err *err)
{
	return err_set(err, "`%.*s' is an address with a scheme: write `%.*s' "
	    "alone, and transport = ssl (wss://) or tcp (ws://)",
	    SHOWN, text, SHOWN, scheme_end + 3);
}

static int
explain_no_port(const char *text, struct err *err)
{
	uint64_t port;

	if (str_parse_uint(text, &port, NULL) == 0)
		return err_set(err, "`%.*s' is only a port: write "
		    "0.0.0.0:%.*s for every IPv4 address of this machine",
		    SHOWN, text, SHOWN, text);
	return err_set(err, "`%.*s' has no port: write IP:PORT, "
	    "such as 0.0.0.0:443 or [::]:443", SHOWN, text);
}

static int
parse_port(const char *text, const char *port_text, uint16_t *port_out,
    struct err *err)
{
	uint64_t port;

	if (str_parse_uint(port_text, &port, NULL) != 0 || port > 65535)
		return err_set(err, "the port in `%.*s' is not a number "
		    "from 0 to 65535", SHOWN, text);
	*port_out = (uint16_t)port;
	return 0;
}

/* The path behind "unix:". */
static int
parse_unix(const char *path, struct addr *addr_out, struct err *err)
{
	struct addr addr = { .len = sizeof(addr.un) };
	size_t len = strlen(path);

	if (path[0] == '@')
		return err_set(err, "`" UNIX "%.*s' is an abstract socket, "
		    "which everybody may connect to: write a path", SHOWN,
		    path);
	if (path[0] != '/' || path[1] == '/' || path[len - 1] == '/')
		return err_set(err, "`" UNIX "%.*s' is not the full path of "
		    "a socket, such as " UNIX "/run/wssd/ws.sock", SHOWN,
		    path);
	if (len >= sizeof(addr.un.sun_path))
		return err_set(err, "the path of a unix socket has at most "
		    "%zu bytes", sizeof(addr.un.sun_path) - 1);
	addr.un.sun_family = AF_UNIX;
	memcpy(addr.un.sun_path, path, len + 1);
	*addr_out = addr;
	return 0;
}

/* [IPv6]:PORT */
static int
parse_v6(const char *text, struct addr *addr_out, struct err *err)
{
	struct addr addr = { .len = sizeof(addr.in6) };
	const char *end = strchr(text, ']');
	char ip[INET6_ADDRSTRLEN];
	uint16_t port;
	size_t len;

	if (end == NULL || end[1] != ':')
		return err_set(err, "`%.*s' is not [IPv6]:PORT, "
		    "such as [::]:443", SHOWN, text);
	len = (size_t)(end - text) - 1;
	if (parse_port(text, end + 2, &port, err) != 0)
		return -1;
	addr.in6.sin6_family = AF_INET6;
	addr.in6.sin6_port = htons(port);
	if (len < sizeof(ip)) {
		memcpy(ip, text + 1, len);
		ip[len] = '\0';
		if (inet_pton(AF_INET6, ip, &addr.in6.sin6_addr) == 1) {
			*addr_out = addr;
			return 0;
		}
	}
	return err_set(err, "`%.*s' is not an IPv6 address",
	    len < SHOWN ? (int)len : SHOWN, text + 1);
}

/* IPv4:PORT; colon stands before the port. */
static int
parse_v4(const char *text, const char *colon, struct addr *addr_out,
    struct err *err)
{
	struct addr addr = { .len = sizeof(addr.in) };
	size_t len = (size_t)(colon - text);
	char ip[INET_ADDRSTRLEN];
	uint16_t port;

	if (len == 0 || (len == 1 && text[0] == '*'))
		return err_set(err, "`%.*s' names no address: write "
		    "0.0.0.0%.*s for IPv4 or [::]%.*s for IPv6", SHOWN, text,
		    SHOWN, colon, SHOWN, colon);
	if (parse_port(text, colon + 1, &port, err) != 0)
		return -1;
	addr.in.sin_family = AF_INET;
	addr.in.sin_port = htons(port);
	if (len < sizeof(ip)) {
		memcpy(ip, text, len);
		ip[len] = '\0';
		if (inet_pton(AF_INET, ip, &addr.in.sin_addr) == 1) {
			*addr_out = addr;
			return 0;
		}
	}
	return err_set(err, "`%.*s' is not an IPv4 address "
	    "(names are not looked up: write numbers)",
	    len < SHOWN ? (int)len : SHOWN, text);
}

int
addr_parse(const char *text, struct addr *addr_out, struct err *err)
{
	const char *scheme_end = strstr(text, "://");
	const char *colon;

	if (strncmp(text, UNIX, strlen(UNIX)) == 0)
		return parse_unix(text + strlen(UNIX), addr_out, err);
	if (scheme_end != NULL)
		return explain_scheme(text, scheme_end, err);
	if (text[0] == '[')
		return parse_v6(text, addr_out, err);
	colon = strrchr(text, ':');
	if (colon == NULL)
		return explain_no_port(text, err);
	if (strchr(text, ':') != colon)
		return err_set(err, "`%.*s' is ambiguous: write an IPv6 "
		    "address in brackets, such as [::]:443", SHOWN, text);
	return parse_v4(text, colon, addr_out, err);
}

bool
addr_parse_ip(const char *text, size_t len, struct addr *addr_out)
{
	struct addr addr = { .len = 0 };
	char ip[INET6_ADDRSTRLEN];

	if (len >= sizeof(ip))
		return false;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (inet_pton(AF_INET, ip, &addr.in.sin_addr) == 1) {
		addr.len = sizeof(addr.in);
		addr.in.sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, ip, &addr.in6.sin6_addr) == 1) {
		addr.len = sizeof(addr.in6);
		addr.in6.sin6_family = AF_INET6;
		addr_unmap(&addr);
	} else {
		return false;
	}
	*addr_out = addr;
	return true;
}

void
addr_client_set(struct addr_client *client, const struct addr *addr)
{
	memset(client, 0, sizeof(*client));
	if (addr->sa.sa_family == AF_INET)
		client->in = addr->in;
	else if (addr->sa.sa_family == AF_INET6)
		client->in6 = addr->in6;
	else
		client->sa.sa_family = addr->sa.sa_family;
}

struct addr
addr_client_get(const struct addr_client *client)
{
	struct addr addr = { .len = sizeof(client->sa.sa_family) };

	if (client->sa.sa_family == AF_INET) {
		addr.in = client->in;
		addr.len = sizeof(addr.in);
	} else if (client->sa.sa_family == AF_INET6) {
		addr.in6 = client->in6;
		addr.len = sizeof(addr.in6);
	} else {
		addr.sa.sa_family = client->sa.sa_family;
	}
	return addr;
}

void
addr_unmap(struct addr *addr)
{
	struct addr v4 = { .len = sizeof(v4.in) };

	if (addr->sa.sa_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr))
		return;
	v4.in.sin_family = AF_INET;
	v4.in.sin_port = addr->in6.sin6_port;
	memcpy(&v4.in.sin_addr, &addr->in6.sin6_addr.s6_addr[12], 4);
	*addr = v4;
}

void
addr_format_ip(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
	const struct in6_addr *in6 = &addr->in6.sin6_addr;

	if (addr->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &addr->in.sin_addr, out, ADDR_TEXT_MAX);
	else if (addr_is_unix(addr))
		snprintf(out, ADDR_TEXT_MAX, UNIX "%s", addr->un.sun_path);
	else if (addr->sa.sa_family != AF_INET6)
		snprintf(out, ADDR_TEXT_MAX, "?");
	else if (IN6_IS_ADDR_V4MAPPED(in6))
		inet_ntop(AF_INET, &in6->s6_addr[12], out, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, in6, out, ADDR_TEXT_MAX);
}

void
addr_format(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
	char ip[ADDR_TEXT_MAX];

	addr_format_ip(addr, ip);
	if (addr_is_unix(addr)) {
		memcpy(out, ip, sizeof(ip));
		return;
	}
	snprintf(out, ADDR_TEXT_MAX,
	    strchr(ip, ':') != NULL ? "[%.46s]:%u" : "%.46s:%u", ip,
	    (unsigned)addr_port(addr));
}

void
addr_format_client(const struct addr_client *client, char out[ADDR_TEXT_MAX])
{
	struct addr addr = addr_client_get(client);

	if (addr_port(&addr) == 0)
		addr_format_ip(&addr, out);
	else
		addr_format(&addr, out);
}

bool
addr_is_unix(const struct addr *addr)
{
	return addr->sa.sa_family == AF_UNIX;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family ||
	    addr_port(a) != addr_port(b))
		return false;
	if (addr_is_unix(a))
		return strcmp(a->un.sun_path, b->un.sun_path) == 0;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->sa.sa_family == AF_INET6 &&
	    IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
	    a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

bool
addr_is_loopback(const struct addr *addr)
{
	const struct in6_addr *in6 = &addr->in6.sin6_addr;

	if (addr->sa.sa_family == AF_INET)
		return ntohl(addr->in.sin_addr.s_addr) >> 24 == 127;
	if (addr->sa.sa_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(in6) ||
	    (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
}

uint16_t
addr_port(const struct addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return ntohs(addr->in.sin_port);
	if (addr->sa.sa_family == AF_INET6)
		return ntohs(addr->in6.sin6_port);
	return 0;
}

void
addr_set_port(struct addr *addr, uint16_t port)
{
	if (addr->sa.sa_family == AF_INET)
		addr->in.sin_port = htons(port);
	else if (addr->sa.sa_family == AF_INET6)
		addr->in6.sin6_port = htons(port);
}
