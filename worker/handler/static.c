/* SPDX-License-Identifier: MIT */
/*
 * static: files of one folder, for a page to begin with and for
 * /.well-known/acme-challenge/.  Not a web server: a file is read whole, and
 * the connection ends behind it.
 *
 * The folder comes as a descriptor, as a worker has no other way to it, and
 * the kernel lets no path lead out of it, by ".." or by a symbolic link
 * (openat2(2), RESOLVE_BENEATH).  Names that begin with a dot are nobody's
 * business, but for .well-known (RFC 8615).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "handlers.h"

#define FILE_MAX (1u << 20)	/* bytes */
#define NAME_BYTES 1024		/* of a path below the folder */
#define INDEX "index.html"

struct files {
	int folder;
};

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".mjs", "text/javascript; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".xml", "application/xml" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".jpg", "image/jpeg" },
	{ ".gif", "image/gif" },
	{ ".webp", "image/webp" },
	{ ".ico", "image/vnd.microsoft.icon" },
	{ ".woff2", "font/woff2" },
	{ ".wasm", "application/wasm" },
	{ ".pdf", "application/pdf" },
};

/* ---- from the path of a request to a name in the folder --------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without %XX; -1: broken, too long, or with bytes that no name has. */
static int
decode(const char *path, size_t len, char out[NAME_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(path[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(path[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -1;
			c = (unsigned char)(high << 4 | low);
			i += 2;
			/* An encoded slash is a part of a name. */
			if (c == '/')
				return -1;
		}
		if (c < 0x20 || c == 0x7f || n == NAME_BYTES - 1)
			return -1;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 0;
}

/* Every part is a name, and none is hidden. */
static int
is_public(const char *name)
{
	while (*name != '\0') {
		size_t len = strcspn(name, "/");

		if (len == 0 || (name[0] == '.' && (len != 11 ||
		    strncmp(name, ".well-known", len) != 0)))
			return 0;
		name += len;
		if (*name == '/')
			name++;
	}
	return 1;
}

/* "/chat/a%20b.txt" under the route /chat is "a b.txt". */
static int
find_name(const struct wss_route *route, const struct wss_request *request,
    char out[NAME_BYTES])
{
	const char *prefix = wss_route_path(route);
	size_t skip = strlen(prefix), len;

	if (skip < request->path.len && prefix[skip - 1] != '/')
		skip++;		/* the slash behind /chat */
	if (decode(request->path.data + skip, request->path.len - skip,
	    out) != 0 || !is_public(out))
		return -1;
	len = strlen(out);
	if (len > 0 && out[len - 1] != '/')
		return 0;
	if (len + strlen(INDEX) >= NAME_BYTES)
		return -1;
	memcpy(out + len, INDEX, sizeof(INDEX));
	return 0;
}

static const char *
type_of(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *dot = strrchr(slash == NULL ? name : slash, '.');

	/* Tokens of ACME (RFC 8555 §8.3) have no ending. */
	if (dot == NULL)
		return "text/plain; charset=utf-8";
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcasecmp(types[i].ending, dot) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

/* ---- the file --------------------------------------------------------- */

static int
open_beneath(int folder, const char *name)
{
	struct open_how how = {
		/* A FIFO must not stop the worker. */
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));
}

/* All of the file, at most size bytes; -1: it could not be read. */
static ssize_t
read_whole(int fd, unsigned char *data, size_t size)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < size && n > 0) {
		n = read(fd, data + done, size - done);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			done += (size_t)n;
	}
	return n < 0 ? -1 : (ssize_t)done;
}

static int
answer(struct wss_conn *conn, int fd, const char *name)
{
	struct wss_route *route = wss_conn_route(conn);
	unsigned char *data;
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		wss_error(route, "there is no file at this path");
		return 404;
	}
	if (st.st_size > FILE_MAX) {
		wss_error(route, "the file is bigger than %u bytes",
		    FILE_MAX);
		return 500;
	}
	data = malloc((size_t)st.st_size + 1);
	len = data == NULL ? -1 : read_whole(fd, data, (size_t)st.st_size);
	if (len < 0) {
		free(data);
		wss_error(route, "the file cannot be read");
		return 500;
	}
	wss_answer(conn, 200, type_of(name), "Cache-Control: no-cache\r\n",
	    data, (size_t)len);
	free(data);
	return 0;
}

static int
static_get(struct wss_conn *conn, const struct wss_request *request)
{
	const struct files *files = wss_state(conn);
	struct wss_route *route = wss_conn_route(conn);
	char name[NAME_BYTES];
	int fd, status;

	if (find_name(route, request, name) != 0 ||
	    ((fd = open_beneath(files->folder, name)) < 0 &&
	    errno != EACCES)) {
		wss_error(route, "there is no file at this path");
		return 404;
	}
	if (fd < 0) {
		wss_error(route, "the workers may not read the file");
		return 403;
	}
	status = answer(conn, fd, name);
	close(fd);
	return status;
}

/* ---- the handler ------------------------------------------------------ */

static int
static_open(struct wss_conn *conn, const struct wss_request *request)
{
	(void)request;
	wss_error(wss_conn_route(conn), "there are files at this path, and "
	    "no WebSocket");
	return 400;
}

static int
static_setup(struct wss_route *route, void **state_out)
{
	int folder = wss_option_fd(route, "root");
	struct files *files;
	int probe;

	/* Here rather than at each request. */
	probe = open_beneath(folder, ".");
	if (probe < 0)
		return wss_error(route, "the workers cannot read in root: %s",
		    errno == ENOSYS ? "this needs Linux 5.6" :
		    strerror(errno));
	close(probe);
	files = malloc(sizeof(*files));
	if (files == NULL)
		return wss_error(route, "out of memory");
	files->folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	if (files->folder < 0) {
		free(files);
		return wss_error(route, "%s", strerror(errno));
	}
	*state_out = files;
	return 0;
}

static void
static_teardown(void *state)
{
	struct files *files = state;

	close(files->folder);
	free(files);
}

const struct wss_handler handler_static = {
	.abi = WSS_ABI,
	.name = "static",
	.setup = static_setup,
	.teardown = static_teardown,
	.open = static_open,
	.get = static_get,
};
