/* SPDX-License-Identifier: MIT */
/* The config as it comes from the master to its children. */
#ifndef WSSD_COMMON_CONFIG_RECEIVE_H
#define WSSD_COMMON_CONFIG_RECEIVE_H

#include "common/config.h"
#include "common/err.h"

/*
 * From the sealed memfd of a PREPARE, which stays the caller's.  NULL: err
 * has the first thing that is wrong.
 */
struct config *config_receive(int fd, struct err *);

#endif
