/* SPDX-License-Identifier: MIT */
/*
 * Notices that a certificate, key, CA or other file of the config in use has
 * changed, and has the files (not the config) read again.  Looks at the
 * folders, and at those of every link on the way, so that a file that is
 * replaced by a rename, or by a link that now points elsewhere, is seen.
 */
#ifndef WSSD_MASTER_CERTWATCH_H
#define WSSD_MASTER_CERTWATCH_H

struct certwatch;
struct master;

struct certwatch *certwatch_new(struct master *);
/* The master has another edition, or its files have been read again. */
void certwatch_renew(struct certwatch *);
void certwatch_free(struct certwatch *);

#endif
