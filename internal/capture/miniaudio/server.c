#define _GNU_SOURCE
#include "callback.h"

#include <stddef.h>
#include <string.h>

#ifdef __linux__
#include <dlfcn.h>
#include <malloc.h>

// What miniaudio calls of libpulse when it initialises a device goes through here. It keeps the functions as pointers in the
// ma_context, so each is found there by its value. See server.go for what is put right.

// source_info is how a pa_source_info begins.
typedef struct {
	const char *name;
	uint32_t index;
	const char *description;
	struct {
		int32_t format;
		uint32_t rate;
		uint8_t channels;
	} sample_spec;
} source_info;

typedef void (*source_callback)(void *context, const source_info *info, int end, void *user);

enum { pa_u8 = 0, pa_s16le = 3, pa_float32le = 5, pa_s32le = 7, pa_s24le = 9 };

// real are the functions of libpulse. They are the same for all contexts: the library is loaded once.
static struct {
	void *(*loop_new)(void);
	void (*loop_free)(void *loop);
	void *(*context_new)(void *api, const char *name);
	void (*context_unref)(void *context);
	void (*context_disconnect)(void *context);
	void *(*source_info)(void *context, const char *name, source_callback callback, void *user);
} real;

// making is the initialisation of a device by this thread: what it has made so far.
static _Thread_local struct {
	int under_way;
	void *loop, *context;
	source_callback asked;
} making;

static void *on_loop_new(void) {
	void *loop = real.loop_new();
	if (making.under_way) making.loop = loop;
	return loop;
}

static void *on_context_new(void *api, const char *name) {
	void *context = real.context_new(api, name);
	if (making.under_way) making.context = context;
	return context;
}

static void on_context_unref(void *context) {
	if (making.under_way && making.context == context) making.context = NULL;
	real.context_unref(context);
}

static void on_loop_free(void *loop) {
	if (making.under_way && making.loop == loop) {
		if (making.context != NULL) real.context_unref(making.context); // miniaudio forgets it where connecting failed
		making.context = making.loop = NULL;
	}
	real.loop_free(loop);
}

// on_source hands an answer on. A format that miniaudio does not know becomes one that the server converts to: with its own
// stand-in miniaudio asks the server for the device's format after all, and then refuses it.
static void on_source(void *context, const source_info *info, int end, void *user) {
	if (info != NULL && end == 0) {
		switch (info->sample_spec.format) {
		case pa_u8: case pa_s16le: case pa_float32le: case pa_s32le: case pa_s24le:
			break;
		default:
			((source_info *)info)->sample_spec.format = pa_float32le; // it is the library's own, for this call only
		}
	}
	making.asked(context, info, end, user);
}

static void *on_source_info(void *context, const char *name, source_callback callback, void *user) {
	// Room for a whole pa_source_info, which is some 400 bytes.
	static const struct { source_info head; char rest[4096]; } none = {
		.head = {.sample_spec = {.format = pa_float32le, .rate = 48000, .channels = 1}}};
	callback(context, &none.head, 0, user); // what miniaudio works with where no answer comes: else whatever is on its stack
	making.asked = callback;
	return real.source_info(context, name, on_source, user);
}

// replace puts ours in the place of the only word of the object that equals was; 0 where there is not exactly one.
static int replace(void *object, void *was, void *ours) {
	char *found = NULL;
	size_t size = malloc_usable_size(object);
	for (size_t at = 0; was != NULL && at + sizeof was <= size; at += sizeof was) {
		void *word;
		memcpy(&word, (char *)object + at, sizeof word);
		if (word != was) continue;
		if (found != NULL) return 0;
		found = (char *)object + at;
	}
	if (found == NULL) return 0;
	memcpy(found, &ours, sizeof ours);
	return 1;
}

int scout_watch_server(void *context) {
	void *library = dlopen("libpulse.so.0", RTLD_NOW | RTLD_NOLOAD); // miniaudio has loaded it
	if (library == NULL) return 0;
	*(void **)&real.loop_new = dlsym(library, "pa_mainloop_new");
	*(void **)&real.loop_free = dlsym(library, "pa_mainloop_free");
	*(void **)&real.context_new = dlsym(library, "pa_context_new");
	*(void **)&real.context_unref = dlsym(library, "pa_context_unref");
	*(void **)&real.context_disconnect = dlsym(library, "pa_context_disconnect");
	*(void **)&real.source_info = dlsym(library, "pa_context_get_source_info_by_name");
	dlclose(library);
	if (real.context_disconnect == NULL) return 0;
	return replace(context, (void *)real.loop_new, (void *)on_loop_new) +
		replace(context, (void *)real.loop_free, (void *)on_loop_free) +
		replace(context, (void *)real.context_new, (void *)on_context_new) +
		replace(context, (void *)real.context_unref, (void *)on_context_unref) +
		replace(context, (void *)real.source_info, (void *)on_source_info) == 5;
}

void scout_device_begins(void) {
	memset(&making, 0, sizeof making);
	making.under_way = 1;
}

void scout_device_ends(int made) {
	making.under_way = 0;
	if (!made && making.loop != NULL) {
		if (making.context != NULL) {
			real.context_disconnect(making.context);
			real.context_unref(making.context);
		}
		real.loop_free(making.loop);
	}
	memset(&making, 0, sizeof making);
}

#else

int scout_watch_server(void *context) { (void)context; return 0; }
void scout_device_begins(void) {}
void scout_device_ends(int made) { (void)made; }

#endif
