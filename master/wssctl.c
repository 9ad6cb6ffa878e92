/* SPDX-License-Identifier: MIT */
/*
 * wssctl, the control program: starts, stops and asks wssd.  One command a
 * file (ctl_*.c), each ending in its row of the table here.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/count.h"
#include "common/str.h"
#include "master/ctl.h"

static const struct ctl_command *const commands[] = {
	&ctl_start, &ctl_stop, &ctl_restart, &ctl_reload, &ctl_status,
	&ctl_connections, &ctl_check, &ctl_reopen, &ctl_config, &ctl_dev_cert,
	&ctl_doctor,
};

#define N_COMMANDS COUNT(commands)

static void
print_help(FILE *out)
{
	fputs("usage: wssctl [-c FILE] [--direct] [--timeout S] COMMAND\n\n",
	    out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %s%s%s\n        %s\n", commands[i]->name,
		    commands[i]->arguments[0] == '\0' ? "" : " ",
		    commands[i]->arguments, commands[i]->help);
	fputs("  version\n        print the version\n"
	    "  help\n        print this\n\n"
	    "  -c, --config FILE  the daemon's config (default: "
	    WSSD_SYSCONFDIR "/wssd.ini)\n"
	    "      --direct       not through systemctl, even where systemd "
	    "runs wssd\n"
	    "      --timeout S    give up after S seconds\n\n"
	    "Exit: 0 done; 1 failed; 2 usage; 3 status: stopped; 4 not "
	    "allowed, status:\nunknown; 6 the config is wrong; 7 wssd is not "
	    "running.\n", out);
}

static int
bad_usage(void)
{
	fputs("Try `wssctl help'.\n", stderr);
	return CTL_USAGE;
}

static int
take_timeout(struct ctl *ctl, const char *text)
{
	uint64_t seconds;

	if (str_parse_uint(text, &seconds, NULL) != 0 || seconds == 0 ||
	    seconds > 1000000) {
		ctl_say("--timeout wants a number of seconds, not `%s'",
		    text);
		return -1;
	}
	ctl->timeout_ms = seconds * 1000;
	return 0;
}

/* 0: go on; else the exit code + 1. */
static int
take_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "direct", no_argument, NULL, 'd' },
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "watch", no_argument, NULL, 'w' },
		{ "graceful", no_argument, NULL, 'g' },
		{ "rolling", no_argument, NULL, 'r' },
		{ "defaults", no_argument, NULL, 'D' },
		{ "dir", required_argument, NULL, 'o' },
		{ "ca", required_argument, NULL, 'a' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const struct {
		int option;
		unsigned flag;
	} flags[] = {
		{ 'j', CTL_OPT_JSON }, { 'w', CTL_OPT_WATCH },
		{ 'g', CTL_OPT_GRACEFUL }, { 'r', CTL_OPT_ROLLING },
		{ 'D', CTL_OPT_DEFAULTS },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:Vh", options,
	    NULL)) != -1) {
		for (size_t i = 0; i < COUNT(flags); i++)
			if (flags[i].option == option)
				ctl->options |= flags[i].flag;
		if (option == 'c') {
			ctl->config_path = optarg;
			ctl->default_config = false;
		} else if (option == 'o') {
			ctl->options |= CTL_OPT_DIR;
			ctl->dir = optarg;
		} else if (option == 'a') {
			ctl->options |= CTL_OPT_CA;
			ctl->ca = optarg;
		} else if (option == 'd') {
			ctl->direct = true;
		} else if (option == 't' && take_timeout(ctl, optarg) != 0) {
			return CTL_USAGE + 1;
		} else if (option == 'h') {
			print_help(stdout);
			return CTL_OK + 1;
		} else if (option == 'V') {
			printf("wssctl " WSSD_VERSION "\n");
			return CTL_OK + 1;
		} else if (option == '?') {
			return bad_usage() + 1;
		}
	}
	return 0;
}

static const struct ctl_command *
find_command(const char *name)
{
	const char *names[N_COMMANDS], *near;

	for (size_t i = 0; i < N_COMMANDS; i++) {
		names[i] = commands[i]->name;
		if (strcmp(name, names[i]) == 0)
			return commands[i];
	}
	near = str_nearest(name, names, N_COMMANDS);
	if (near != NULL)
		ctl_say("there is no command `%s'; did you mean `%s'?", name,
		    near);
	else
		ctl_say("there is no command `%s'", name);
	return NULL;
}

static int
run_command(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *command = find_command(argv[0]);
	size_t n_words = (size_t)argc - 1;

	if (command == NULL)
		return bad_usage();
	if (ctl->options & ~command->options || n_words > command->max_words) {
		ctl_say("usage: wssctl %s %s", command->name,
		    command->arguments);
		return CTL_USAGE;
	}
	ctl->words = argv + 1;
	ctl->n_words = n_words;
	return command->run(ctl);
}

int
main(int argc, char **argv)
{
	struct ctl ctl = { .config_path = WSSD_SYSCONFDIR "/wssd.ini",
		.default_config = true };
	int code = take_options(&ctl, argc, argv);

	signal(SIGPIPE, SIG_DFL);
	if (code != 0)
		return code - 1;
	if (optind == argc) {
		print_help(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[optind], "help") == 0) {
		print_help(stdout);
		return CTL_OK;
	}
	if (strcmp(argv[optind], "version") == 0) {
		printf("wssctl " WSSD_VERSION "\n");
		return CTL_OK;
	}
	return run_command(&ctl, argc - optind, argv + optind);
}
