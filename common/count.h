/* SPDX-License-Identifier: MIT */
#ifndef WSSD_COMMON_COUNT_H
#define WSSD_COMMON_COUNT_H

/* The elements of an array; not of a pointer. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
