// Package intake is the queue between the callback of a device and the goroutine that takes its frames, and the callback
// that fills it: once in Go (Queue.Deliver), once in C (deliver.c), which needs none of Go's processors to run on.
package intake

import (
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/wake"
)

// seconds is how much the queue between callback and owner holds. The owner takes blocks every
// few milliseconds; the rest is for a machine that runs everything else first.
const seconds = 4

// maxBlocks bounds the number of waiting blocks: seconds of blocks of 2 ms.
const maxBlocks = 2048

// pageBytes is the smallest unit in which a system gives memory.
const pageBytes = 4096

// Queue is the queue between the callback of one stream and its consumer: one producer,
// one consumer, wait-free on both sides. What does not fit is dropped and counted at the place where
// it is missing. Frames that wait are never overwritten, so the consumer may look at them in place.
//
// The counters only grow; a position in the buffer is the counter modulo its size.
type Queue struct {
	*shared // an object of its own: what C may see has no pointers but those that pin pins
	format  sound.Format
	epoch   time.Time // zero of block times
	data    []byte
	blocks  []Block
	news    wake.Bell // rings after blocks came
	taken   wake.Bell // rings after blocks were taken
}

// shared is what producer and consumer both use; scout_intake in deliver.h is the same.
type shared struct {
	head, tail           atomic.Uint64 // bytes written, bytes taken
	blockHead, blockTail atomic.Uint64
	overruns             atomic.Uint64
	dropped              sound.Frames // not yet written down in a block; of the producer alone
	durations            histogram

	// The rest is set by pin, for C.
	epochC      int64
	memory      *byte
	size        uint64
	blockMemory *Block
	blockCount  uint64
	frameBytes  uint64
	wakeFD      int64 // written to by the callback in C after each block; negative for none
}

// Block is one call of Deliver; scout_block in deliver.h is the same.
type Block struct {
	Bytes   uint64
	Dropped sound.Frames  // did not fit before this block
	At      time.Duration // since the epoch, when it came
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
	// Memory that was never written is not there yet: the callback would wait for the kernel to bring
	// each page, 60 us at a time.
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

// Deliver copies frames into the queue. It is the device's callback: two copies at most (the buffer
// wraps), a few atomic operations, no lock, no allocation, no log.
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
		q.overruns.Add(1)
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

// Next returns the oldest block and its frames, in two parts where the buffer wraps; false where
// none waits. The bytes are the queue's and valid until Pop.
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

// Pop takes the block that Next returned off the queue.
func (q *Queue) Pop() {
	tail := q.blockTail.Load()
	q.tail.Add(q.blocks[tail%maxBlocks].Bytes)
	q.blockTail.Store(tail + 1)
	q.taken.Ring()
}

// Span describes what waits: the frames, dropped ones included, and the time of the newest block.
// Only the consumer may call it.
func (q *Queue) Span(each func(frames sound.Frames, at time.Duration)) {
	for i := q.blockTail.Load(); i != q.blockHead.Load(); i++ {
		b := q.blocks[i%maxBlocks]
		each(q.FramesIn(b.Bytes)+b.Dropped, b.At)
	}
}

// Empty tells whether no block waits.
func (q *Queue) Empty() bool { return q.blockTail.Load() == q.blockHead.Load() }

// FramesIn is how many whole frames so many bytes are.
func (q *Queue) FramesIn(bytes uint64) sound.Frames {
	return sound.Frames(bytes / uint64(q.format.FrameBytes()))
}

// Room is how many frames fit.
func (q *Queue) Room() sound.Frames {
	return q.FramesIn(uint64(len(q.data)) - (q.head.Load() - q.tail.Load()))
}

// Skip takes frames off the queue, the oldest first, dropped ones included. Only the consumer may
// call it.
func (q *Queue) Skip(frames sound.Frames) {
	defer q.taken.Ring()
	size := sound.Frames(q.format.FrameBytes())
	for {
		i := q.blockTail.Load()
		if i == q.blockHead.Load() {
			return
		}
		b := &q.blocks[i%maxBlocks] // not the producer's before blockTail has passed it
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

// Listen returns a channel that has a token after blocks came since the last one was taken, and what ends that. Who listens
// looks once before waiting.
func (q *Queue) Listen() (news <-chan struct{}, end func()) { return q.news.Listen() }

// ListenRoom returns a channel that has a token after blocks were taken since the last one was, and what ends that. A producer
// that can wait looks at Room once before waiting.
func (q *Queue) ListenRoom() (taken <-chan struct{}, end func()) { return q.taken.Listen() }

// Latency is how long the callback took.
func (q *Queue) Latency() Latency { return q.durations.latency() }

// Overruns is how often a block did not fit.
func (q *Queue) Overruns() uint64 { return q.overruns.Load() }
