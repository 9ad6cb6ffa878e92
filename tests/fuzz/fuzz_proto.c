/* SPDX-License-Identifier: MIT */
/*
 * Messages between master and workers, and the bundle that PREPARE carries:
 * what a get takes, its put writes again.
 */
#include <stdlib.h>

#include "common/bundle.h"
#include "common/proto.h"
#include "tests/fuzz/fuzz.h"

/* A message whose put takes the struct that its get makes. */
#define MESSAGE(name)                                                        \
	static bool                                                          \
	try_##name(struct reader *r, struct buf *again)                            \
	{                                                                    \
		struct proto_##name *m = xmalloc(sizeof(*m));                \
		bool ok = proto_##name##_get(r, m);                          \
                                                                             \
		if (ok)                                                      \
			proto_##name##_put(again, m);                        \
		free(m);                                                     \
		return ok;                                                   \
	}

MESSAGE(hello)
MESSAGE(metrics)
MESSAGE(prepare)
MESSAGE(log)
MESSAGE(listener)
MESSAGE(query)
MESSAGE(answer)
MESSAGE(drain)

static bool
try_failed(struct reader *r, struct buf *again)
{
	struct proto_failed *m = xmalloc(sizeof(*m));
	bool ok = proto_failed_get(r, m);

	if (ok)
		proto_failed_put(again, m->text);
	free(m);
	return ok;
}

static bool
try_bundle(struct reader *r, struct buf *again)
{
	struct err err = ERR_INIT;
	struct bundle *b = bundle_get(r, &err);

	ASSERT((b == NULL) == (err.text[0] != '\0'));
	if (b == NULL)
		return false;
	bundle_put(again, b);
	bundle_free(b);
	return true;
}

static bool (*const gets[])(struct reader *, struct buf *) = {
	try_hello, try_metrics, try_prepare, try_log, try_failed,
	try_listener, try_query, try_answer, try_drain, try_bundle,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t which = input_u8(&in) % (sizeof(gets) / sizeof(*gets));
	uint8_t *exact = exact_copy(in.data, in.len);
	struct reader r = { exact, in.len, false };
	struct buf again = BUF_INIT;

	if (gets[which](&r, &again)) {
		ASSERT(again.len == in.len);
		ASSERT(in.len == 0 ||
		    memcmp(again.data, exact, in.len) == 0);
	}
	buf_done(&again);
	free(exact);
	return 0;
}
