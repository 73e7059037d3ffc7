package miniaudio

/*
#include "callback.h"
*/
import "C"

import (
	"runtime"
	"unsafe"

	"github.com/gen2brain/malgo"

	"github.com/scout-speech/scout/internal/capture/intake"
)

// The callback of a device is in C (intake.Queue.Native). malgo's own callback, in Go, takes a lock and needs one of
// Go's processors: on a busy machine that made its 99.9th percentile 4 ms, against 0.06 ms (docs/adr/0021-ring.md).
// miniaudio cannot change a device's callback and malgo cannot choose it. So Scout searches the device's memory for the
// one word that equals malgo's callback. If it is not found exactly once, malgo's callback stays and calls Deliver,
// which does the same work.

// These objects of malgo have one field, a pointer. Each line fails to compile if that changes.
var (
	_ [unsafe.Sizeof(malgo.Device{}) - unsafe.Sizeof(uintptr(0))]struct{}
	_ [unsafe.Sizeof(malgo.AllocatedContext{}) - unsafe.Sizeof(uintptr(0))]struct{}
)

// askForNoDevice removes from a PulseAudio context the function that asks for the properties of one device. miniaudio
// reads the server's answer without checking that there is one (ma_context_get_device_info_source_callback__pulse), so
// the program crashes if the device disappeared a moment before. ma_device_init also calls the function, for a name
// that Scout does not use, and works without it. The result is false if the context does not look as expected; then
// nothing is changed.
func askForNoDevice(sound *malgo.AllocatedContext) bool {
	// malgo's context has one field, a pointer to the pointer to the ma_context.
	handle := **(**unsafe.Pointer)(unsafe.Pointer(sound))
	return C.scout_ask_for_no_device(handle, C.uint32_t(malgo.BackendPulseaudio)) != 0
}

// installCallback makes the callback in C the device's callback, with q as its queue. The result is false if that is
// not possible. The device was initialised with marker as PUserData and is not started. pin keeps the queue pinned
// until the device is closed.
func installCallback(device *malgo.Device, marker *byte, q *intake.Queue, pin *runtime.Pinner) bool {
	callback, queue := q.Native(pin)
	// malgo.Device has one field, a pointer to the pointer to the ma_device.
	handle := **(**unsafe.Pointer)(unsafe.Pointer(device))
	return C.scout_take_over(handle, unsafe.Pointer(marker), C.scout_callback(callback), queue) != 0
}
