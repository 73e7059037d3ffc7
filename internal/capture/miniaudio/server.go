package miniaudio

/*
#include "callback.h"
*/
import "C"

import (
	"runtime"
	"unsafe"

	"github.com/gen2brain/malgo"
)

// What miniaudio does with a PulseAudio server is not right in three places, which are put right from outside (server.c). The
// functions of libpulse are pointers in its context; those that matter are replaced by ours.
//
//   - ma_device_init__pulse reads what the server knows about the source without a look at whether it answered. Where the
//     source or the server went in the moment before, it works with what happens to be on its stack; a channel count of 0
//     there makes libpulse abort the program.
//   - A source in a format that miniaudio does not know (24 bits in 32, big-endian, A-law, u-law) cannot be opened. It can with
//     ours: the server converts to float32.
//   - A device that cannot be opened keeps its connection for good. The server takes 64, so that some seventy attempts shut
//     all programs of the user out.
//
// docs/adr/0021-ring.md.

// watchServer leads what the context calls of libpulse through server.c; false where the context does not look as expected.
func watchServer(connection *malgo.AllocatedContext) bool {
	handle := **(**unsafe.Pointer)(unsafe.Pointer(connection))
	return C.scout_watch_server(handle) != 0
}

// initDevice is malgo.InitDevice, and leaves nothing behind where it fails.
func initDevice(connection *malgo.AllocatedContext, config malgo.DeviceConfig, callbacks malgo.DeviceCallbacks) (*malgo.Device, error) {
	runtime.LockOSThread() // server.c keeps account for each thread
	defer runtime.UnlockOSThread()
	C.scout_device_begins()
	device, err := malgo.InitDevice(connection.Context, config, callbacks)
	made := C.int(0)
	if err == nil {
		made = 1
	}
	C.scout_device_ends(made)
	return device, err
}
