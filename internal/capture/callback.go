package capture

/*
#include "callback.h"
*/
import "C"

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/gen2brain/malgo"
)

// The callback of a device is in C (callback.c). malgo's own, in Go, takes a lock and needs one of
// Go's processors to run on: on a busy machine that made its 99.9th percentile 4 ms, against 0.06 ms
// (docs/adr/0021-ring.md). miniaudio does not let a device's callback be changed and malgo does not
// let it be chosen, so it is looked for in the device: the word that equals malgo's callback. Where
// that is not found exactly once, malgo's callback stays and calls intake.Deliver, which does the
// same.

// The memory that Go and C share must look the same from both sides. Each line fails to compile
// where it does not.
var (
	_ [unsafe.Sizeof(shared{}) - C.sizeof_scout_intake]struct{}
	_ [C.sizeof_scout_intake - unsafe.Sizeof(shared{})]struct{}
	_ [unsafe.Sizeof(block{}) - C.sizeof_scout_block]struct{}
	_ [C.sizeof_scout_block - unsafe.Sizeof(block{})]struct{}
	_ [len(shared{}.durations.counts) - C.scout_buckets]struct{}
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

// pin keeps the queue's memory in its place for the callback in C.
func (q *intake) pin(pin *runtime.Pinner) {
	pin.Pin(q.shared)
	pin.Pin(&q.data[0])
	pin.Pin(&q.blocks[0])
	q.memory, q.size = &q.data[0], uint64(len(q.data))
	q.blockMemory, q.blockCount = &q.blocks[0], uint64(len(q.blocks))
	q.frameBytes = uint64(q.format.FrameBytes())
	q.epochC = int64(C.scout_now()) - int64(time.Since(q.epoch))
}

// installCallback makes the callback in C that of the device and q what it fills; false where that
// cannot be. The device was initialised with marker as PUserData and is not started. The queue stays
// pinned by pin until the device is closed.
func installCallback(device *malgo.Device, marker *byte, q *intake, pin *runtime.Pinner) bool {
	q.pin(pin)
	// malgo.Device has one field, a pointer to the pointer to the ma_device.
	handle := **(**unsafe.Pointer)(unsafe.Pointer(device))
	user := unsafe.Pointer(q.shared)
	taken := C.scout_take_over(handle, unsafe.Pointer(marker), user)
	return taken != 0
}

// deliverC is Deliver by way of C, for tests. The queue is pinned.
func (q *intake) deliverC(frames []byte) {
	if len(frames) == 0 {
		return
	}
	queue := (*C.scout_intake)(unsafe.Pointer(q.shared))
	C.scout_deliver(queue, unsafe.Pointer(unsafe.SliceData(frames)), C.uint64_t(len(frames)))
}
