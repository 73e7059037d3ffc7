package intake

/*
#include "deliver.h"
*/
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// The memory that Go and C share must have the same layout on both sides. Each line fails to compile if it does not.
var (
	_ [unsafe.Sizeof(shared{}) - C.sizeof_scout_intake]struct{}
	_ [C.sizeof_scout_intake - unsafe.Sizeof(shared{})]struct{}
	_ [unsafe.Sizeof(Block{}) - C.sizeof_scout_block]struct{}
	_ [C.sizeof_scout_block - unsafe.Sizeof(Block{})]struct{}
	_ [len(shared{}.durations.counts) - C.scout_buckets]struct{}
)

// Native returns the callback in C, a void (*)(void *queue, const void *frames, uint32_t count), and its queue
// argument. It does the same as Deliver. The queue's memory stays in its place until pin is released, which must be
// after the last call.
func (q *Queue) Native(pin *runtime.Pinner) (callback, queue unsafe.Pointer) {
	pin.Pin(q.shared)
	pin.Pin(&q.data[0])
	pin.Pin(&q.blocks[0])
	q.memory, q.size = &q.data[0], uint64(len(q.data))
	q.blockMemory, q.blockCount = &q.blocks[0], uint64(len(q.blocks))
	q.frameBytes = uint64(q.format.FrameBytes())
	q.epochC = int64(C.scout_now()) - int64(time.Since(q.epoch))
	return C.scout_deliver_frames, unsafe.Pointer(q.shared)
}

// deliverC calls Deliver's counterpart in C, for tests, with the queue that Native returned.
func deliverC(queue unsafe.Pointer, frames []byte) {
	C.scout_deliver((*C.scout_intake)(queue), unsafe.Pointer(unsafe.SliceData(frames)), C.uint64_t(len(frames)))
}
