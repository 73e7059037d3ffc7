package capture

import (
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/wake"
)

// intakeSeconds is how much the queue between callback and owner holds. The owner takes blocks every
// few milliseconds; the rest is for a machine that runs everything else first.
const intakeSeconds = 4

// intakeBlocks bounds the number of waiting blocks: intakeSeconds of blocks of 2 ms.
const intakeBlocks = 2048

// pageBytes is the smallest unit in which a system gives memory.
const pageBytes = 4096

// intake is the queue between the callback of one stream and the owner of the session: one producer,
// one consumer, wait-free on both sides. What does not fit is dropped and counted at the place where
// it is missing. Frames that wait are never overwritten, so the consumer may look at them in place.
//
// The counters only grow; a position in the buffer is the counter modulo its size.
type intake struct {
	*shared // an object of its own: what C may see has no pointers but those that pin pins
	format  DeviceFormat
	epoch   time.Time // zero of block times
	data    []byte
	blocks  []block
	news    wake.Bell // rings after blocks came
}

// shared is what producer and consumer both use; scout_intake in callback.h is the same.
type shared struct {
	head, tail           atomic.Uint64 // bytes written, bytes taken
	blockHead, blockTail atomic.Uint64
	overruns             atomic.Uint64
	dropped              deviceFrames // not yet written down in a block; of the producer alone
	durations            histogram

	// The rest is set by pin, for C.
	epochC      int64
	memory      *byte
	size        uint64
	blockMemory *block
	blockCount  uint64
	frameBytes  uint64
	wakeFD      int64 // written to by the callback in C after each block; negative for none
}

// block is one call of Deliver; scout_block in callback.h is the same.
type block struct {
	bytes   uint64
	dropped deviceFrames  // did not fit before this block
	at      time.Duration // since epoch, when it came
}

// newIntake returns a queue for frames of the format. Its size is a whole number of frames.
func newIntake(format DeviceFormat, epoch time.Time) (*intake, error) {
	if format.SampleRateHz <= 0 || format.FrameBytes() <= 0 {
		return nil, scout.Errorf(scout.CodeDeviceUnavailable, "the device delivers %s, which cannot be recorded", format)
	}
	q := &intake{
		shared: new(shared),
		format: format, epoch: epoch,
		data:   make([]byte, intakeSeconds*format.SampleRateHz*format.FrameBytes()),
		blocks: make([]block, intakeBlocks),
	}
	q.wakeFD = -1
	// Memory that was never written is not there yet: the callback would wait for the kernel to bring
	// each page, 60 us at a time.
	for i := 0; i < len(q.data); i += pageBytes {
		q.data[i] = 1
		q.data[i] = 0
	}
	for i := range q.blocks {
		q.blocks[i].at = 1
		q.blocks[i].at = 0
	}
	return q, nil
}

// Deliver copies frames into the queue. It is the device's callback: two copies at most (the buffer
// wraps), a few atomic operations, no lock, no allocation, no log.
func (q *intake) Deliver(frames []byte) {
	began := time.Since(q.epoch)
	size := uint64(q.format.FrameBytes())
	n := uint64(len(frames)) / size * size
	if n == 0 {
		return
	}
	head, room := q.head.Load(), uint64(len(q.data))
	blockHead := q.blockHead.Load()
	if n > room-(head-q.tail.Load()) || blockHead-q.blockTail.Load() == intakeBlocks {
		q.dropped += q.frames(n)
		q.overruns.Add(1)
		return
	}
	offset := head % room
	copied := copy(q.data[offset:], frames[:n])
	copy(q.data, frames[copied:n])
	q.blocks[blockHead%intakeBlocks] = block{bytes: n, dropped: q.dropped, at: began}
	q.dropped = 0
	q.head.Store(head + n)
	q.blockHead.Store(blockHead + 1)
	q.news.Ring()
	q.durations.add(time.Since(q.epoch) - began)
}

// next returns the oldest block and its frames, in two parts where the buffer wraps; false where
// none waits. The bytes are the queue's and valid until pop.
func (q *intake) next() (b block, first, second []byte, ok bool) {
	tail := q.blockTail.Load()
	if tail == q.blockHead.Load() {
		return block{}, nil, nil, false
	}
	b = q.blocks[tail%intakeBlocks]
	offset := q.tail.Load() % uint64(len(q.data))
	first = q.data[offset:min(offset+b.bytes, uint64(len(q.data)))]
	return b, first, q.data[:b.bytes-uint64(len(first))], true
}

// pop takes the block that next returned off the queue.
func (q *intake) pop() {
	tail := q.blockTail.Load()
	q.tail.Add(q.blocks[tail%intakeBlocks].bytes)
	q.blockTail.Store(tail + 1)
}

// span describes what waits: the frames, dropped ones included, and the time of the newest block.
// Only the consumer may call it.
func (q *intake) span(each func(frames deviceFrames, at time.Duration)) {
	for i := q.blockTail.Load(); i != q.blockHead.Load(); i++ {
		b := q.blocks[i%intakeBlocks]
		each(q.frames(b.bytes)+b.dropped, b.at)
	}
}

func (q *intake) empty() bool { return q.blockTail.Load() == q.blockHead.Load() }

// frames is how many whole frames so many bytes are.
func (q *intake) frames(bytes uint64) deviceFrames {
	return deviceFrames(bytes / uint64(q.format.FrameBytes()))
}

// room is how many frames fit.
func (q *intake) room() deviceFrames {
	return q.frames(uint64(len(q.data)) - (q.head.Load() - q.tail.Load()))
}

// skip takes frames off the queue, the oldest first, dropped ones included. Only the consumer may
// call it.
func (q *intake) skip(frames deviceFrames) {
	size := deviceFrames(q.format.FrameBytes())
	for {
		i := q.blockTail.Load()
		if i == q.blockHead.Load() {
			return
		}
		b := &q.blocks[i%intakeBlocks] // not the producer's before blockTail has passed it
		dropped := min(frames, b.dropped)
		b.dropped -= dropped
		frames -= dropped
		taken := min(frames, q.frames(b.bytes))
		b.bytes -= uint64(taken * size)
		frames -= taken
		q.tail.Add(uint64(taken * size))
		if b.bytes > 0 {
			return
		}
		q.blockTail.Store(i + 1)
	}
}
