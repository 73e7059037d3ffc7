// Package intake is the queue between the callback of a device and the goroutine that takes its frames. It has the
// callback in two versions: in Go (Queue.Deliver), and in C (deliver.c), which needs none of Go's processors.
package intake

import (
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/wake"
)

// seconds is the length of the queue between callback and owner. The owner takes blocks every few milliseconds; the
// rest is for a machine that is busy with other programs.
const seconds = 4

// maxBlocks limits the number of waiting blocks: seconds of blocks of 2 ms.
const maxBlocks = 2048

// pageBytes is the smallest unit in which a system gives memory.
const pageBytes = 4096

// Queue is the queue between the callback of one stream and its consumer: one producer, one consumer, wait-free on both
// sides. Frames that do not fit are dropped and counted at the place where they are missing. Waiting frames are never
// overwritten, so the consumer may read them in place.
//
// The counters only grow; a position in the buffer is the counter modulo its size.
type Queue struct {
	*shared // a separate object: memory that C sees has no pointers except those that pin pins
	format  sound.Format
	epoch   time.Time // zero of block times
	data    []byte
	blocks  []Block
	news    wake.Bell // rings after blocks came
	taken   wake.Bell // rings after blocks were taken
}

// shared is used by producer and consumer; scout_intake in deliver.h is the same.
type shared struct {
	head, tail           atomic.Uint64 // bytes written, bytes taken
	blockHead, blockTail atomic.Uint64
	dropped              sound.Frames // not recorded in a block yet; only the producer uses it
	durations            histogram

	// pin sets the rest, for C.
	epochC      int64
	memory      *byte
	size        uint64
	blockMemory *Block
	blockCount  uint64
	frameBytes  uint64
	wakeFD      int64 // the callback in C writes to it after each block; negative if there is none
}

// Block is one call of Deliver; scout_block in deliver.h is the same.
type Block struct {
	Bytes   uint64
	Dropped sound.Frames  // frames that did not fit before this block
	At      time.Duration // when it came, since the epoch
}

// New returns a queue for frames of the format. Its size is a whole number of frames.
func New(format sound.Format, epoch time.Time) (*Queue, error) {
	if format.SampleRateHz <= 0 || format.FrameBytes() <= 0 {
		return nil, scout.Errorf(scout.CodeDeviceUnavailable, "the device delivers %s, which cannot be recorded", format)
	}
	q := &Queue{
		shared: new(shared),
		format: format, epoch: epoch,
		data:   make([]byte, seconds*format.SampleRateHz*format.FrameBytes()),
		blocks: make([]Block, maxBlocks),
	}
	q.wakeFD = -1
	// Memory that was never written is not present yet: the callback would wait 60 us for the kernel to provide each
	// page.
	for i := 0; i < len(q.data); i += pageBytes {
		q.data[i] = 1
		q.data[i] = 0
	}
	for i := range q.blocks {
		q.blocks[i].At = 1
		q.blocks[i].At = 0
	}
	return q, nil
}

// Deliver copies frames into the queue. It is the device's callback: at most two copies (the buffer wraps) and a few
// atomic operations, no lock, no allocation, no log.
func (q *Queue) Deliver(frames []byte) {
	began := time.Since(q.epoch)
	size := uint64(q.format.FrameBytes())
	n := uint64(len(frames)) / size * size
	if n == 0 {
		return
	}
	head, room := q.head.Load(), uint64(len(q.data))
	blockHead := q.blockHead.Load()
	if n > room-(head-q.tail.Load()) || blockHead-q.blockTail.Load() == maxBlocks {
		q.dropped += q.FramesIn(n)
		return
	}
	offset := head % room
	copied := copy(q.data[offset:], frames[:n])
	copy(q.data, frames[copied:n])
	q.blocks[blockHead%maxBlocks] = Block{Bytes: n, Dropped: q.dropped, At: began}
	q.dropped = 0
	q.head.Store(head + n)
	q.blockHead.Store(blockHead + 1)
	q.news.Ring()
	q.durations.add(time.Since(q.epoch) - began)
}

// Next returns the oldest block and its frames, in two parts if the buffer wraps; ok is false if no block waits. The
// bytes belong to the queue and are valid until Pop.
func (q *Queue) Next() (b Block, first, second []byte, ok bool) {
	tail := q.blockTail.Load()
	if tail == q.blockHead.Load() {
		return Block{}, nil, nil, false
	}
	b = q.blocks[tail%maxBlocks]
	offset := q.tail.Load() % uint64(len(q.data))
	first = q.data[offset:min(offset+b.Bytes, uint64(len(q.data)))]
	return b, first, q.data[:b.Bytes-uint64(len(first))], true
}

// Pop removes the block that Next returned.
func (q *Queue) Pop() {
	tail := q.blockTail.Load()
	q.tail.Add(q.blocks[tail%maxBlocks].Bytes)
	q.blockTail.Store(tail + 1)
	q.taken.Ring()
}

// Span describes the waiting blocks: the frames, dropped ones included, and the time of the newest block. Only the
// consumer may call it.
func (q *Queue) Span(each func(frames sound.Frames, at time.Duration)) {
	for i := q.blockTail.Load(); i != q.blockHead.Load(); i++ {
		b := q.blocks[i%maxBlocks]
		each(q.FramesIn(b.Bytes)+b.Dropped, b.At)
	}
}

// Empty reports whether no block waits.
func (q *Queue) Empty() bool { return q.blockTail.Load() == q.blockHead.Load() }

// FramesIn returns how many whole frames a number of bytes is.
func (q *Queue) FramesIn(bytes uint64) sound.Frames {
	return sound.Frames(bytes / uint64(q.format.FrameBytes()))
}

// Room returns how many frames fit.
func (q *Queue) Room() sound.Frames {
	return q.FramesIn(uint64(len(q.data)) - (q.head.Load() - q.tail.Load()))
}

// Skip removes frames from the queue, the oldest first, dropped ones included. Only the consumer may call it.
func (q *Queue) Skip(frames sound.Frames) {
	defer q.taken.Ring()
	size := sound.Frames(q.format.FrameBytes())
	for {
		i := q.blockTail.Load()
		if i == q.blockHead.Load() {
			return
		}
		b := &q.blocks[i%maxBlocks] // the producer does not use it before blockTail has passed it
		dropped := min(frames, b.Dropped)
		b.Dropped -= dropped
		frames -= dropped
		taken := min(frames, q.FramesIn(b.Bytes))
		b.Bytes -= uint64(taken * size)
		frames -= taken
		q.tail.Add(uint64(taken * size))
		if b.Bytes > 0 {
			return
		}
		q.blockTail.Store(i + 1)
	}
}

// Format is that of the frames.
func (q *Queue) Format() sound.Format { return q.format }

// Listen returns a channel that receives a token after blocks came, and a function that ends the subscription. A
// listener must check once before waiting.
func (q *Queue) Listen() (news <-chan struct{}, end func()) { return q.news.Listen() }

// ListenRoom returns a channel that receives a token after blocks were taken, and a function that ends the
// subscription. A producer that can wait must check Room once before waiting.
func (q *Queue) ListenRoom() (taken <-chan struct{}, end func()) { return q.taken.Listen() }

// Latency returns how long the callback took.
func (q *Queue) Latency() Latency { return q.durations.latency() }
