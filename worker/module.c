/* SPDX-License-Identifier: MIT */
/* Owns the loaded shared objects of a worker. */
#include "worker/module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/count.h"
#include "worker/handler/handlers.h"

#define SYMBOL "wss_module"

static const struct wss_handler *const built_in[] = {
	&handler_echo,
	&handler_proxy,
	&handler_reply,
	&handler_static,
};

static const struct module *
find(const struct modules *modules, const char *path)
{
	for (const struct module *m = modules->first; m != NULL; m = m->next) {
		if (strcmp(m->path, path) == 0)
			return m;
	}
	return NULL;
}

/* "/proc/self/fd/5: undefined symbol: x" says nothing of fd 5 to anybody. */
static const char *
loader_reason(void)
{
	const char *text = dlerror();
	const char *behind;

	if (text == NULL)
		return "unknown reason";
	if (strncmp(text, "/proc/self/fd/", 14) == 0 &&
	    (behind = strstr(text, ": ")) != NULL)
		return behind + 2;
	return text;
}

static int
check_handler(const struct wss_handler *handler, struct err *err)
{
	if (handler == NULL)
		return err_set(err, "exports no object `" SYMBOL "'");
	if (handler->abi != WSS_ABI)
		return err_set(err, "is built for handler ABI %u, this wssd "
		    "has %u: build it again with its wssd/handler.h",
		    (unsigned)handler->abi, WSS_ABI);
	return 0;
}

static int
load(struct modules *modules, const char *path, int fd, struct err *err)
{
	char name[64];
	struct module *module;
	const struct wss_handler *handler;
	void *dl;

	/* By its descriptor: the loader would give back the old code for a
	   path that it knows. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	dl = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (dl == NULL)
		return err_set(err, "%s", loader_reason());
	handler = dlsym(dl, SYMBOL);
	if (check_handler(handler, err) == -1) {
		dlclose(dl);
		return -1;
	}
	module = xcalloc(1, sizeof(*module));
	module->path = xstrdup(path);
	module->dl = dl;
	module->handler = handler;
	module->next = modules->first;
	modules->first = module;
	return 0;
}

int
modules_load(struct modules *modules, const struct config *config,
    const struct files *files, struct err *err)
{
	for (size_t i = 0; i < config->n_routes; i++) {
		const struct config_route *r = &config->routes[i];

		if (r->module == NULL || find(modules, r->module) != NULL)
			continue;
		if (load(modules, r->module, files_fd(files, r->module),
		    err) == -1)
			return err_prefix(err, "%s:%u: module %s",
			    r->place.file, r->place.line, r->module);
	}
	return 0;
}

void
modules_done(struct modules *modules)
{
	struct module *module;

	while ((module = modules->first) != NULL) {
		modules->first = module->next;
		free(module->path);
		free(module);
	}
}

const struct wss_handler *
module_handler(const struct modules *modules, const struct config_route *r,
    struct err *err)
{
	const struct module *module;

	if (strcmp(r->handler, "module") == 0) {
		module = find(modules, r->module);
		if (module != NULL)
			return module->handler;
		err_set(err, "%s:%u: module %s is not loaded in this worker",
		    r->place.file, r->place.line, r->module);
		return NULL;
	}
	for (size_t i = 0; i < COUNT(built_in); i++) {
		if (strcmp(built_in[i]->name, r->handler) == 0)
			return built_in[i];
	}
	err_set(err, "%s:%u: there is no handler `%s'", r->place.file,
	    r->place.line, r->handler);
	return NULL;
}
