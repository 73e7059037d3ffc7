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

// The callback of a device is in C (intake.Queue.Native). malgo's own, in Go, takes a lock and needs one of
// Go's processors to run on: on a busy machine that made its 99.9th percentile 4 ms, against 0.06 ms
// (docs/adr/0021-ring.md). miniaudio does not let a device's callback be changed and malgo does not
// let it be chosen, so it is looked for in the device: the word that equals malgo's callback. Where
// that is not found exactly once, malgo's callback stays and calls Deliver, which does the
// same.

// The objects of malgo that are looked into have one field, a pointer. Each line fails to compile where that changed.
var (
	_ [unsafe.Sizeof(malgo.Device{}) - unsafe.Sizeof(uintptr(0))]struct{}
	_ [unsafe.Sizeof(malgo.AllocatedContext{}) - unsafe.Sizeof(uintptr(0))]struct{}
)

// askForNoDevice takes from a PulseAudio context the function that asks for the properties of one device. miniaudio reads the
// server's answer without a look at whether there is one (ma_context_get_device_info_source_callback__pulse), so
// that the program crashes when the device went in the moment before. ma_device_init calls it as well, for a name that Scout
// does not use, and does without it where it is missing. False where the context does not look as expected; nothing is
// changed then.
func askForNoDevice(sound *malgo.AllocatedContext) bool {
	// malgo's context has one field, a pointer to the pointer to the ma_context.
	handle := **(**unsafe.Pointer)(unsafe.Pointer(sound))
	return C.scout_ask_for_no_device(handle, C.uint32_t(malgo.BackendPulseaudio)) != 0
}

// installCallback makes the callback in C that of the device and q what it fills; false where that
// cannot be. The device was initialised with marker as PUserData and is not started. The queue stays
// pinned by pin until the device is closed.
func installCallback(device *malgo.Device, marker *byte, q *intake.Queue, pin *runtime.Pinner) bool {
	callback, queue := q.Native(pin)
	// malgo.Device has one field, a pointer to the pointer to the ma_device.
	handle := **(**unsafe.Pointer)(unsafe.Pointer(device))
	return C.scout_take_over(handle, unsafe.Pointer(marker), C.scout_callback(callback), queue) != 0
}
