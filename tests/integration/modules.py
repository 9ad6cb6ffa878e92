# SPDX-License-Identifier: MIT
"""Modules for `handler = module', built with the one line that handler.h
promises."""
import os
import pathlib
import subprocess

SOURCE = pathlib.Path(os.environ.get(
    "WSSD_SOURCE", pathlib.Path(__file__).resolve().parents[2]))

# It echoes, and does what it is told to.
OBEDIENT = r"""
#include <stdlib.h>
#include <string.h>
#include <wssd/handler.h>

static int
says(const struct wss_message *m, const char *word)
{
	return m->len == strlen(word) && memcmp(m->data, word, m->len) == 0;
}

static void
on_message(struct wss_conn *conn, const struct wss_message *m)
{
	volatile int on = 1;

	while (says(m, "loop") && on)
		;
	if (says(m, "crash"))
		abort();
	wss_send(conn, m->text, m->data, m->len);
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "obedient", .message = on_message };
"""

# It answers with the text it was built with.
ANSWERING = r"""
#include <string.h>
#include <wssd/handler.h>

static void
on_message(struct wss_conn *conn, const struct wss_message *m)
{
	(void)m;
	wss_send(conn, 1, ANSWER, strlen(ANSWER));
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "answering", .message = on_message };
"""

# Each connection is sent a text every 300 ms.
TICKING = r"""
#include <stdlib.h>
#include <wssd/handler.h>

struct tick { struct wss_route *route; uint64_t id; };

static void
on_timer(void *arg)
{
	struct tick *tick = arg;
	struct wss_conn *c = wss_find(tick->route, tick->id);

	if (c == NULL) {
		free(tick);
		return;
	}
	wss_send(c, 1, "tick", 4);
	wss_timer_start(tick->route, 300, on_timer, tick);
}

static int
on_open(struct wss_conn *c, const struct wss_request *q)
{
	struct tick *tick = malloc(sizeof(*tick));

	(void)q;
	tick->route = wss_conn_route(c);
	tick->id = wss_id(c);
	wss_timer_start(tick->route, 300, on_timer, tick);
	return 0;
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "ticking", .open = on_open };
"""


def build(folder, source, name="module", *flags):
    """The path of folder/NAME.so, which takes the place of one that is
    there, as installing a package does."""
    code = pathlib.Path(folder, f"{name}.c")
    target = pathlib.Path(folder, f"{name}.so")
    made = pathlib.Path(folder, f"{name}.new")
    code.write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", *flags,
                    f"-I{SOURCE / 'worker/include'}", "-o", made, code],
                   check=True)
    made.rename(target)
    return target


def route(path):
    """Its keys in the config."""
    return {"handler": "module", "module": path}
