/* SPDX-License-Identifier: MIT */
/*
 * Runs one fuzz target over files and the files of folders, where there is
 * no libFuzzer: so what a fuzzer has found stays found.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define BYTES_MAX (1u << 20)

static int
run_file(const char *path)
{
	uint8_t *data = xmalloc(BYTES_MAX), *exact;
	FILE *file = fopen(path, "rb");
	size_t len;

	if (file == NULL) {
		perror(path);
		free(data);
		return 0;
	}
	/* The name is the last thing said when the target does not return. */
	fprintf(stderr, "%s\n", path);
	len = fread(data, 1, BYTES_MAX, file);
	fclose(file);
	exact = exact_copy(data, len);
	free(data);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 1;
}

/* How many files were run. */
static int
run(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n, done = 0;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return run_file(path);
	n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char *full = xasprintf("%s/%s", path, names[i]->d_name);

		if (names[i]->d_name[0] != '.')
			done += run_file(full);
		free(full);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return done;
}

int
main(int argc, char **argv)
{
	int done = 0;

	for (int i = 1; i < argc; i++)
		done += run(argv[i]);
	fprintf(stderr, "%d inputs\n", done);
	return done > 0 ? 0 : 1;
}
