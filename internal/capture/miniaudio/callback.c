#include "callback.h"

#include <stddef.h>
#include <string.h>

// Of malgo, in the same program: sets the data and the stop callback of a ma_device_config. Weak,
// because cgo links each package once by itself.
extern void goSetDeviceConfigCallbacks(void *config) __attribute__((weak));
extern void goStopCallback(void *device) __attribute__((weak));

// user_offset is where a ma_device keeps pUserData: the same in all of them, so that it does not matter
// who stores it last.
static size_t user_offset;

// deliver is what is called with a device's pUserData and the frames; the same for all devices as well.
static scout_callback deliver;

static void on_data(void *device, void *output, const void *input, uint32_t frames) {
	(void)output;
	void *user = *(void **)((char *)device + __atomic_load_n(&user_offset, __ATOMIC_RELAXED));
	__atomic_load_n(&deliver, __ATOMIC_RELAXED)(user, input, frames);
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

// scout_take_over makes callback, with user, the data callback of a ma_device. malgo initialised the device with marker as
// pUserData, and it is not started. Where it does not look as expected nothing is changed and the result is 0.
int scout_take_over(void *device, const void *marker, scout_callback of_data, void *user) {
	void *callback = malgo_callback();
	if (callback == NULL) return 0;
	size_t data = find(device, callback), users = find(device, marker);
	if (data == searched || users == searched) return 0;
	__atomic_store_n(&user_offset, users, __ATOMIC_RELAXED);
	__atomic_store_n(&deliver, of_data, __ATOMIC_RELAXED);
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
