/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

/*
 * A reader of the ring of our own: libbpf's maps all of it, twice, and its
 * pages then count as ours. This one maps what it is about to read. The ring,
 * as the kernel lays it out for mmap: a page with the position of the reader,
 * a page with that of the writers, the data, the data again.
 */

#define WINDOW 65536U /* bytes of data, mapped at a time */
#define EVENT_MAX (sizeof(struct clo_event) + CLO_CAPTURE_MAX)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int clo_bpf_events_open(struct clo_bpf *bpf,
			int (*on_event)(const struct clo_event *event,
					const uint8_t *captured,
					void *userdata),
			void *userdata)
{
	struct clo_bpf_events *events = &bpf->events;
	int fd = bpf->maps[CLO_BPF_MAP_EVENTS];
	int r;

	if (events->on_event)
		return -EBUSY;
	r = clo_bpf_map_max_entries(fd, &events->size);
	if (r < 0)
		return r;
	if (events->size < WINDOW + page_size())
		return -EBADMSG;
	r = clo_bpf_memory_map(fd, 0, page_size(), true, &events->reader);
	if (r < 0)
		return r;
	r = clo_bpf_memory_map(fd, page_size(), page_size(), false,
			       &events->writers);
	if (r < 0) {
		clo_bpf_memory_unmap(&events->reader);
		return r;
	}

	events->on_event = on_event;
	events->userdata = userdata;
	return 0;
}

void clo_bpf_events_close(struct clo_bpf *bpf)
{
	clo_bpf_memory_unmap(&bpf->events.reader);
	clo_bpf_memory_unmap(&bpf->events.writers);
	bpf->events.on_event = NULL;
}

int clo_bpf_events_fd(const struct clo_bpf *bpf)
{
	return bpf->events.on_event ? bpf->maps[CLO_BPF_MAP_EVENTS] : -1;
}

/* The programs are ours, but whoever may write pinned maps may send too. */
static int tell(const struct clo_bpf_events *events, const uint8_t *sample,
		size_t size)
{
	const struct clo_event *event = (const void *)sample;

	if (size < sizeof(*event) || event->captured > CLO_CAPTURE_MAX ||
	    event->captured > size - sizeof(*event))
		return 0;

	return events->on_event(event, sample + sizeof(*event),
				events->userdata);
}

/*
 * Records of one window, from its beginning on. 0: the window's end, or a
 * record that is still being written.
 */
static int drain_window(struct clo_bpf_events *events, const uint8_t *data,
			unsigned long written, size_t *left)
{
	unsigned long *reader = events->reader.at;
	unsigned long at = *reader; /* nobody else writes it */
	size_t within = 0;
	int r = 0;

	while (r >= 0 && *left > 0 && at < written &&
	       within + BPF_RINGBUF_HDR_SZ + EVENT_MAX <= WINDOW) {
		const uint8_t *record = data + within;
		__u32 len = __atomic_load_n((const __u32 *)(const void *)record,
					    __ATOMIC_ACQUIRE);
		size_t size =
			len & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		size_t step = (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;

		if (len & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(len & BPF_RINGBUF_DISCARD_BIT) && size <= EVENT_MAX) {
			r = tell(events, record + BPF_RINGBUF_HDR_SZ, size);
			--*left;
		}
		within += step;
		at += step;
		__atomic_store_n(reader, at, __ATOMIC_RELEASE);
	}
	return r;
}

int clo_bpf_events_drain(struct clo_bpf *bpf, size_t max)
{
	struct clo_bpf_events *events = &bpf->events;
	size_t left = max;
	int r = 0;

	if (!events->on_event || max == 0 || max > INT_MAX)
		return -EINVAL;

	while (r >= 0 && left > 0) {
		unsigned long *reader = events->reader.at;
		unsigned long from = *reader;
		unsigned long written = __atomic_load_n(
			(unsigned long *)events->writers.at, __ATOMIC_ACQUIRE);
		struct clo_bpf_memory window;

		if (from >= written)
			break;
		r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_EVENTS],
				       2 * page_size() + from % events->size,
				       WINDOW, false, &window);
		if (r < 0)
			return r;
		r = drain_window(events, window.at, written, &left);
		clo_bpf_memory_unmap(&window);
		if (*reader == from) /* it is still being written */
			break;
	}

	return r < 0 ? r : (int)(max - left);
}

int clo_bpf_capture_set(struct clo_bpf *bpf, uint32_t bytes)
{
	struct clo_bpf_memory memory;
	struct clo_live *live;
	int r;

	if (bytes > CLO_CAPTURE_MAX)
		return -EINVAL;
	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_LIVE], 0, sizeof(*live),
			       true, &memory);
	if (r < 0)
		return r;

	live = memory.at;
	bpf->live.capture = bytes;
	__atomic_store_n(&live->capture, bytes, __ATOMIC_RELAXED);
	clo_bpf_memory_unmap(&memory);
	return 0;
}
