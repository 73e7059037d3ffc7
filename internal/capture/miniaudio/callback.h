// What Scout changes in the objects of miniaudio: see callback.go.
#ifndef SCOUT_CALLBACK_H
#define SCOUT_CALLBACK_H

#include <stdint.h>

typedef void (*scout_callback)(void *user, const void *frames, uint32_t count);

int scout_take_over(void *device, const void *marker, scout_callback of_data, void *user);
int scout_ask_for_no_device(void *context, uint32_t backend);

#endif
