/* SPDX-License-Identifier: MIT */
/* Which route a request gets. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/snapshot.h"
#include "worker/worker.h"

static const char text[] =
    "[listen a]\n"
    "address = 127.0.0.1:0\n"
    "transport = tcp\n"
    "[listen b]\n"
    "address = [::1]:0\n"
    "transport = tcp\n"
    "[route /]\n"
    "handler = echo\n"
    "[route /chat]\n"
    "handler = echo\n"
    "[route /chat/admin/]\n"
    "handler = echo\n"
    "listen = b\n"
    "[route /only]\n"
    "handler = echo\n"
    "host = example.org, example.net\n"
    "[route /both]\n"
    "handler = echo\n";

static const struct row {
	const char *listen, *host, *path, *want;	/* NULL: no route */
} rows[] = {
	{ "a", "x", "/", "/" },
	{ "a", "x", "/nothing", "/" },
	{ "a", "x", "/chat", "/chat" },
	{ "a", "x", "/chat/", "/chat" },
	{ "a", "x", "/chat/room/7", "/chat" },
	{ "a", "x", "/chatter", "/" },
	{ "a", "x", "/Chat", "/" },
	{ "b", "x", "/chat/admin/x", "/chat/admin/" },
	{ "b", "x", "/chat/admin", "/chat" },
	{ "a", "x", "/chat/admin/x", "/chat" },
	{ "a", "example.org", "/only", "/only" },
	{ "a", "EXAMPLE.ORG", "/only/x", "/only" },
	{ "a", "example.com", "/only", "/" },
	{ "a", "example.net", "/only", "/only" },
	{ "a", "a.example.net", "/only", "/" },
	{ "a", "", "/both", "/both" },
};

static struct snapshot *
build_with(struct worker *w, const char *config_text,
    const struct files *files)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct modules modules = { NULL };
	struct buf warnings = BUF_INIT;
	struct err err = ERR_INIT;
	struct config *config = config_new(bundle_from_text("test.ini",
	    config_text, strlen(config_text)), &errors);
	struct snapshot *s;

	if (config == NULL)
		fail_msg("%s", errors.items[0]);
	s = snapshot_new(w, config, 1, NULL, NULL, files, &modules, false, &warnings,
	    &err);
	if (s == NULL)
		fail_msg("%s", err.text);
	config_errors_done(&errors);
	buf_done(&warnings);
	return s;
}

static struct snapshot *
build(struct worker *w, const char *config_text)
{
	struct files files = FILES_INIT;

	return build_with(w, config_text, &files);
}

static struct slice
slice(const char *s)
{
	return (struct slice){ s, strlen(s) };
}

static void
routes(void **state)
{
	struct worker w;
	struct snapshot *s;

	(void)state;
	memset(&w, 0, sizeof(w));
	s = build(&w, text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct wss_route *got = snapshot_route(s, r->listen,
		    slice(r->host), slice(r->path), true);

		assert_non_null(got);
		if (strcmp(got->config->path, r->want) != 0)
			fail_msg("%s%s on %s: got %s, want %s", r->host,
			    r->path, r->listen, got->config->path, r->want);
	}
	snapshot_unref(s);
}

static void
no_route(void **state)
{
	struct worker w;
	struct snapshot *s;

	(void)state;
	memset(&w, 0, sizeof(w));
	s = build(&w, "[listen]\naddress = 127.0.0.1:0\ntransport = tcp\n"
	    "[route /ws]\nhandler = echo\nhost = example.org\n");
	assert_null(snapshot_route(s, "default", slice("example.org"),
	    slice("/"), true));
	assert_null(snapshot_route(s, "default", slice("other.org"),
	    slice("/ws"), true));
	assert_non_null(snapshot_route(s, "default", slice("example.org"),
	    slice("/ws"), true));
	assert_null(snapshot_listen(s, "other"));
	assert_non_null(snapshot_listen(s, "default"));
	snapshot_unref(s);
}

/* Pages and WebSockets at the same path. */
static void
pages_beside(void **state)
{
	static const char pages[] =
	    "[listen]\naddress = 127.0.0.1:0\ntransport = tcp\n"
	    "[route /]\nhandler = static\nroot = /\n"
	    "[route /]\nhandler = echo\n"
	    "[route /a]\nhandler = static\nroot = /\n"
	    "[route /b]\nhandler = echo\n"
	    "[route /c]\nhandler = static\nroot = /\nhost = x\n"
	    "[route /c]\nhandler = echo\n";
	static const struct {
		const char *host, *path;
		bool websocket;
		size_t want;
	} cases[] = {
		{ "x", "/", false, 0 }, { "x", "/", true, 1 },
		{ "x", "/z", false, 0 }, { "x", "/z", true, 1 },
		{ "x", "/a", false, 2 }, { "x", "/a", true, 2 },
		{ "x", "/b", false, 3 }, { "x", "/b", true, 3 },
		/* the host counts more */
		{ "x", "/c", false, 4 }, { "x", "/c", true, 4 },
		{ "y", "/c", false, 5 }, { "y", "/c", true, 5 },
	};
	static struct metrics m;
	struct files files = FILES_INIT;
	struct worker w;
	struct snapshot *s;

	(void)state;
	memset(&w, 0, sizeof(w));
	files_add(&files, "/", open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	s = build_with(&w, pages, &files);
	files_done(&files);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_ptr_equal(snapshot_route(s, "default",
		    slice(cases[i].host), slice(cases[i].path),
		    cases[i].websocket), &s->routes[cases[i].want]);
	snapshot_publish(s, &m);
	assert_string_equal(s->routes[0].metrics->name, "/ (pages)");
	assert_string_equal(s->routes[1].metrics->name, "/");
	snapshot_unref(s);
}

/* Counters are found again by name, over reloads and respawns. */
static void
counters_keep_their_cells(void **state)
{
	static struct metrics m;
	struct worker w;
	struct snapshot *a, *b;
	struct metrics_route *chat;

	(void)state;
	memset(&w, 0, sizeof(w));
	a = build(&w, text);
	snapshot_publish(a, &m);
	chat = a->routes[1].metrics;
	assert_string_equal(chat->name, "/chat");
	assert_string_equal(chat->handler, "echo");
	b = build(&w, "[listen a]\naddress = 127.0.0.1:0\ntransport = tcp\n"
	    "[route /new]\nhandler = echo\n[route /chat]\nhandler = echo\n");
	b->generation = 2;
	snapshot_publish(b, &m);
	assert_ptr_equal(b->routes[1].metrics, chat);
	assert_string_equal(b->routes[0].metrics->name, "/new");
	assert_int_equal(metrics_get(&chat->generation), 2);
	snapshot_unref(a);
	snapshot_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(no_route),
		cmocka_unit_test(pages_beside),
		cmocka_unit_test(counters_keep_their_cells),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
