package segment_test

import (
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/speech/segment"
)

// TestPauseEndsAPiece ends pieces in pauses as soon as they are heard: no frame is lost, pieces that are long enough end
// there, and neither short pieces nor speech without a pause are cut.
func TestPauseEndsAPiece(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		rhythm rhythm
		least  time.Duration
		early  bool // pieces end in pauses before the window is full
	}{
		"long pauses":              {rhythm{7, 1.5}, time.Second, true},
		"pauses that are shorter":  {rhythm{7, 0.5}, time.Second, false},
		"speech without a pause":   {rhythm{1e6, 0}, time.Second, false},
		"pauses after two seconds": {rhythm{2, 1.5}, time.Second, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			in := bursts(5, 40, c.rhythm, loudness{0.1, 0.0002})
			var pieces []segment.Piece
			cutter, err := segment.New(segment.Defaults(), func(p segment.Piece) error { pieces = append(pieces, p); return nil })
			if err != nil {
				t.Fatal(err)
			}
			early := false
			for block := range slices.Chunk(in, 1600) {
				if err := cutter.Write(block); err != nil {
					t.Fatal(err)
				}
				ended, err := cutter.Pause(c.least)
				if err != nil {
					t.Fatal(err)
				}
				early = early || ended
				if ended {
					last := pieces[len(pieces)-1]
					if open := cutter.Open(); last.Frames() < 6*rate || last.Right.Kind != segment.EdgePause || open.Frames() < rate/2 || open.Before != 0 {
						t.Fatalf("a piece of %d frames ends in %v, %d frames follow", last.Frames(), last.Right.Kind, open.Frames())
					}
				}
			}
			if err := cutter.Close(); err != nil {
				t.Fatal(err)
			}
			if early != c.early {
				t.Errorf("ended in a pause: %v, want %v", early, c.early)
			}
			at := int64(0)
			for _, p := range pieces {
				if p.Start != at || !slices.Equal(p.Core(), in[at:p.End()]) {
					t.Fatalf("a piece begins at %d, want %d", p.Start, at)
				}
				at = p.End()
			}
			if at != int64(len(in)) {
				t.Errorf("pieces reach to %d of %d", at, len(in))
			}
			if ended, err := cutter.Pause(c.least); ended || err != nil {
				t.Errorf("after the end: %v, %v", ended, err)
			}
		})
	}
}
