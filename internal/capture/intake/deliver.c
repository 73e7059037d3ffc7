#include "deliver.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t scout_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// bucket is bucket in histogram.go.
static unsigned bucket(uint64_t ns) {
	if (ns < 8) return (unsigned)ns;
	unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
	return (octave - 2) * 8 + (unsigned)((ns >> (octave - 3)) & 7);
}

static uint64_t load(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static void store(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }

// scout_deliver is Queue.Deliver: it copies whole frames into the queue, or counts them as dropped.
void scout_deliver(scout_intake *q, const void *frames, uint64_t bytes) {
	int64_t began = scout_now() - q->epoch;
	uint64_t n = bytes / q->frame_bytes * q->frame_bytes;
	if (n == 0) return;
	uint64_t head = load(&q->head), block_head = load(&q->block_head);
	if (n > q->size - (head - load(&q->tail)) || block_head - load(&q->block_tail) == q->block_count) {
		q->dropped += n / q->frame_bytes;
		return;
	}
	uint64_t offset = head % q->size;
	uint64_t first = n < q->size - offset ? n : q->size - offset;
	memcpy(q->data + offset, frames, first);
	memcpy(q->data, (const uint8_t *)frames + first, n - first);
	scout_block *b = &q->blocks[block_head % q->block_count];
	b->bytes = n;
	b->dropped = q->dropped;
	b->at = began;
	q->dropped = 0;
	store(&q->head, head + n);
	store(&q->block_head, block_head + 1);
	if (q->wake_fd >= 0) {
		// Non-blocking: where nobody has read since, the reader is awake anyway.
		uint64_t one = 1;
		ssize_t told = write((int)q->wake_fd, &one, sizeof one);
		(void)told;
	}
	int64_t took = scout_now() - q->epoch - began;
	if (took < 0) took = 0;
	if (took > __atomic_load_n(&q->longest, __ATOMIC_RELAXED)) __atomic_store_n(&q->longest, took, __ATOMIC_RELAXED);
	__atomic_fetch_add(&q->counts[bucket((uint64_t)took)], 1, __ATOMIC_RELAXED);
}

// scout_deliver_frames is scout_deliver for a caller that counts in frames.
void scout_deliver_frames(void *queue, const void *frames, uint32_t count) {
	scout_intake *q = queue;
	if (frames != NULL) scout_deliver(q, frames, (uint64_t)count * q->frame_bytes);
}
