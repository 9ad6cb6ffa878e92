/* SPDX-License-Identifier: MIT */
/* The handlers that are built in, by name. */
#ifndef WSSD_WORKER_HANDLER_HANDLERS_H
#define WSSD_WORKER_HANDLER_HANDLERS_H

#include <wssd/handler.h>

extern const struct wss_handler handler_echo;
extern const struct wss_handler handler_proxy;
extern const struct wss_handler handler_reply;
extern const struct wss_handler handler_static;

#endif
