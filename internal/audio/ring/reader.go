package ring

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/scout-speech/scout/internal/audio/copies"
)

// EvictedError says which frames a reader lost: the writer overwrote them first. It matches ErrEvicted. The reader is
// already at To.
type EvictedError struct {
	// From is the first frame lost, To the first one after them.
	From, To Position
}

// Error implements error.
func (e *EvictedError) Error() string {
	return fmt.Sprintf("frames %d to %d were overwritten before they were read", e.From, e.To)
}

// Is makes errors.Is(err, ErrEvicted) true.
func (e *EvictedError) Is(target error) bool { return target == ErrEvicted }

// Lost is the number of frames lost.
func (e *EvictedError) Lost() uint64 { return e.To.Sub(e.From) }

// Reader is a position in the ring that advances as it reads. One goroutine may use it; State is safe from any. Readers
// do not know of each other, and none of them can slow the writer.
type Reader struct {
	ring  *Ring
	name  string
	pos   atomic.Uint64
	lost  atomic.Uint64
	times atomic.Uint64
	news  <-chan struct{} // from the first Wait on
	deaf  func()          // ends it
}

// ReaderState is the state of a reader.
type ReaderState struct {
	// Name is the one given to NewReader.
	Name string
	// Position is that of the next frame it will read.
	Position Position
	// Lag is how many frames are written that it has not read.
	Lag uint64
	// Overruns is how often it lost frames, Lost how many.
	Overruns, Lost uint64
}

// NewReader returns a reader whose first frame is from, which may be in the future. The name appears in metrics, so
// there must be few different names.
func (r *Ring) NewReader(name string, from Position) *Reader {
	reader := &Reader{ring: r, name: name}
	reader.Seek(from)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers[reader] = struct{}{}
	r.moved.Ring()
	return reader
}

// Close removes the reader from the ring's list. Its counters stay readable.
func (rd *Reader) Close() {
	rd.ring.mu.Lock()
	defer rd.ring.mu.Unlock()
	delete(rd.ring.readers, rd)
	rd.ring.moved.Ring()
	if rd.deaf != nil {
		rd.deaf()
	}
}

// Readers returns the state of each reader that is not closed, in no order.
func (r *Ring) Readers() []ReaderState {
	r.mu.Lock()
	defer r.mu.Unlock()
	states := make([]ReaderState, 0, len(r.readers))
	for reader := range r.readers {
		states = append(states, reader.State())
	}
	return states
}

// Lag returns the largest number of frames that any open reader has not read yet; 0 without readers.
func (r *Ring) Lag() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var most uint64
	for reader := range r.readers {
		most = max(most, reader.lag())
	}
	return most
}

// State returns the reader's position and losses.
func (rd *Reader) State() ReaderState {
	return ReaderState{
		Name: rd.name, Position: rd.Position(), Lag: rd.lag(),
		Overruns: rd.times.Load(), Lost: rd.lost.Load(),
	}
}

func (rd *Reader) lag() uint64 {
	pos := rd.Position() // before head, which only grows
	return rd.ring.Head().Sub(pos)
}

// Position is that of the next frame to read.
func (rd *Reader) Position() Position { return Position(rd.pos.Load()) }

// Seek makes pos the next frame to read.
func (rd *Reader) Seek(pos Position) {
	if rd.pos.Swap(uint64(pos)) != uint64(pos) {
		rd.ring.moved.Ring()
	}
}

// Read copies the next frames into dst, advances by them and returns their number. It does not wait: with nothing to
// read it returns ErrNotYet, or io.EOF after the last frame of a closed ring.
//
// If frames were lost it returns no frames and an *EvictedError; the next Read continues after them. It then skips a
// sixty-fourth of the ring more than necessary, so that a reader that is late by a whole ring does not lose frames
// again at once.
func (rd *Reader) Read(dst []byte) (uint64, error) {
	pos := rd.Position()
	n, err := rd.ring.ReadAt(dst, pos)
	if err == nil {
		rd.Seek(pos.Add(n))
		rd.ring.copies.Tell(copies.OutOfRing, rd.name, dst[:n*rd.ring.frameBytes])
		return n, nil
	}
	if !errors.Is(err, ErrEvicted) {
		return 0, err
	}
	to := rd.ring.Oldest().Add(rd.ring.Capacity() / 64)
	to = max(min(to, rd.ring.Head()), pos+1)
	evicted := &EvictedError{From: pos, To: to}
	rd.Seek(to)
	rd.lost.Add(evicted.Lost())
	rd.times.Add(1)
	if rd.ring.onEvicted != nil {
		rd.ring.onEvicted(rd.name, evicted.Lost())
	}
	return 0, evicted
}

// Wait returns nil as soon as Read has a result (frames, a loss or the end), or the cause of ctx once ctx ends.
func (rd *Reader) Wait(ctx context.Context) error {
	if rd.news == nil {
		rd.news, rd.deaf = rd.ring.Listen() // until Close
	}
	for !rd.ring.Closed() && rd.Position() >= rd.ring.Head() {
		select {
		case <-rd.news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
