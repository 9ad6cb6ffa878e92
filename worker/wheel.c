/* SPDX-License-Identifier: MIT */
/* Owns the slots; the entries are the callers'.  Never asks a clock. */
#include "worker/wheel.h"

void
wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		list_init(&wheel->slots[i]);
	list_init(&wheel->due);
	wheel->tick = now_ms / WHEEL_TICK_MS;
}

void
wheel_entry_init(struct wheel_entry *entry)
{
	list_init(&entry->link);
	entry->due_ms = 0;
}

void
wheel_set(struct wheel *wheel, struct wheel_entry *entry, uint64_t due_ms)
{
	/* The tick behind the time, so that nothing comes too early. */
	uint64_t tick = due_ms / WHEEL_TICK_MS + 1;

	if (tick < wheel->tick)
		tick = wheel->tick;
	list_remove(&entry->link);
	entry->due_ms = due_ms;
	list_append(&wheel->slots[tick % WHEEL_SLOTS], &entry->link);
}

void
wheel_clear(struct wheel_entry *entry)
{
	list_remove(&entry->link);
}

/* Moved aside, since fn may set entries into this very slot. */
static void
take_slot(struct wheel *wheel, struct list *slot)
{
	struct list *link;

	while (!list_empty(slot)) {
		link = slot->next;
		list_remove(link);
		list_append(&wheel->due, link);
	}
}

bool
wheel_advance(struct wheel *wheel, uint64_t now_ms, unsigned max,
    wheel_fn *fn, void *arg)
{
	uint64_t now = now_ms / WHEEL_TICK_MS;
	struct wheel_entry *entry;

	/* After a long sleep once round is enough to meet every entry. */
	if (now >= WHEEL_SLOTS && wheel->tick < now - WHEEL_SLOTS)
		wheel->tick = now - WHEEL_SLOTS;
	while (wheel->tick <= now) {
		take_slot(wheel, &wheel->slots[wheel->tick % WHEEL_SLOTS]);
		wheel->tick++;
	}
	while (!list_empty(&wheel->due)) {
		entry = LIST_ITEM(wheel->due.next, struct wheel_entry, link);
		if (entry->due_ms <= now_ms && max-- == 0)
			return true;
		list_remove(&entry->link);
		if (entry->due_ms <= now_ms)
			fn(entry, arg);
		else
			wheel_set(wheel, entry, entry->due_ms);
	}
	return false;
}
