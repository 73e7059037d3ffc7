package recording_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
)

// moody is a recorder whose connections break, skip and repeat at random, but never lie.
type moody struct {
	random *rand.Rand
	writer *recording.Writer
	end    <-chan struct{} // closed when the recording ended
	asked  int
}

type moodyStream struct {
	*moody
	pos    uint64
	closed chan struct{}
}

func (m *moody) Listen(_ context.Context, _ recording.ID, from scout.Position) (recording.LiveStream, error) {
	m.asked++
	if m.random.IntN(4) == 0 {
		return nil, scout.Errorf(scout.CodeRecorderUnreachable, "not now")
	}
	return &moodyStream{moody: m, pos: uint64(from), closed: make(chan struct{})}, nil
}

func (s *moodyStream) Next() (recording.LivePart, error) {
	for s.writer.Frames() <= s.pos {
		select {
		case <-s.end:
			return recording.LivePart{}, io.EOF
		case <-s.closed:
			return recording.LivePart{}, io.ErrClosedPipe
		case <-time.After(5 * time.Millisecond):
		}
	}
	switch s.random.IntN(10) {
	case 0:
		return recording.LivePart{}, io.ErrUnexpectedEOF
	case 1: // it was too slow
		s.pos += uint64(s.random.Int64N(int64(s.writer.Frames()-s.pos) + 1))
		return recording.LivePart{Position: scout.Position(s.pos)}, nil
	case 2: // it sends some again
		s.pos -= min(s.pos, uint64(s.random.Int64N(200)))
	}
	n := min(1+uint64(s.random.Int64N(500)), s.writer.Frames()-s.pos)
	block := make([]byte, int(n)*speech.FrameBytes())
	recordingtest.Coded(block, speech.FrameBytes(), s.pos)
	part := recording.LivePart{Position: scout.Position(s.pos), Frames: block}
	s.pos += n
	return part, nil
}

func (s *moodyStream) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func TestFollowGivesEveryFrameOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, seed))
			folder, _ := openFolder(t)
			w := create(t, folder, speech)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				device := rand.New(rand.NewPCG(5, seed))
				for range 100 {
					write(t, w, device.IntN(800))
					time.Sleep(time.Duration(device.IntN(30)) * time.Millisecond)
				}
				finish(t, w)
			}()
			options := recording.FollowOptions{From: scout.Position(random.IntN(3000))}
			live := &moody{random: rand.New(rand.NewPCG(4, seed)), writer: w, end: ended}
			if seed%5 != 0 {
				options.Live = live
			}
			f, err := folder.Follow(w.ID(), options)
			if err != nil {
				t.Fatal(err)
			}
			pos := options.From
			for {
				block, err := f.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if block.Position != pos || len(block.Frames) == 0 {
					t.Fatalf("seed %d: %d bytes at %d, want frames at %d", seed, len(block.Frames), block.Position, pos)
				}
				if at, differs := recordingtest.FirstDifference(block.Frames, speech.FrameBytes(), uint64(pos)); differs {
					t.Fatalf("seed %d: frame %d is another", seed, at)
				}
				pos = pos.Add(uint64(len(block.Frames) / speech.FrameBytes()))
			}
			<-ended
			if want := max(scout.Position(w.Frames()), options.From); pos != want {
				t.Errorf("seed %d: ended at %d, want %d", seed, pos, want)
			}
			if options.Live != nil && live.asked == 0 {
				t.Errorf("seed %d: the recorder was never asked", seed)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder, _ := openFolder(t)
		w := create(t, folder, speech)
		f, err := folder.Follow(w.ID(), recording.FollowOptions{Live: &moody{random: rand.New(rand.NewPCG(1, 1)), writer: w}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := f.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next = %v", err)
		}
		finish(t, w)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFollowWaitsForARecoveredRecordingToGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder, _ := openFolder(t)
		id := crashed(t, folder, speech)
		f, err := folder.Follow(id, recording.FollowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute) // a crash alone ends nothing
			repair(t, folder)
			time.Sleep(time.Second)
			w, err := folder.Resume(id)
			if err != nil {
				t.Error(err)
				return
			}
			write(t, w, 500)
			time.Sleep(time.Minute)
			finish(t, w)
		}()
		var pos scout.Position
		for {
			block, err := f.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			pos = pos.Add(uint64(len(block.Frames) / speech.FrameBytes()))
		}
		if pos != 1500 {
			t.Errorf("ended at %d, want 1500", pos)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}
