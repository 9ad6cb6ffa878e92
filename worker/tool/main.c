/* SPDX-License-Identifier: MIT */
/* wssd-tool: started by wssctl, which knows what the arguments are. */
#include <stdio.h>
#include <string.h>

#include "worker/tool/tool.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "dev-cert", tool_dev_cert },
	{ "probe", tool_probe },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(commands) /
	    sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "wssd-tool is started by wssctl\n");
	return TOOL_USAGE;
}
