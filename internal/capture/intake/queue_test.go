package intake

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/capture/virtual"
)

func TestHistogramBuckets(t *testing.T) {
	t.Parallel()
	last := -1
	for ns := uint64(0); ns < 1<<40; ns += 1 + ns/50 {
		b := bucket(ns)
		if b < last || b > last+1 && ns > 100 || time.Duration(ns) > upper(b) || float64(upper(b)) > float64(ns)*1.126+1 {
			t.Fatalf("%d ns: bucket %d up to %d after bucket %d", ns, b, upper(b), last)
		}
		last = b
	}
	var h histogram
	if l := h.latency(); l != (Latency{}) {
		t.Errorf("empty: %+v", l)
	}
	for i := range 10_000 {
		h.add(time.Duration(i) * time.Microsecond)
	}
	l := h.latency()
	if l.Count != 10_000 || l.Max != 9999*time.Microsecond ||
		math.Abs(l.P50.Seconds()-0.005) > 0.0006 || math.Abs(l.P999.Seconds()-0.00999) > 0.0012 {
		t.Errorf("%+v", l)
	}
}

// The queue against a plain slice.
func TestQueueKeepsOrderAndCountsWhatItDrops(t *testing.T) {
	t.Parallel()
	t.Run("from Go", func(t *testing.T) {
		t.Parallel()
		checkQueue(t, func(q *Queue) func([]byte) { return q.Deliver })
	})
	t.Run("from C", func(t *testing.T) {
		t.Parallel()
		var pin runtime.Pinner
		defer pin.Unpin()
		checkQueue(t, native(&pin))
	})
}

func checkQueue(t *testing.T, producer func(*Queue) func([]byte)) {
	t.Helper()
	format := sound.NewFormat(8000, 1, audio.Int16)
	rapid.Check(t, func(t *rapid.T) {
		q, err := New(format, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		into := producer(q)
		var sent, got []int16 // a dropped frame is 0 in both
		next := int16(1)
		deliver := func(n int) {
			room := q.Room() >= sound.Frames(n) && q.blockHead.Load()-q.blockTail.Load() < maxBlocks
			var block []byte
			for range n {
				block = binary.LittleEndian.AppendUint16(block, uint16(next))
				if room {
					sent = append(sent, next)
				} else {
					sent = append(sent, 0)
				}
				next = max(next+1, 1)
			}
			into(append(block, 99)) // a part of a frame is not looked at
		}
		take := func() {
			b, first, second, ok := q.Next()
			if !ok {
				return
			}
			got = append(got, make([]int16, b.Dropped)...)
			for _, part := range [][]byte{first, second} {
				for ; len(part) > 0; part = part[2:] {
					got = append(got, int16(binary.LittleEndian.Uint16(part)))
				}
			}
			q.Pop()
		}
		t.Repeat(map[string]func(*rapid.T){
			"deliver": func(t *rapid.T) { deliver(rapid.IntRange(0, 12_000).Draw(t, "frames")) },
			"take":    func(t *rapid.T) { take() },
			"skip": func(t *rapid.T) {
				n := sound.Frames(rapid.Uint64Range(0, 9000).Draw(t, "frames"))
				var waiting sound.Frames
				q.Span(func(frames sound.Frames, _ time.Duration) { waiting += frames })
				q.Skip(n)
				got = append(got, sent[len(got):][:min(n, waiting)]...)
			},
		})
		for !q.Empty() {
			take()
		}
		if !slices.Equal(got, sent[:len(got)]) || q.dropped != sound.Frames(len(sent)-len(got)) {
			t.Fatalf("%d frames got, %d sent, %d dropped at the end", len(got), len(sent), q.dropped)
		}
	})
}

// Producer and consumer at once.
func TestQueueUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("from Go", func(t *testing.T) {
		t.Parallel()
		loadQueue(t, func(q *Queue) func([]byte) { return q.Deliver })
	})
	t.Run("from C", func(t *testing.T) {
		t.Parallel()
		var pin runtime.Pinner
		defer pin.Unpin()
		loadQueue(t, native(&pin))
	})
}

func loadQueue(t *testing.T, producer func(*Queue) func([]byte)) {
	t.Helper()
	q, err := New(sound.NewFormat(8000, 1, audio.Int16), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	const total = 2_000_000
	into := producer(q)
	done := make(chan struct{})
	go func() { // ends after total frames; the test reads them all
		defer close(done)
		rng := rand.New(rand.NewPCG(1, 1))
		var block []byte
		for i := 0; i < total; {
			n := min(1+rng.IntN(500), total-i)
			block = block[:0]
			for k := range n {
				block = binary.LittleEndian.AppendUint16(block, uint16(virtual.Coded(9, uint64(i+k), 0)))
			}
			into(block)
			i += n
		}
	}()
	for at := uint64(0); at < total; {
		b, first, second, ok := q.Next()
		if !ok {
			if isDone(done) && q.Empty() {
				break // the last blocks were among the dropped
			}
			continue
		}
		at += uint64(b.Dropped)
		for _, part := range [][]byte{first, second} {
			for ; len(part) > 0; part = part[2:] {
				if got := int16(binary.LittleEndian.Uint16(part)); got != virtual.Coded(9, at, 0) {
					t.Fatalf("frame %d is wrong", at)
				}
				at++
			}
		}
		q.Pop()
	}
}

// native returns the callback in C of a queue.
func native(pin *runtime.Pinner) func(q *Queue) func([]byte) {
	return func(q *Queue) func([]byte) {
		_, queue := q.Native(pin)
		return func(frames []byte) {
			if len(frames) > 0 {
				deliverC(queue, frames)
			}
		}
	}
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
