// The device's callback in C. See callback.go.
#ifndef SCOUT_CALLBACK_H
#define SCOUT_CALLBACK_H

#include <stdint.h>

// scout_block is block in intake.go.
typedef struct {
	uint64_t bytes;
	uint64_t dropped;
	int64_t at;
} scout_block;

enum { scout_buckets = 512 };

// scout_intake is shared in intake.go: the part of the queue that producer and consumer both use.
typedef struct {
	uint64_t head, tail;             // atomic
	uint64_t block_head, block_tail; // atomic
	uint64_t overruns;               // atomic
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
int scout_take_over(void *device, const void *marker, void *user);
int scout_ask_for_no_device(void *context, uint32_t backend);

#endif
