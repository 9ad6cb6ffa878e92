/* SPDX-License-Identifier: MIT */
/* Owns two counters.  Writes only its own summary line. */
#include "worker/ratelog.h"

#include "common/log.h"

bool
ratelog_ask(struct ratelog *r, uint64_t now_ms)
{
	ratelog_tick(r, now_ms);
	if (r->written >= RATELOG_PER_SECOND) {
		r->left_out++;
		return false;
	}
	r->written++;
	return true;
}

void
ratelog_tick(struct ratelog *r, uint64_t now_ms)
{
	if (now_ms / 1000 == r->second)
		return;
	if (r->left_out > 0)
		log_info("%u more lines about clients were left out",
		    r->left_out);
	r->second = now_ms / 1000;
	r->written = 0;
	r->left_out = 0;
}
