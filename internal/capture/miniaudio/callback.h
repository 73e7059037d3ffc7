// What Scout changes in the objects of miniaudio: see callback.go.
#ifndef SCOUT_CALLBACK_H
#define SCOUT_CALLBACK_H

#include <stdint.h>

typedef void (*scout_callback)(void *user, const void *frames, uint32_t count);

int scout_take_over(void *device, const void *marker, scout_callback of_data, void *user);
int scout_ask_for_no_device(void *context, uint32_t backend);

// scout_watch_server leads what a ma_context calls of libpulse through server.c; 0 where that cannot be done in full.
int scout_watch_server(void *context);
// scout_device_begins and scout_device_ends are called by one thread before and after ma_device_init.
void scout_device_begins(void);
void scout_device_ends(int made);

#endif
