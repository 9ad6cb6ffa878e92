/* SPDX-License-Identifier: MIT */
/*
 * wssd, the daemon: the master process of a server for secure WebSockets.
 * It stays in the foreground; a supervisor or `wssctl start' puts it where
 * it belongs.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/str.h"
#include "master/check.h"
#include "master/master.h"
#include "master/tune.h"

static const char usage[] =
    "usage: wssd [-c FILE] [--foreground]\n"
    "       wssd [-c FILE] --check\n"
    "\n"
    "  -c, --config FILE   the configuration (default: "
    WSSD_SYSCONFDIR "/wssd.ini)\n"
    "  -f, --foreground    stay in the foreground (it always does)\n"
    "  -t, --check         try the configuration and exit\n"
    "      --ready-fd N    write errors, then \"ready\" to descriptor N\n"
    "  -V, --version       print versions and exit\n"
    "  -h, --help          print this and exit\n"
    "\n"
    "Signals: HUP reload, USR1 rolling restart, TERM stop, QUIT graceful\n"
    "stop, WINCH reopen the log.  See wssd(8), wssd.ini(5), wssctl(8).\n";

struct arguments {
	struct master_options options;
	bool check;
	int exit_code;		/* -1: go on */
};

static void
bad_usage(struct arguments *a)
{
	fputs(usage, stderr);
	a->exit_code = EXIT_USAGE;
}

static void
take_ready_fd(struct arguments *a, const char *text)
{
	uint64_t fd;

	if (str_parse_uint(text, &fd, NULL) != 0 || fd < 3 || fd > 1000000 ||
	    fcntl((int)fd, F_GETFD) < 0) {
		fprintf(stderr, "wssd: --ready-fd %s is no open descriptor\n",
		    text);
		a->exit_code = EXIT_USAGE;
		return;
	}
	a->options.ready_fd = (int)fd;
}

static void
take_option(struct arguments *a, int option)
{
	switch (option) {
	case 'c':
		a->options.config_path = optarg;
		break;
	case 'f':
		break;
	case 't':
		a->check = true;
		break;
	case 'r':
		take_ready_fd(a, optarg);
		break;
	case 'V':
		printf("wssd " WSSD_VERSION "\nlibevent %s\n",
		    event_get_version());
		a->exit_code = EXIT_OK;
		break;
	case 'h':
		fputs(usage, stdout);
		a->exit_code = EXIT_OK;
		break;
	default:
		bad_usage(a);
		break;
	}
}

static void
parse_arguments(struct arguments *a, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "check", no_argument, NULL, 't' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while (a->exit_code < 0 && (option = getopt_long(argc, argv, "c:ftVh",
	    long_options, NULL)) != -1)
		take_option(a, option);
	if (a->exit_code < 0 && optind < argc)
		bad_usage(a);
}

/* Descriptors 0 to 2 exist, and nothing that was inherited goes on. */
static void
tidy_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	for (fd = 0; fd <= STDERR_FILENO; fd++)
		(void)fcntl(fd, F_SETFD, 0);
	(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

static void *
event_realloc(void *old, size_t size)
{
	return xreallocarray(old, size, 1);
}

int
main(int argc, char **argv)
{
	struct arguments a = { .exit_code = -1,
		.options = { .config_path = WSSD_SYSCONFDIR "/wssd.ini",
		.ready_fd = -1 } };

	tidy_descriptors();
	spawn_reset_signals();
	event_set_mem_functions(xmalloc, event_realloc, free);
	parse_arguments(&a, argc, argv);
	if (a.exit_code >= 0)
		return a.exit_code;
	if (a.check)
		return check_run(a.options.config_path);
	tune_copying();
	return master_run(&a.options);
}
