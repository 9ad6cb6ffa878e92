/* SPDX-License-Identifier: MIT */
/* wssctl connections: all that are open now, as they come from the daemon. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/ctl.h"

#define PIECE_WITHIN_MS 15000

/*
 * The daemon writes one connection a line, so that the list need not be held
 * anywhere: not in the daemon, and not here.
 */
struct table {
	struct buf line;
	struct buf rest;	/* what is not a connection: the frame */
	bool json;
	size_t n;
};

static const char *
text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL || s[0] == '\0' ? "-" : s;
}

static long long
number_of(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static void
print_connection(json_t *c)
{
	const char *via = text_of(c, "via");

	printf("%-13s %-21s %-7s %-13.13s %6llds %6lld %6lld%s%s\n",
	    text_of(c, "id"), text_of(c, "address"), text_of(c, "state"),
	    text_of(c, "route"), number_of(c, "age_ms") / 1000,
	    number_of(c, "messages_in"), number_of(c, "messages_out"),
	    via[0] == '-' ? "" : "  via ", via[0] == '-' ? "" : via);
}

/* A line of the document, without its newline. */
static void
take_line(struct table *t)
{
	size_t len = t->line.len;
	json_t *row = NULL;

	if (len > 0 && t->line.data[len - 1] == ',')
		len--;
	if (len > 0 && t->line.data[0] == '{')
		row = json_loadb((const char *)t->line.data, len, 0, NULL);
	if (row != NULL && json_object_get(row, "id") != NULL) {
		if (t->json)
			t->n++;
		else if (t->n++ == 0)
			printf("%-13s %-21s %-7s %-13s %7s %6s %6s\n", "ID",
			    "ADDRESS", "STATE", "ROUTE", "AGE", "MSG-IN",
			    "OUT");
		if (!t->json)
			print_connection(row);
	} else {
		buf_put(&t->rest, t->line.data, t->line.len);
	}
	json_decref(row);
	buf_clear(&t->line);
}

static int
take(void *arg, const char *data, size_t len)
{
	struct table *t = arg;

	if (t->json && fwrite(data, 1, len, stdout) != len)
		return 1;
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n')
			take_line(t);
		else
			buf_put_u8(&t->line, (uint8_t)data[i]);
	}
	return 0;
}

/* The document without its rows: was it an error, is it complete? */
static int
conclude(struct table *t)
{
	json_t *root = json_loadb((const char *)t->rest.data, t->rest.len, 0,
	    NULL);
	json_t *error = json_object_get(root, "error");
	int code = CTL_OK;

	if (json_is_string(error)) {
		ctl_say("%s", json_string_value(error));
		code = (int)json_integer_value(json_object_get(root, "exit"));
	} else if (!json_is_true(json_object_get(root, "complete"))) {
		ctl_say("the list is not complete: a worker did not answer");
		code = CTL_GENERIC;
	} else if (!t->json && t->n == 0) {
		printf("no connections\n");
	}
	json_decref(root);
	return code;
}

static int
run(const struct ctl *ctl)
{
	struct table t = { BUF_INIT, BUF_INIT,
		(ctl->options & CTL_OPT_JSON) != 0, 0 };
	enum ctlsock_result result;
	struct err err = ERR_INIT;
	int fd, code;

	code = ctl_connect_running(ctl, &fd, &result);
	if (code != CTL_OK)
		return code;
	if (ctlsock_ask(fd, "connections", ctl_timeout(ctl, PIECE_WITHIN_MS),
	    take, &t, &err) != 0) {
		ctl_say("%s", err.text);
		code = CTL_GENERIC;
	} else {
		code = conclude(&t);
	}
	close(fd);
	buf_done(&t.line);
	buf_done(&t.rest);
	return code;
}

const struct ctl_command ctl_connections = {
	"connections", "[--json]", CTL_OPT_JSON, 0,
	"list the connections that are open now",
	run
};
