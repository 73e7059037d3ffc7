#include "callback.h"

#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Of malgo, in the same program: sets the data and the stop callback of a ma_device_config. Weak,
// because cgo links each package once by itself.
extern void goSetDeviceConfigCallbacks(void *config) __attribute__((weak));
extern void goStopCallback(void *device) __attribute__((weak));

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

// scout_deliver is intake.Deliver: it copies whole frames into the queue, or counts them as dropped.
void scout_deliver(scout_intake *q, const void *frames, uint64_t bytes) {
	int64_t began = scout_now() - q->epoch;
	uint64_t n = bytes / q->frame_bytes * q->frame_bytes;
	if (n == 0) return;
	uint64_t head = load(&q->head), block_head = load(&q->block_head);
	if (n > q->size - (head - load(&q->tail)) || block_head - load(&q->block_tail) == q->block_count) {
		q->dropped += n / q->frame_bytes;
		__atomic_fetch_add(&q->overruns, 1, __ATOMIC_SEQ_CST);
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

// user_offset is where a ma_device keeps pUserData: the same in all of them, so that it does not matter
// who stores it last.
static size_t user_offset;

static void on_data(void *device, void *output, const void *input, uint32_t frames) {
	(void)output;
	scout_intake *q = *(scout_intake **)((char *)device + __atomic_load_n(&user_offset, __ATOMIC_RELAXED));
	if (input != NULL) scout_deliver(q, input, (uint64_t)frames * q->frame_bytes);
}

// searched is how much of a ma_device is looked at: its first fields are context, type, rate, state,
// the callbacks and pUserData.
enum { searched = 128 };

// find returns the offset of the only word in the first bytes of object that equals value, or searched.
static size_t find(const void *object, const void *value) {
	size_t found = searched;
	for (size_t at = 0; at < searched; at += sizeof(void *)) {
		void *word;
		memcpy(&word, (const char *)object + at, sizeof word);
		if (word != value) continue;
		if (found != searched) return searched;
		found = at;
	}
	return found;
}

// malgo_callback returns the data callback that malgo gives its devices, or NULL. A config holds it
// beside the stop callback, which has a name.
static void *malgo_callback(void) {
	void *config[1024] = {0}; // larger than any ma_device_config
	if (!goSetDeviceConfigCallbacks || !goStopCallback) return NULL;
	goSetDeviceConfigCallbacks(config);
	void *callback = NULL;
	for (size_t i = 0; i < sizeof config / sizeof *config; i++) {
		if (config[i] == NULL || config[i] == (void *)goStopCallback) continue;
		if (callback != NULL) return NULL;
		callback = config[i];
	}
	return callback;
}

// scout_take_over makes on_data the data callback of a ma_device, and user, an intake, what it works
// on. malgo initialised the device with marker as pUserData, and it is not started. Where it does not
// look as expected nothing is changed and the result is 0.
int scout_take_over(void *device, const void *marker, void *user) {
	void *callback = malgo_callback();
	if (callback == NULL) return 0;
	size_t data = find(device, callback), users = find(device, marker);
	if (data == searched || users == searched) return 0;
	__atomic_store_n(&user_offset, users, __ATOMIC_RELAXED);
	void *ours = (void *)on_data;
	memcpy((char *)device + users, &user, sizeof user);
	memcpy((char *)device + data, &ours, sizeof ours);
	return 1;
}

// head is how a ma_context begins: the functions of its backend (ma_backend_callbacks), then which backend that is.
typedef struct {
	void *init, *uninit, *enumerate, *device_info;
	void *of_devices[9];
	uint32_t backend;
} context_head;

// scout_ask_for_no_device takes the function for the properties of one device from a ma_context of that backend. Where the
// context does not look as expected nothing is changed and the result is 0.
int scout_ask_for_no_device(void *context, uint32_t backend) {
	context_head *head = context;
	if (head->backend != backend || !head->init || !head->uninit || !head->enumerate || !head->device_info) return 0;
	head->device_info = NULL;
	return 1;
}
