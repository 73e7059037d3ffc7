// Package ring is the buffer between capture and everything that reads audio: one writer, any number of readers, a
// fixed capacity, and an absolute index for every frame. It bridges a consumer that stands still (a disk that stalls
// for a minute), and it never makes the writer wait. Requirement S4; docs/adr/0021-ring.md.
package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/scout-speech/scout/internal/audio/copies"
	"github.com/scout-speech/scout/internal/wake"
)

// Errors of reading. End of the audio is io.EOF.
var (
	// ErrEvicted means that newer frames have overwritten the requested frame: it is gone.
	ErrEvicted = errors.New("frames were overwritten before they were read")
	// ErrNotYet means that the requested frame has not been written: it may still come.
	ErrNotYet = errors.New("frames not written yet")
)

// minFrames keeps the byte size of the buffer a multiple of a word for every frame size.
const minFrames = 8

// wordBytes is the unit of every access to the buffer.
const wordBytes = 8

// maxBytes bounds the buffer: ten minutes of 8 channels at 48 kHz in float32 fit.
const maxBytes = 1 << 30

// Position is the index of a frame in a ring: the number of frames written before it. It says nothing about the frame's
// place in a recording or in the device's audio. The index never wraps in practice: 2^64 frames at 192 kHz are three
// million years.
type Position uint64

// Add returns the position that many frames later.
func (p Position) Add(frames uint64) Position { return p + Position(frames) }

// Sub returns how many frames lie between the earlier position q and p. For a later q it is 0.
func (p Position) Sub(q Position) uint64 { return uint64(p - min(p, q)) }

// Options describe a ring.
type Options struct {
	// FrameBytes is the size of one frame, one sample for each channel: 2 for 16-bit mono.
	FrameBytes int
	// Frames is the smallest capacity; it is rounded up to a power of two.
	Frames int
	// OnEvicted, if set, is called by the goroutine of a reader that lost frames, with the reader's name and the number
	// of frames.
	OnEvicted func(reader string, frames uint64)
	// Copies, if set, is called for what Write copies and what Readers copy.
	Copies copies.Watch
}

// Ring holds the newest frames of a stream, each at its Position.
//
// Exactly one goroutine may call Write, WriteSilence and Close; everything else is safe from any
// goroutine. Write is wait-free and allocates nothing.
//
// The buffer is an array of atomic words, and the writer announces what it is about to overwrite (reserved) before it
// touches a word. A reader copies words and afterwards checks whether its frames were announced in the meantime; if so
// it discards the copy. Go's atomics are sequentially consistent, so a reader that saw any new word also sees the
// announcement. This is a sequence lock over a sliding window (Boehm, "Can Seqlocks Get Along With Programming Language
// Memory Models?", MSPC 2012).
type Ring struct {
	words      []atomic.Uint64
	mask       uint64 // of frames
	frameBytes uint64
	onEvicted  func(string, uint64)
	copies     copies.Watch

	reserved atomic.Uint64 // frames announced: head, or more during a write
	head     atomic.Uint64 // frames written
	closed   atomic.Bool
	news     wake.Bell
	moved    wake.Bell // rings when a reader came, advanced or left

	mu      sync.Mutex // guards readers; never taken by the writer
	readers map[*Reader]struct{}
}

// New returns an empty ring.
func New(o Options) (*Ring, error) {
	if o.FrameBytes < 1 || o.Frames < 1 {
		return nil, fmt.Errorf("ring of %d frames of %d bytes: both must be positive", o.Frames, o.FrameBytes)
	}
	if o.Frames > maxBytes || o.FrameBytes > maxBytes {
		return nil, fmt.Errorf("ring of %d frames of %d bytes: more than %d bytes", o.Frames, o.FrameBytes, maxBytes)
	}
	frames := uint64(1) << bits.Len64(uint64(max(o.Frames, minFrames)-1))
	size := frames * uint64(o.FrameBytes)
	if size > maxBytes {
		return nil, fmt.Errorf("ring of %d frames of %d bytes: more than %d bytes", frames, o.FrameBytes, maxBytes)
	}
	return &Ring{
		words:      make([]atomic.Uint64, size/wordBytes),
		mask:       frames - 1,
		frameBytes: uint64(o.FrameBytes),
		onEvicted:  o.OnEvicted,
		copies:     o.Copies,
		readers:    make(map[*Reader]struct{}),
	}, nil
}

// FrameBytes is the size of one frame.
func (r *Ring) FrameBytes() int { return int(r.frameBytes) }

// Capacity is how many frames the ring holds, a power of two.
func (r *Ring) Capacity() uint64 { return r.mask + 1 }

// Head is the position of the next frame to be written: the number of frames written so far.
func (r *Ring) Head() Position { return Position(r.head.Load()) }

// Oldest is the position of the oldest frame that can still be read. It grows while the writer works.
func (r *Ring) Oldest() Position {
	reserved := r.reserved.Load()
	return Position(reserved - min(reserved, r.Capacity()))
}

// Closed reports whether the writer closed the ring: no frame will follow.
func (r *Ring) Closed() bool { return r.closed.Load() }

// Write appends the whole frames in block and returns their number; a partial frame at the end is ignored. The block is
// copied. If a block is longer than the ring, only its end can be read.
func (r *Ring) Write(block []byte) uint64 {
	frames := uint64(len(block)) / r.frameBytes
	if frames == 0 || r.closed.Load() {
		return 0
	}
	block = block[:frames*r.frameBytes]
	r.copies.Tell(copies.IntoRing, "", block)
	head := r.head.Load()
	end := head + frames
	r.reserved.Store(end)
	first := head
	if frames > r.Capacity() {
		first = end - r.Capacity()
		block = block[(first-head)*r.frameBytes:]
	}
	offset := (first & r.mask) * r.frameBytes
	if room := r.size() - offset; uint64(len(block)) > room {
		r.store(offset, block[:room])
		offset, block = 0, block[room:]
	}
	r.store(offset, block)
	r.head.Store(end)
	r.news.Ring()
	return frames
}

// WriteSilence appends frames of zero bytes, which are silence in every signed and float format.
func (r *Ring) WriteSilence(frames uint64) {
	if r.closed.Load() {
		return
	}
	head := r.head.Load()
	end := head + frames
	r.reserved.Store(end)
	first := head
	if frames > r.Capacity() {
		first = end - r.Capacity()
	}
	var zero [4096]byte
	for offset, left := (first&r.mask)*r.frameBytes, (end-first)*r.frameBytes; left > 0; {
		n := min(left, r.size()-offset, uint64(len(zero)))
		r.store(offset, zero[:n])
		left -= n
		if offset += n; offset == r.size() {
			offset = 0
		}
	}
	r.head.Store(end)
	r.news.Ring()
}

// Close ends the stream: readers get io.EOF after the last frame. It may be called repeatedly.
func (r *Ring) Close() {
	r.closed.Store(true)
	r.news.Ring()
}

// Listen returns a channel that receives a token after a write and after Close, and a function that ends the
// subscription. A listener must read once before waiting.
func (r *Ring) Listen() (news <-chan struct{}, end func()) { return r.news.Listen() }

// ListenReaders returns a channel that receives a token after a reader came, advanced or left, and a function that ends
// the subscription. It is for a writer that can wait for its readers; the writer must check Lag once before waiting.
func (r *Ring) ListenReaders() (moved <-chan struct{}, end func()) { return r.moved.Listen() }

// ReadAt copies frames from pos on into dst and returns how many it copied.
//
//	dst  bytes of the ring's frames; a rest of less than a frame stays untouched
//	pos  position of the first frame wanted
//
// It returns ErrEvicted if frame pos is gone, ErrNotYet if it has not been written, and io.EOF if it never will be. It
// never returns frames together with an error.
func (r *Ring) ReadAt(dst []byte, pos Position) (uint64, error) {
	closed := r.closed.Load() // before head: a close after the last write must not hide it
	head := r.Head()
	if pos >= head {
		if closed {
			return 0, io.EOF
		}
		return 0, ErrNotYet
	}
	if pos < r.Oldest() {
		return 0, ErrEvicted
	}
	frames := min(uint64(len(dst))/r.frameBytes, head.Sub(pos))
	dst = dst[:frames*r.frameBytes]
	offset := (uint64(pos) & r.mask) * r.frameBytes
	if room := r.size() - offset; uint64(len(dst)) > room {
		r.load(dst[:room], offset)
		r.load(dst[room:], 0)
	} else {
		r.load(dst, offset)
	}
	if pos < r.Oldest() {
		return 0, ErrEvicted
	}
	return frames, nil
}

func (r *Ring) size() uint64 { return r.Capacity() * r.frameBytes }

// store puts src at the byte offset; src does not wrap. Words that src covers only partly keep their other bytes, which
// belong to frames that a reader may be reading at this moment.
func (r *Ring) store(offset uint64, src []byte) {
	word := offset / wordBytes
	if skip := offset % wordBytes; skip != 0 && len(src) > 0 {
		n := min(wordBytes-skip, uint64(len(src)))
		r.merge(word, skip, src[:n])
		src = src[n:]
		word++
	}
	for len(src) >= wordBytes {
		r.words[word].Store(binary.LittleEndian.Uint64(src))
		src = src[wordBytes:]
		word++
	}
	if len(src) > 0 {
		r.merge(word, 0, src)
	}
}

func (r *Ring) merge(word, skip uint64, src []byte) {
	var b [wordBytes]byte
	binary.LittleEndian.PutUint64(b[:], r.words[word].Load())
	copy(b[skip:], src)
	r.words[word].Store(binary.LittleEndian.Uint64(b[:]))
}

// load fills dst from the byte offset; dst does not wrap.
func (r *Ring) load(dst []byte, offset uint64) {
	word := offset / wordBytes
	if skip := offset % wordBytes; skip != 0 && len(dst) > 0 {
		var b [wordBytes]byte
		binary.LittleEndian.PutUint64(b[:], r.words[word].Load())
		dst = dst[copy(dst, b[skip:]):]
		word++
	}
	for len(dst) >= wordBytes {
		binary.LittleEndian.PutUint64(dst, r.words[word].Load())
		dst = dst[wordBytes:]
		word++
	}
	if len(dst) > 0 {
		var b [wordBytes]byte
		binary.LittleEndian.PutUint64(b[:], r.words[word].Load())
		copy(dst, b[:])
	}
}
