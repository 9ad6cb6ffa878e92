/* SPDX-License-Identifier: MIT */
/*
 * From a client's request to the one that an upstream gets, and from the
 * upstream's answer to the client's.  An upstream believes what wssd says of
 * the client: nothing that a client could have written itself may look so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy.h"

/* Of a certificate's names, encoded; more than one name can need. */
#define PEER_NAMES_BYTES 4096

/*
 * Not passed on: what belongs to one hop (RFC 9110 §7.6.1), the handshake,
 * which each hop has its own of, and what wssd itself says of the client.  A
 * name that ends in * stands for all that begin so.
 */
static const char *const dropped_fields[] = {
	"host", "connection", "upgrade", "keep-alive", "te", "trailer",
	"transfer-encoding", "content-length", "expect", "http2-settings",
	"proxy-*", "sec-websocket-*",
	"x-forwarded-*", "x-real-ip", "forwarded",
	"x-ssl-client-*", "client-cert*",	/* RFC 9440 has the latter */
	NULL
};

/* wssd's answer has these of its own. */
static const char *const dropped_answers[] = {
	"connection", "upgrade", "keep-alive", "te", "trailer",
	"transfer-encoding", "content-*", "cache-control", "retry-after",
	"proxy-*", "sec-websocket-*", "server", "date",
	NULL
};

/*
 * Many applications cannot tell X_Real_IP from X-Real-IP (RFC 3875 §4.1.18
 * makes the same variable of them), so here they are the same.
 */
static bool
is_name(struct wss_bytes name, const char *pattern)
{
	size_t len = strlen(pattern);
	bool prefix = pattern[len - 1] == '*';

	len -= prefix;
	if (prefix ? name.len < len : name.len != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name.data[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c == '_')
			c = '-';
		if (c != pattern[i])
			return false;
	}
	return true;
}

static bool
is_one_of(struct wss_bytes name, const char *const *patterns)
{
	for (; *patterns != NULL; patterns++)
		if (is_name(name, *patterns))
			return true;
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* Whether a Connection field names it: then it is for this hop only. */
static bool
is_for_this_hop(const struct wss_request *request, struct wss_bytes name)
{
	struct wss_bytes value;
	size_t len;

	for (size_t i = 0; (value = wss_request_header(request, "Connection",
	    i)).data != NULL; i++) {
		for (size_t at = 0; at < value.len; at += len) {
			const char *word = value.data + at;

			for (len = 0; at + len < value.len &&
			    !is_blank(word[len]);)
				len++;
			if (len == name.len &&
			    strncasecmp(word, name.data, len) == 0)
				return true;
			if (len == 0)
				len = 1;
		}
	}
	return false;
}

static FILE *
memory(char **text, size_t *len)
{
	FILE *f = open_memstream(text, len);

	if (f == NULL)
		abort();
	return f;
}

static void
finish(FILE *f)
{
	if (fclose(f) != 0)
		abort();
}

static void
put(FILE *f, struct wss_bytes b)
{
	fwrite(b.data, 1, b.len, f);
}

static void
put_field(FILE *f, struct wss_bytes name, struct wss_bytes value)
{
	put(f, name);
	fputs(": ", f);
	put(f, value);
	fputs("\r\n", f);
}

/* wss_address() without the port and brackets; "unix:" as it stands. */
struct wss_bytes
proxy_client_ip(const struct wss_conn *conn)
{
	struct wss_bytes ip = { wss_address(conn), 0 };
	const char *colon = strchr(ip.data, ':');

	ip.len = strlen(ip.data);
	if (ip.data[0] == '[') {
		ip.data++;
		ip.len = strcspn(ip.data, "]");
	} else if (colon != NULL && colon[1] != '\0' &&
	    strchr(colon + 1, ':') == NULL) {
		ip.len = (size_t)(colon - ip.data);
	}
	return ip;
}

/*
 * What may not stand in the value of a field as it is: control characters,
 * the special ones, and a blank at an end, which would be lost.
 */
static bool
is_encoded(const char *text, size_t i, size_t len, const char *special)
{
	unsigned char c = (unsigned char)text[i];

	return c < 0x20 || c > 0x7e || strchr(special, c) != NULL ||
	    (c == ' ' && (i == 0 || i + 1 == len));
}

static size_t
encoded_len(const char *text, const char *special)
{
	size_t len = strlen(text), n = len;

	for (size_t i = 0; i < len; i++)
		n += is_encoded(text, i, len, special) ? 2 : 0;
	return n;
}

static void
put_encoded(FILE *f, const char *text, const char *special)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		fprintf(f, is_encoded(text, i, len, special) ? "%%%02X" : "%c",
		    (unsigned char)text[i]);
}

/* Those that fit, each whole: an upstream has a limit for a head, too. */
static void
put_peer_names(FILE *f, const char *const *names)
{
	static const char special[] = "%,\"";
	size_t used = 0;

	for (size_t i = 0; names[i] != NULL; i++) {
		used += encoded_len(names[i], special) + strlen(", ");
		if (used > PEER_NAMES_BYTES)
			break;
		fputs(i == 0 ? "X-SSL-Client-SAN: " : ", ", f);
		put_encoded(f, names[i], special);
	}
	if (names[0] != NULL)
		fputs("\r\n", f);
}

/*
 * Who the client is by its certificate.  What stands in that may be of the
 * client's own making: no byte of it may end the field, or, in the list of
 * names, a name (RFC 9110 §5.5, §5.6.1).
 */
static void
put_peer(FILE *f, const struct wss_peer *peer)
{
	fprintf(f, "X-SSL-Client-Verify: %s\r\n",
	    peer == NULL ? "NONE" : "SUCCESS");
	if (peer == NULL)
		return;
	fputs("X-SSL-Client-S-DN: ", f);
	put_encoded(f, peer->subject, "%");
	fputs("\r\nX-SSL-Client-I-DN: ", f);
	put_encoded(f, peer->issuer, "%");
	fprintf(f, "\r\nX-SSL-Client-Fingerprint: %s\r\n",
	    peer->fingerprint);
	put_peer_names(f, peer->names);
}

static char *
make_fields(const struct wss_conn *conn, const struct wss_request *request)
{
	struct wss_bytes host = wss_request_header(request, "Host", 0);
	struct wss_bytes name, value, ip = proxy_client_ip(conn);
	size_t len;
	char *text;
	FILE *f = memory(&text, &len);

	for (size_t i = 0; wss_request_field(request, i, &name, &value); i++)
		if (!is_one_of(name, dropped_fields) &&
		    !is_for_this_hop(request, name))
			put_field(f, name, value);
	fprintf(f, "X-Real-IP: %.*s\r\nX-Forwarded-For: %.*s\r\n",
	    (int)ip.len, ip.data, (int)ip.len, ip.data);
	fprintf(f, "X-Forwarded-Proto: %s\r\nX-Forwarded-Host: ",
	    wss_secure(conn) ? "https" : "http");
	put(f, host);
	fputs("\r\n", f);
	put_peer(f, wss_peer(conn));
	finish(f);
	return text;
}

/* All that the client offers, as one list; the server has checked it. */
static char *
make_offered(const struct wss_request *request)
{
	struct wss_bytes value;
	size_t len;
	char *text;
	FILE *f = memory(&text, &len);

	for (size_t i = 0; (value = wss_request_header(request,
	    "Sec-WebSocket-Protocol", i)).data != NULL; i++) {
		fputs(i > 0 ? ", " : "", f);
		put(f, value);
	}
	finish(f);
	if (text[0] != '\0')
		return text;
	free(text);
	return NULL;
}

static char *
make_path(const struct wss_request *request)
{
	size_t len;
	char *text;
	FILE *f = memory(&text, &len);

	put(f, request->path);
	if (request->query.len > 0) {
		fputc('?', f);
		put(f, request->query);
	}
	finish(f);
	return text;
}

static char *
make_host(const struct proxy *proxy, const struct wss_request *request)
{
	struct wss_bytes host = { proxy->host, strlen(proxy->host) };
	char *text;

	if (strcmp(proxy->host, "upstream") == 0)
		return NULL;
	if (strcmp(proxy->host, "client") == 0)
		host = wss_request_header(request, "Host", 0);
	text = proxy_alloc(host.len + 1);
	memcpy(text, host.data, host.len);
	text[host.len] = '\0';
	return text;
}

void
proxy_request_make(struct proxy_request *r, const struct proxy *proxy,
    const struct wss_conn *conn, const struct wss_request *request)
{
	r->path = make_path(request);
	r->host = make_host(proxy, request);
	r->offered = make_offered(request);
	r->fields = make_fields(conn, request);
}

void
proxy_request_done(struct proxy_request *r)
{
	free(r->path);
	free(r->host);
	free(r->offered);
	free(r->fields);
	*r = (struct proxy_request){ NULL, NULL, NULL, NULL };
}

/*
 * Without a path in the URL the client's own.  With one, that stands in the
 * place of the route's, with one slash before what is left:
 *
 *	[route /chat]  ws://app/ws   /chat -> /ws   /chat/a?b -> /ws/a?b
 */
char *
proxy_target(const struct proxy_request *r, const struct wss_route *route,
    size_t upstream)
{
	const char *base = wss_upstream_path(route, upstream);
	const char *rest = r->path + strlen(wss_route_path(route));
	size_t base_len = strlen(base), len;
	char *text;
	FILE *f = memory(&text, &len);

	if (base_len == 0) {
		fputs(r->path, f);
	} else if (rest[0] == '\0' || rest[0] == '?') {
		fprintf(f, "%s%s", base, rest);
	} else {
		while (base_len > 0 && base[base_len - 1] == '/')
			base_len--;
		fprintf(f, "%.*s%s%s", (int)base_len, base,
		    rest[0] == '/' ? "" : "/", rest);
	}
	finish(f);
	return text;
}

void
proxy_pass_answer(struct wss_conn *conn, const struct wss_answer *answer)
{
	struct wss_bytes name, value;

	for (size_t i = 0; wss_answer_field(answer, i, &name, &value); i++)
		if (!is_one_of(name, dropped_answers))
			wss_answer_header(conn, name, value);
}
