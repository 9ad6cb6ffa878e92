/* SPDX-License-Identifier: MIT */
/*
 * bench-load: the load generator.  It owns the clients; it starts no server
 * and reads of the server nothing but its CPU time and memory in /proc.
 * TLS 1.3, TLS_AES_128_GCM_SHA256, always.
 */
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/alloc.h"

#define CONNECTIONS_MAX 1000000
#define SIZE_LIMIT (16 * 1024 * 1024)
#define DEPTH_MAX 4096

static const struct mode {
	const char *name;
	bool needs_port;
	int (*run)(const struct load *, struct err *);
} modes[] = {
	{ "echo", true, load_echo },
	{ "handshake", true, load_handshake },
	{ "hold", true, load_hold },
	{ "idle", true, load_idle },
	{ "meter", false, load_meter },
	{ "syscall", false, load_syscall },
};

static const char usage[] =
"usage: bench-load --mode echo|handshake|idle|hold|meter|syscall\n"
"                  --port N [OPTION]...\n"
"  --host ADDRESS       127.0.0.1\n"
"  --path PATH          /\n"
"  --connections N      1; in mode handshake: how many at a time\n"
"  --size BYTES         20: of a message\n"
"  --depth N            1: messages under way per connection\n"
"  --first N            0: the number of the first connection, from which its\n"
"                       address and its messages are made\n"
"  --rate N             echo: messages a second, of all connections together;\n"
"                       0: a new one for each that came back\n"
"  --seconds S          2: what is measured\n"
"  --warmup S           0.3: what is not measured before\n"
"  --server-pid PID     whose CPU and memory is read; may be repeated\n"
"  --binary             binary messages instead of text\n"
"  --plain-io           one system call per connection, no io_uring\n"
"  --active N           echo: only so many talk, the others are silent\n"
"  --broadcast          echo: one talks, and all must hear it\n"
"  --resumed            handshake: with the ticket of an earlier one\n"
"  --burst BYTES        idle: before, a message of that size on each\n"
"Mode hold opens, says so, and then waits; for a line with a number of seconds\n"
"on stdin all talk for that long; at its end each must still answer.  Mode\n"
"meter only reads what the server needs.\n"
"Prints JSON objects; 1 when anything came back wrong, 2 for bad usage.\n";

int
load_syscall(const struct load *load, struct err *err)
{
	(void)load, (void)err;
	printf("{\"mode\": \"syscall\", \"ns_per_call\": %.1f}\n",
	    meter_syscall_ns());
	return 0;
}

static _Noreturn void
bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "bench-load: bad %s: %s\n%s", what, value, usage);
	exit(2);
}

static size_t
number(const char *name, const char *text, size_t min, size_t max)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || n < min || n > max)
		bad_usage(name, text);
	return (size_t)n;
}

static double
seconds(const char *name, const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(n) || n < 0 || n > 86400)
		bad_usage(name, text);
	return n;
}

static void
set_option(struct load *l, int opt, const char *name, const char *text)
{
	switch (opt) {
	case 'h':
		if (inet_pton(AF_INET, text, &l->target.address.sin_addr) != 1)
			bad_usage(name, text);
		break;
	case 'p':
		l->target.address.sin_port =
		    htons((uint16_t)number(name, text, 1, 65535));
		break;
	case 'a':
		l->target.path = text;
		break;
	case 'c':
		l->connections = number(name, text, 1, CONNECTIONS_MAX);
		break;
	case 's':
		l->size = number(name, text, 0, SIZE_LIMIT);
		break;
	case 'd':
		l->depth = number(name, text, 1, DEPTH_MAX);
		break;
	case 'f':
		l->first = number(name, text, 0, CONNECTIONS_MAX);
		break;
	case 'R':
		l->rate = (double)number(name, text, 0, 10000000);
		break;
	case 't':
		l->seconds = seconds(name, text);
		break;
	case 'w':
		l->warmup = seconds(name, text);
		break;
	case 'P':
		if (l->server.count == METER_PIDS_MAX)
			bad_usage(name, "too many");
		l->server.pid[l->server.count++] =
		    (pid_t)number(name, text, 1, INT32_MAX);
		break;
	case 'b':
		l->binary = true;
		break;
	case 'i':
		l->plain_io = true;
		break;
	case 'A':
		l->active = number(name, text, 1, CONNECTIONS_MAX);
		break;
	case 'B':
		l->broadcast = true;
		break;
	case 'r':
		l->resumed = true;
		break;
	case 'u':
		l->burst = number(name, text, 0, SIZE_LIMIT);
		break;
	}
}

static const struct mode *
read_options(struct load *l, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "host", required_argument, NULL, 'h' },
		{ "port", required_argument, NULL, 'p' },
		{ "path", required_argument, NULL, 'a' },
		{ "connections", required_argument, NULL, 'c' },
		{ "size", required_argument, NULL, 's' },
		{ "depth", required_argument, NULL, 'd' },
		{ "first", required_argument, NULL, 'f' },
		{ "rate", required_argument, NULL, 'R' },
		{ "seconds", required_argument, NULL, 't' },
		{ "warmup", required_argument, NULL, 'w' },
		{ "server-pid", required_argument, NULL, 'P' },
		{ "binary", no_argument, NULL, 'b' },
		{ "plain-io", no_argument, NULL, 'i' },
		{ "active", required_argument, NULL, 'A' },
		{ "broadcast", no_argument, NULL, 'B' },
		{ "resumed", no_argument, NULL, 'r' },
		{ "burst", required_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 }
	};
	const struct mode *mode = &modes[0];
	const char *name = mode->name;
	int opt, which;
	size_t i;

	while ((opt = getopt_long(argc, argv, "", longs, &which)) != -1) {
		if (opt == '?')
			bad_usage("option", argv[optind - 1]);
		if (opt == 'm')
			name = optarg;
		else
			set_option(l, opt, longs[which].name, optarg);
	}
	if (optind < argc)
		bad_usage("argument", argv[optind]);
	for (i = 0, mode = NULL; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			mode = &modes[i];
	if (mode == NULL)
		bad_usage("mode", name);
	if (mode->needs_port && l->target.address.sin_port == 0)
		bad_usage("port", "missing");
	return mode;
}

/* As root whatever is wanted, else what is allowed. */
static int
raise_files(size_t want, struct err *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set_errno(err, "RLIMIT_NOFILE");
	files.rlim_cur = want;
	if (files.rlim_max < want)
		files.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set_errno(err, "%zu open files are needed", want);
	return 0;
}

int
main(int argc, char **argv)
{
	struct load load = { .target = { .path = "/",
		.address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) } },
		.connections = 1, .size = 20, .depth = 1, .seconds = 2,
		.warmup = 0.3 };
	struct err err = ERR_INIT;
	const struct mode *mode = read_options(&load, argc, argv);
	int result = -1;

	signal(SIGPIPE, SIG_IGN);
	load.target.key = crypto_key_new();
	if (raise_files(load.connections + 100, &err) == 0)
		result = mode->run(&load, &err);
	EVP_PKEY_free(load.target.key);
	if (result < 0)
		fprintf(stderr, "bench-load: %s\n", err.text);
	return result < 0 ? 1 : 0;
}
