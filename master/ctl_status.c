/* SPDX-License-Identifier: MIT */
/* wssctl status: the daemon's JSON as tables of 80 columns. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/count.h"
#include "master/ctl.h"

#define ANSWER_WITHIN_MS 5000

/* At most six characters: "999999", "1.2M", "345G". */
static const char *
short_number(json_t *v, unsigned base, char out[16])
{
	static const char letters[] = "kMGTPE";
	double n = (double)json_integer_value(v);
	size_t i = 0;

	if (!json_is_integer(v))
		return "-";
	if (n < (base == 1000 ? 100000 : 10000)) {
		snprintf(out, 16, "%.0f", n);
		return out;
	}
	for (n /= base; n >= base && letters[i + 1] != '\0'; i++)
		n /= base;
	snprintf(out, 16, n < 10 ? "%.1f%c" : "%.0f%c", n, letters[i]);
	return out;
}

static const char *
text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "-" : s;
}

static long long
number_of(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* --- columns ----------------------------------------------------------------- */

enum kind { TEXT, NUMBER, COUNT, BYTES, LAG };

struct column {
	const char *title;
	const char *key;
	int width;		/* negative: left */
	enum kind kind;
};

static const char *
cell(json_t *row, const struct column *c, char out[16])
{
	json_t *v = json_object_get(row, c->key);

	switch (c->kind) {
	case TEXT:
		return text_of(row, c->key);
	case COUNT:
		return short_number(v, 1000, out);
	case BYTES:
		return short_number(v, 1024, out);
	case LAG:
		if (!json_is_integer(v))
			return "-";
		snprintf(out, 16, "%.0fms",
		    (double)json_integer_value(v) / 1000);
		return out;
	default:
		if (!json_is_integer(v))
			return "-";
		snprintf(out, 16, "%lld", (long long)json_integer_value(v));
		return out;
	}
}

static void
print_titles(const struct column *columns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%s%*s", i == 0 ? "" : " ", columns[i].width,
		    columns[i].title);
	printf("\n");
}

static void
print_row(json_t *row, const struct column *columns, size_t n)
{
	char room[16];

	for (size_t i = 0; i < n; i++) {
		const char *text = cell(row, &columns[i], room);
		int width = columns[i].width;

		/* A long name is cut, so that the next columns stand right. */
		printf("%s%*.*s", i == 0 ? "" : " ", width,
		    width < 0 ? -width : 20, text);
	}
	printf("\n");
}

static void
print_table(json_t *rows, const struct column *columns, size_t n)
{
	json_t *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return;
	printf("\n");
	print_titles(columns, n);
	json_array_foreach(rows, i, row)
		print_row(row, columns, n);
}

/* --- the parts ---------------------------------------------------------------- */

static void
print_duration(long long s)
{
	if (s >= 86400)
		printf("%lldd %lldh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		printf("%lldh %lldm", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		printf("%lldm %llds", s / 60, s % 60);
	else
		printf("%llds", s);
}

/* Of one error or several, a line each. */
static void
print_last_error(const char *at, const char *lines)
{
	printf("        the reload at %s FAILED, the config above is in use:\n",
	    at);
	while (lines[0] != '\0') {
		size_t len = strcspn(lines, "\n");

		printf("        %.*s\n", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

/* Only where the keys are in a process of their own. */
static void
print_signer(json_t *signer)
{
	long long restarts = number_of(signer, "restarts");

	if (!json_is_object(signer))
		return;
	if (json_is_integer(json_object_get(signer, "pid")))
		printf("signer  pid %lld, ", number_of(signer, "pid"));
	else
		printf("signer  NOT RUNNING, ");
	printf("%lld restart%s\n", restarts, restarts == 1 ? "" : "s");
}

static void
print_head(json_t *root)
{
	json_t *config = json_object_get(root, "config");
	json_t *error = json_object_get(config, "last_error");

	printf("wssd %s is %s, pid %lld, up ", text_of(root, "version"),
	    text_of(root, "state"), number_of(root, "pid"));
	print_duration(number_of(root, "uptime_seconds"));
	printf(", since %s\n", text_of(root, "started_at"));
	printf("config  %s, generation %lld, loaded %s\n",
	    text_of(config, "path"), number_of(config, "generation"),
	    text_of(config, "loaded_at"));
	if (json_is_string(error))
		print_last_error(text_of(config, "last_error_at"),
		    json_string_value(error));
	printf("log     %s\n", text_of(root, "log"));
	print_signer(json_object_get(root, "signer"));
}

static void
print_workers(json_t *root)
{
	static const struct column columns[] = {
		{ "WORKER", "slot", 6, NUMBER }, { "PID", "pid", 7, NUMBER },
		{ "STATE", "state", -8, TEXT },
		{ "CONNS", "connections", 6, COUNT },
		{ "OPEN", "open", 6, COUNT },
		{ "MSG-IN", "messages_in", 6, COUNT },
		{ "OUT", "messages_out", 5, COUNT },
		{ "BYT-IN", "bytes_in", 6, BYTES },
		{ "OUT", "bytes_out", 5, BYTES },
		{ "RST", "restarts", 3, NUMBER },
		{ "RSS", "rss_bytes", 5, BYTES },
		{ "LAG", "loop_lag_us", 5, LAG },
	};
	json_t *total = json_object_get(root, "totals");

	print_table(json_object_get(root, "workers"), columns, COUNT(columns));
	json_object_set_new(total, "state", json_string("all"));
	print_row(total, columns, COUNT(columns));
}

/* A unix socket has no host: ws+unix:/run/wssd/ws.sock. */
static void
format_url(const char *scheme, const char *address, char *out, size_t size)
{
	if (strncmp(address, "unix:", 5) == 0)
		snprintf(out, size, "%s+%s", scheme, address);
	else
		snprintf(out, size, "%s://%s/", scheme, address);
}

/* Only where it is used. */
static void
print_compression(json_t *root)
{
	json_t *total = json_object_get(root, "totals");
	json_t *memory = json_object_get(total, "compression_memory");
	json_t *shared = json_object_get(total,
	    "compression_shared_by_limit");
	char m[16], n[16];

	if (json_integer_value(memory) == 0 && json_integer_value(shared) == 0)
		return;
	printf("\ncompression: %s bytes set aside, %s connections got shared "
	    "for want of more\n", short_number(memory, 1024, m),
	    short_number(shared, 1000, n));
}

static void
print_listens(json_t *root)
{
	json_t *listen, *address;
	size_t i, j;

	printf("\n%-16s %-42s %9s %9s\n", "LISTEN", "URL", "ACCEPTED", "OPEN");
	json_array_foreach(json_object_get(root, "listens"), i, listen) {
		const char *scheme = strcmp(text_of(listen, "transport"),
		    "ssl") == 0 ? "wss" : "ws";
		char a[16], o[16], url[160];

		json_array_foreach(json_object_get(listen, "addresses"), j,
		    address) {
			format_url(scheme, json_string_value(address), url,
			    sizeof(url));
			if (j > 0) {
				printf("%-16s %s\n", "", url);
				continue;
			}
			printf("%-16.16s %-42s %9s %9s\n",
			    text_of(listen, "name"), url, short_number(
			    json_object_get(listen, "accepted"), 1000, a),
			    short_number(json_object_get(listen, "open"),
			    1000, o));
		}
	}
}

static void
print_contexts(json_t *root)
{
	json_t *rows = json_object_get(root, "contexts"), *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return;
	printf("\n%-16s %-32s %s\n", "CONTEXT", "CERTIFICATE FOR", "EXPIRES");
	json_array_foreach(rows, i, row) {
		long long days = number_of(row, "expires_in_days");

		printf("%-16.16s %-32.32s ", text_of(row, "name"),
		    text_of(row, "subject"));
		if (days < 0)
			printf("EXPIRED %lld days ago\n", -days);
		else
			printf("in %lld days\n", days);
	}
}

static void
print_all(json_t *root)
{
	static const struct column routes[] = {
		{ "ROUTE", "name", -36, TEXT },
		{ "HANDLER", "handler", -10, TEXT },
		{ "OPEN", "open", 7, COUNT },
		{ "MESSAGES-IN", "messages_in", 11, COUNT },
		{ "OUT", "messages_out", 11, COUNT },
	};

	print_head(root);
	print_workers(root);
	print_compression(root);
	print_listens(root);
	print_contexts(root);
	print_table(json_object_get(root, "routes"), routes, COUNT(routes));
}

/* --- the command ------------------------------------------------------------------ */

/* LSB: 0 running, 3 stopped, 4 unknown. */
static int
status_code(int code, enum ctlsock_result result)
{
	if (code == CTL_OK)
		return CTL_OK;
	return result == CTLSOCK_NOT_RUNNING ? CTL_STATUS_STOPPED :
	    CTL_STATUS_UNKNOWN;
}

static int
show_once(const struct ctl *ctl)
{
	enum ctlsock_result result;
	json_t *root = NULL;
	int fd, code;

	code = ctl_connect_running(ctl, &fd, &result);
	if (code != CTL_OK)
		return status_code(code, result);
	code = ctl_ask_on(fd, "status", ctl_timeout(ctl, ANSWER_WITHIN_MS),
	    &root);
	close(fd);
	if (code != CTL_OK)
		return CTL_STATUS_UNKNOWN;
	if (ctl->options & CTL_OPT_WATCH && isatty(STDOUT_FILENO))
		printf("\033[H\033[J");
	if (ctl->options & CTL_OPT_JSON) {
		json_dumpf(root, stdout, ctl->options & CTL_OPT_WATCH ?
		    JSON_COMPACT : JSON_INDENT(2));
		printf("\n");
	} else {
		print_all(root);
	}
	json_decref(root);
	return fflush(stdout) == 0 ? CTL_OK : CTL_GENERIC;
}

static int
run(const struct ctl *ctl)
{
	static const struct timespec second = { 1, 0 };
	int code;

	do {
		code = show_once(ctl);
		if (code == CTL_OK && ctl->options & CTL_OPT_WATCH)
			nanosleep(&second, NULL);
	} while (code == CTL_OK && ctl->options & CTL_OPT_WATCH);
	return code;
}

const struct ctl_command ctl_status = {
	"status", "[--json] [--watch]", CTL_OPT_JSON | CTL_OPT_WATCH, 0,
	"show the daemon, its workers, listens, certificates and routes",
	run
};
