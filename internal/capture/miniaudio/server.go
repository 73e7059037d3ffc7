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

// miniaudio handles a PulseAudio server wrongly in three places, which server.c repairs from outside. The functions of
// libpulse are pointers in miniaudio's context; the ones concerned are replaced by ours.
//
//   - ma_device_init__pulse reads what the server knows about the source without checking that it answered. If the
//     source or the server disappeared a moment before, it works with random values on its stack; a channel count of 0
//     there makes libpulse abort the program.
//   - A source in a format that miniaudio does not know (24 bits in 32, big-endian, A-law, u-law) cannot be opened.
//     With our functions it can: the server converts to float32.
//   - A device that cannot be opened keeps its connection permanently. The server accepts 64 connections, so about
//     seventy attempts lock out all programs of the user.
//
// docs/adr/0021-ring.md.

// watchServer redirects the context's calls of libpulse to server.c; false if the context does not look as expected.
func watchServer(connection *malgo.AllocatedContext) bool {
	handle := **(**unsafe.Pointer)(unsafe.Pointer(connection))
	return C.scout_watch_server(handle) != 0
}

// initDevice is malgo.InitDevice, and leaves nothing behind if it fails.
func initDevice(connection *malgo.AllocatedContext, config malgo.DeviceConfig, callbacks malgo.DeviceCallbacks) (*malgo.Device, error) {
	runtime.LockOSThread() // server.c keeps a record for each thread
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
