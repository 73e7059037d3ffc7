package ring_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/audio/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRing(tb testing.TB, o ring.Options) *ring.Ring {
	tb.Helper()
	r, err := ring.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// frame fills b with bytes that tell its position, so that every byte read can be checked.
func frame(b []byte, index ring.Position) {
	for i := range b {
		x := uint64(index+1) * 0x9e3779b97f4a7c15
		x ^= x >> 29
		b[i] = byte(x >> (8 * (i % 8)))
	}
}

func frames(frameBytes int, from ring.Position, n uint64) []byte {
	b := make([]byte, n*uint64(frameBytes))
	for i := range n {
		frame(b[i*uint64(frameBytes):][:frameBytes], from.Add(i))
	}
	return b
}

func TestNewRefusesWhatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]ring.Options{
		"no frames":      {FrameBytes: 2},
		"no frame size":  {Frames: 100},
		"negative":       {FrameBytes: -2, Frames: 100},
		"more than 1GiB": {FrameBytes: 8, Frames: 1 << 28},
		"overflow":       {FrameBytes: 1 << 40, Frames: 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r, err := ring.New(o); err == nil {
				t.Fatalf("got a ring of %d frames", r.Capacity())
			}
		})
	}
}

func TestCapacityIsAPowerOfTwo(t *testing.T) {
	t.Parallel()
	for want, ask := range map[uint64]int{8: 1, 16: 9, 1024: 1024, 2048: 1025, 1 << 20: 960_000} {
		if got := newRing(t, ring.Options{FrameBytes: 2, Frames: ask}).Capacity(); got != want {
			t.Errorf("%d frames asked: capacity %d, want %d", ask, got, want)
		}
	}
}

func TestEveryFrameSizeKeepsItsNeighbours(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 3, 4, 6, 8, 9, 12, 24} {
		r := newRing(t, ring.Options{FrameBytes: size, Frames: 16})
		for i := range ring.Position(100) {
			r.Write(frames(size, i, 1))
			got := make([]byte, size*16)
			n, err := r.ReadAt(got, r.Oldest())
			if err != nil {
				t.Fatalf("frame size %d, after %d: %v", size, i, err)
			}
			if want := frames(size, r.Oldest(), n); !bytes.Equal(got[:len(want)], want) {
				t.Fatalf("frame size %d, after %d: got % x, want % x", size, i, got, want)
			}
		}
	}
}

func TestReadAtTellsEvictedFromNotYetFromTheEnd(t *testing.T) {
	t.Parallel()
	r := newRing(t, ring.Options{FrameBytes: 2, Frames: 8})
	r.Write(frames(2, 0, 20))
	dst := make([]byte, 4)
	for name, c := range map[string]struct {
		pos  ring.Position
		want error
	}{
		"evicted": {11, ring.ErrEvicted}, "oldest": {12, nil}, "newest": {19, nil},
		"next": {20, ring.ErrNotYet}, "far ahead": {1 << 40, ring.ErrNotYet},
	} {
		if n, err := r.ReadAt(dst, c.pos); !errors.Is(err, c.want) || (err == nil) != (n > 0) {
			t.Errorf("%s: got %d, %v, want %v", name, n, err, c.want)
		}
	}
	r.Close()
	if _, err := r.ReadAt(dst, 20); !errors.Is(err, io.EOF) {
		t.Errorf("after close: got %v, want EOF", err)
	}
	if n, err := r.ReadAt(dst, 19); n != 1 || err != nil {
		t.Errorf("last frame after close: got %d, %v", n, err)
	}
	if n := r.Write(frames(2, 0, 1)); n != 0 {
		t.Errorf("write after close took %d frames", n)
	}
}

func TestReaderSkipsAndCountsWhatItLost(t *testing.T) {
	t.Parallel()
	var told uint64
	r := newRing(t, ring.Options{FrameBytes: 2, Frames: 256, OnEvicted: func(name string, n uint64) {
		if name != "slow" {
			t.Errorf("told of %q", name)
		}
		told += n
	}})
	reader := r.NewReader("slow", 0)
	defer reader.Close()
	r.Write(frames(2, 0, 1000))
	_, err := reader.Read(make([]byte, 2000))
	var evicted *ring.EvictedError
	if !errors.As(err, &evicted) || !errors.Is(err, ring.ErrEvicted) {
		t.Fatalf("got %v, want an EvictedError", err)
	}
	if evicted.From != 0 || evicted.To < 1000-256 || evicted.To > 1000-256+4 {
		t.Errorf("lost %d to %d, want 0 to about %d", evicted.From, evicted.To, 1000-256)
	}
	n, err := reader.Read(make([]byte, 2000))
	if err != nil || evicted.Lost()+n != 1000 {
		t.Errorf("lost %d and read %d of 1000, %v", evicted.Lost(), n, err)
	}
	if s := reader.State(); s.Lost != evicted.Lost() || s.Overruns != 1 || s.Lag != 0 || told != s.Lost {
		t.Errorf("state %+v, callback told %d", s, told)
	}
}

func TestSilenceIsZeroAndCounts(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]uint64{"a few": 3, "over the edge": 12, "more than the ring": 1_000_003, "none": 0} {
		r := newRing(t, ring.Options{FrameBytes: 6, Frames: 16})
		r.Write(frames(6, 0, 13))
		r.WriteSilence(n)
		r.Write(frames(6, ring.Position(13).Add(n), 1))
		if r.Head() != ring.Position(14).Add(n) {
			t.Fatalf("%s: head %d, want %d", name, r.Head(), 14+n)
		}
		got := make([]byte, 6*16)
		count, err := r.ReadAt(got, r.Oldest())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range count {
			want := frames(6, r.Oldest().Add(i), 1)
			if pos := r.Oldest().Add(i); pos >= 13 && pos < ring.Position(13).Add(n) {
				want = make([]byte, 6)
			}
			if !bytes.Equal(got[i*6:][:6], want) {
				t.Errorf("%s: frame %d is % x, want % x", name, r.Oldest().Add(i), got[i*6:][:6], want)
			}
		}
	}
}

// readWait reads when there is something to read.
func readWait(ctx context.Context, reader *ring.Reader, dst []byte) (uint64, error) {
	if err := reader.Wait(ctx); err != nil {
		return 0, err
	}
	return reader.Read(dst)
}

func TestWaitWakesForFramesTheEndAndTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, ring.Options{FrameBytes: 2, Frames: 64})
		reader := r.NewReader("waits", 0)
		defer reader.Close()
		begin := time.Now()
		time.AfterFunc(42*time.Millisecond, func() { r.Write(frames(2, 0, 1)) })
		if n, err := readWait(t.Context(), reader, make([]byte, 64)); n != 1 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if late := time.Since(begin) - 42*time.Millisecond; late > 5*time.Millisecond {
			t.Errorf("noticed %v late", late)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := readWait(ctx, reader, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		time.AfterFunc(time.Second, r.Close)
		if _, err := readWait(t.Context(), reader, make([]byte, 64)); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
	})
}

func TestReadersAreListedWithTheirLag(t *testing.T) {
	t.Parallel()
	r := newRing(t, ring.Options{FrameBytes: 2, Frames: 64})
	a, b := r.NewReader("a", 0), r.NewReader("b", 30)
	defer b.Close()
	r.Write(frames(2, 0, 20))
	if r.Lag() != 20 || len(r.Readers()) != 2 || b.State().Lag != 0 {
		t.Errorf("lag %d, readers %+v", r.Lag(), r.Readers())
	}
	a.Close()
	if r.Lag() != 0 || len(r.Readers()) != 1 {
		t.Errorf("after close: lag %d, readers %+v", r.Lag(), r.Readers())
	}
}

// The ring against a plain slice that forgets nothing.
func TestRingBehavesLikeASlice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 12).Draw(t, "frame bytes")
		r, err := ring.New(ring.Options{FrameBytes: size, Frames: rapid.IntRange(1, 64).Draw(t, "frames")})
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		reader := r.NewReader("model", 0)
		pos, end := ring.Position(0), func() ring.Position { return ring.Position(len(all) / size) }
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				b := rapid.SliceOfN(rapid.Byte(), 0, 200*size).Draw(t, "block")
				n := r.Write(b)
				if n != uint64(len(b)/size) {
					t.Fatalf("took %d frames of %d bytes", n, len(b))
				}
				all = append(all, b[:int(n)*size]...)
			},
			"silence": func(t *rapid.T) {
				n := rapid.Uint64Range(0, 200).Draw(t, "frames")
				r.WriteSilence(n)
				all = append(all, make([]byte, int(n)*size)...)
			},
			"read": func(t *rapid.T) {
				dst := make([]byte, rapid.IntRange(0, 100*size).Draw(t, "bytes"))
				n, err := reader.Read(dst)
				var evicted *ring.EvictedError
				switch {
				case errors.As(err, &evicted):
					if evicted.From != pos || end().Sub(pos) <= r.Capacity() || n != 0 {
						t.Fatalf("at %d of %d: %v", pos, end(), err)
					}
					pos = evicted.To
				case errors.Is(err, ring.ErrNotYet):
					if pos != end() {
						t.Fatalf("not yet at %d of %d", pos, end())
					}
				case err != nil:
					t.Fatal(err)
				default:
					want := all[int(pos)*size:][:n*uint64(size)]
					if !bytes.Equal(dst[:len(want)], want) {
						t.Fatalf("at %d: got % x, want % x", pos, dst[:len(want)], want)
					}
					if n < uint64(len(dst)/size) && pos.Add(n) != end() {
						t.Fatalf("short read of %d at %d of %d", n, pos, end())
					}
					pos = pos.Add(n)
				}
			},
			"": func(t *rapid.T) {
				if head := r.Head(); head != end() {
					t.Fatalf("head %d, want %d", head, end())
				}
				if reader.Position() != pos {
					t.Fatalf("position %d, want %d", reader.Position(), pos)
				}
			},
		})
	})
}

// One writer as fast as it can, readers of different speed: every frame that a reader gets is the
// frame it asked for, and read plus lost is everything.
func TestStress(t *testing.T) {
	t.Parallel()
	total := uint64(500_000)
	if testing.Short() {
		total = 100_000
	}
	for name, size := range map[string]int{"16-bit mono": 2, "24-bit mono": 3, "float stereo": 8, "16-bit, 6 channels": 12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRing(t, ring.Options{FrameBytes: size, Frames: 4096})
			var readers sync.WaitGroup
			for i := range 3 {
				reader := r.NewReader("r", 0)
				readers.Go(func() {
					rng := rand.New(rand.NewPCG(1, uint64(i)))
					var read uint64
					dst := make([]byte, 700*size)
					want := make([]byte, size)
					for {
						pos := reader.Position()
						n, err := readWait(t.Context(), reader, dst[:(1+rng.IntN(699))*size])
						if errors.Is(err, io.EOF) {
							break
						}
						if err != nil && !errors.Is(err, ring.ErrEvicted) {
							t.Errorf("reader %d: %v", i, err)
							return
						}
						for k := range n {
							if frame(want, pos.Add(k)); !bytes.Equal(dst[k*uint64(size):][:size], want) {
								t.Errorf("reader %d: frame %d is wrong", i, pos.Add(k))
								return
							}
						}
						read += n
					}
					if s := reader.State(); read+s.Lost != total {
						t.Errorf("reader %d: read %d, lost %d, together not %d", i, read, s.Lost, total)
					}
					reader.Close()
				})
			}
			rng := rand.New(rand.NewPCG(2, 3))
			for written := uint64(0); written < total; {
				n := min(1+rng.Uint64N(600), total-written)
				r.Write(frames(size, ring.Position(written), n))
				written += n
			}
			r.Close()
			readers.Wait()
		})
	}
}

func TestNoAllocations(t *testing.T) {
	r := newRing(t, ring.Options{FrameBytes: 2, Frames: 1 << 16})
	reader := r.NewReader("r", 0)
	block, dst := frames(2, 0, 480), make([]byte, 960)
	if n := testing.AllocsPerRun(1000, func() {
		r.Write(block)
		if err := reader.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := reader.Read(dst); err != nil {
			t.Error(err)
		}
		r.WriteSilence(10)
		reader.Seek(r.Head())
		if _, err := reader.Read(dst); !errors.Is(err, ring.ErrNotYet) {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each block", n)
	}
}

// FuzzRing reads the input as a list of calls: two bytes each, what and how much.
func FuzzRing(f *testing.F) {
	f.Add(uint8(2), []byte{0, 10, 2, 5, 1, 200, 2, 20, 2, 255})
	f.Add(uint8(3), []byte{0, 255, 0, 255, 2, 9, 1, 1, 2, 1})
	f.Add(uint8(12), []byte{1, 0, 0, 0, 2, 0})
	f.Fuzz(func(t *testing.T, size uint8, calls []byte) {
		if size == 0 || size > 64 {
			t.Skip()
		}
		r := newRing(t, ring.Options{FrameBytes: int(size), Frames: 32})
		reader := r.NewReader("fuzz", 0)
		silent := map[ring.Position]bool{}
		dst, want := make([]byte, 256*int(size)), make([]byte, size)
		for len(calls) >= 2 {
			n := uint64(calls[1])
			switch head := r.Head(); calls[0] % 3 {
			case 0:
				r.Write(frames(int(size), head, n))
			case 1:
				r.WriteSilence(n)
				for i := range n {
					silent[head.Add(i)] = true
				}
			case 2:
				pos := reader.Position()
				got, err := reader.Read(dst[:n*uint64(size)])
				if err != nil && got != 0 {
					t.Fatalf("%d frames and %v", got, err)
				}
				for k := range got {
					if frame(want, pos.Add(k)); silent[pos.Add(k)] {
						clear(want)
					}
					if !bytes.Equal(dst[k*uint64(size):][:size], want) {
						t.Fatalf("frame %d is wrong", pos.Add(k))
					}
				}
			}
			if reader.Position() > r.Head() {
				t.Fatalf("reader at %d of %d", reader.Position(), r.Head())
			}
			calls = calls[2:]
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	for name, size := range map[string]int{"s16 mono": 2, "s24 mono": 3, "f32 stereo": 8} {
		b.Run(name+"/480 frames", func(b *testing.B) {
			r := newRing(b, ring.Options{FrameBytes: size, Frames: 1 << 16})
			block := frames(size, 0, 480)
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for b.Loop() {
				r.Write(block)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	r := newRing(b, ring.Options{FrameBytes: 2, Frames: 1 << 16})
	r.Write(frames(2, 0, 1<<16))
	dst := make([]byte, 960)
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadAt(dst, 1000); err != nil {
			b.Fatal(err)
		}
	}
}
