// The callback in C: see native.go.
#ifndef SCOUT_DELIVER_H
#define SCOUT_DELIVER_H

#include <stdint.h>

// scout_block is Block in queue.go.
typedef struct {
	uint64_t bytes;
	uint64_t dropped;
	int64_t at;
} scout_block;

enum { scout_buckets = 512 };

// scout_intake is shared in queue.go: the part of the queue that producer and consumer both use.
typedef struct {
	uint64_t head, tail;             // atomic
	uint64_t block_head, block_tail; // atomic
	uint64_t dropped;                // of the producer alone
	uint64_t counts[scout_buckets];  // atomic
	int64_t longest;                 // atomic
	int64_t epoch;                   // scout_now at the zero of block times
	uint8_t *data;
	uint64_t size;
	scout_block *blocks;
	uint64_t block_count;
	uint64_t frame_bytes;
	int64_t wake_fd; // written to after each block, non-blocking; negative for none
} scout_intake;

int64_t scout_now(void);
void scout_deliver(scout_intake *q, const void *frames, uint64_t bytes);
void scout_deliver_frames(void *queue, const void *frames, uint32_t count);

#endif
