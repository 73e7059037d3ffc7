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

// TestLoudest judges what was said last against the rest of a piece, as the open piece of a cutter and as a piece.
func TestLoudest(t *testing.T) {
	t.Parallel()
	talk := bursts(5, 4, rhythm{1e6, 0}, loudness{0.1, 0.0005})
	room := bursts(6, 1, rhythm{0, 1}, loudness{0, 0.0005})
	word := bursts(8, 0.1, rhythm{1e6, 0}, loudness{0.1, 0.0005})
	for situation, c := range map[string]struct {
		in   []float32
		from int
		want segment.EdgeKind
	}{
		"nothing came":                  {talk, len(talk), segment.EdgePause},
		"a pause":                       {slices.Concat(talk, room), len(talk), segment.EdgePause},
		"a pause, and a word behind it": {slices.Concat(talk, room, word), len(talk), segment.EdgeSpeech},
		"a word, and a pause behind it": {slices.Concat(talk, room, word, room), len(talk) + len(room), segment.EdgeSpeech},
		"talk goes on":                  {talk, len(talk) - rate/2, segment.EdgeSpeech},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			cutter, err := segment.New(segment.Defaults(), func(segment.Piece) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if err := cutter.Write(c.in); err != nil {
				t.Fatal(err)
			}
			if got := cutter.Loudest(int64(c.from)); got.Kind != c.want {
				t.Errorf("open piece: %+v, want %v", got, c.want)
			}
			if got := (segment.Piece{Samples: c.in}).Loudest(int64(c.from)); got.Kind != c.want {
				t.Errorf("piece: %+v, want %v", got, c.want)
			}
		})
	}
}

// TestTail takes the end of a piece, from the quietest point of a stretch on.
func TestTail(t *testing.T) {
	t.Parallel()
	talk := func(seconds float64) []float32 { return bursts(5, seconds, rhythm{1e6, 0}, loudness{0.1, 0.0005}) }
	room := bursts(6, 0.4, rhythm{0, 1}, loudness{0, 0.0005})
	p := segment.Piece{Start: 5 * rate, Before: rate, Samples: slices.Concat(talk(1), talk(3), room, talk(3))}
	end, ok := p.Tail(p.From()+2*time.Second, p.From()+4*time.Second)
	if !ok || end.End() != p.End() || end.Before != 0 || end.From() < p.From()+3*time.Second || end.From() > p.From()+3400*time.Millisecond {
		t.Errorf("the end is from %v to %v, %v", end.From(), end.To(), ok)
	}
	if !slices.Equal(end.Samples, p.Samples[len(p.Samples)-len(end.Samples):]) {
		t.Error("it has other audio")
	}
	if end, ok := p.Tail(p.From(), p.From()+time.Second); ok {
		t.Errorf("there is no room for a quiet point at the beginning: %v", end.From())
	}
	if end, ok := p.Tail(p.From()+4*time.Second, p.From()+2*time.Second); ok {
		t.Errorf("an end between two times of which the later is the first: %v", end.From())
	}
}

// TestCutAt ends pieces where it is told to, between those that it finds by itself. No frame is lost, and none is in two pieces.
func TestCutAt(t *testing.T) {
	t.Parallel()
	var pieces []segment.Piece
	c, err := segment.New(segment.Defaults(), func(p segment.Piece) error {
		pieces = append(pieces, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	samples := bursts(5, 40, rhythm{1, 0.3}, loudness{0.1, 0.0005})
	for at := 0; at < len(samples); at += rate {
		if err := c.Write(samples[at : at+rate]); err != nil {
			t.Fatal(err)
		}
		open := c.Open()
		switch at / rate {
		case 3, 4, 20:
			want := open.Start + int64(rate)/2 + 7
			if cut, err := c.CutAt(want); !cut || err != nil || pieces[len(pieces)-1].End() != want-want%(rate/100) {
				t.Errorf("at %d s: %v, %v, %d pieces", at/rate, cut, err, len(pieces))
			}
		case 6: // before the piece, at its beginning, and beyond the end
			for _, frame := range []int64{open.Start - rate, open.Start, int64(at + 2*rate)} {
				if cut, err := c.CutAt(frame); cut || err != nil {
					t.Errorf("a cut at %d: %v, %v", frame, cut, err)
				}
			}
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for _, p := range pieces {
		if p.Start != end || !slices.Equal(p.Core(), samples[p.Start:p.End()]) {
			t.Errorf("a piece from %d to %d after one that ends at %d", p.Start, p.End(), end)
		}
		end = p.End()
	}
	if end != int64(len(samples)) {
		t.Errorf("the last piece ends at %d of %d", end, len(samples))
	}
	if cut, err := c.CutAt(end); cut || err != nil {
		t.Errorf("after the end: %v, %v", cut, err)
	}
}
