/* SPDX-License-Identifier: MIT */
/* Owns nothing: the child's end of how a config travels. */
#include "common/config_receive.h"

#include <sys/mman.h>
#include <sys/stat.h>

static struct config *
parse(struct reader *bytes, struct err *err)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct bundle *bundle = bundle_get(bytes, err);
	struct config *config;

	if (bundle == NULL)
		return NULL;
	config = config_new(bundle, &errors);
	if (config == NULL)
		err_set(err, "%s", errors.items[0]);
	config_errors_done(&errors);
	return config;
}

struct config *
config_receive(int fd, struct err *err)
{
	struct reader bytes = { NULL, 0, false };
	struct config *config;
	struct stat st;
	void *map;

	if (fstat(fd, &st) == -1 || st.st_size <= 0) {
		err_set(err, "the master sent an empty config");
		return NULL;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		err_set_errno(err, "cannot map the config");
		return NULL;
	}
	bytes.data = map;
	bytes.len = (size_t)st.st_size;
	config = parse(&bytes, err);
	munmap(map, (size_t)st.st_size);
	return config;
}
