/* SPDX-License-Identifier: MIT */
/* How glibc copies in the processes that the master starts. */
#ifndef WSSD_MASTER_TUNE_H
#define WSSD_MASTER_TUNE_H

/*
 * On AMD's processors: without `rep movsb'.  Since Zen 3 they say that it is
 * fast (FSRM), so glibc before 2.39 copies by it from 2,112 bytes on; but where
 * the destination lies 1 to 15 bytes behind the source, modulo a page, it goes
 * byte by byte and takes thirty times as long (glibc bug 30994).  That hits
 * OpenSSL's records: a message of 16,000 bytes costs a quarter less without,
 * and no size costs more (measured).
 *
 * Sets GLIBC_TUNABLES in the environment, behind what stands there.  The same
 * tunable there is left as it is.  What another glibc does not know it
 * ignores; tests/integration/test_tune.py tells when that happens.
 */
void tune_copying(void);

#endif
