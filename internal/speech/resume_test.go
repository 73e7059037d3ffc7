package speech_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// listening answers with the words of a tape, of which one piece cannot be decoded.
func listening(timed bool) *listener {
	return &listener{timed: timed, fault: func(from, to int) (*scout.Hypothesis, error) {
		if at := 45 * rate; from <= at && at < to {
			return nil, scout.Errorf(scout.CodeAudioSetAside, "ended twice")
		}
		return nil, nil
	}}
}

// TestGoOnFromEveryCheckpoint interrupts a transcription after each of its pieces, stores the checkpoint as JSON, and
// continues from it. The transcript equals that of an uninterrupted transcription, and no segment is handed out twice.
func TestGoOnFromEveryCheckpoint(t *testing.T) {
	t.Parallel()
	for name, timed := range map[string]bool{"words with times": true, "words without times": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := func() *tape { return &tape{frames: 300 * wordFrames, block: 999} } // two minutes
			options := speech.Options{Model: "m", Language: "en", Words: true}
			var saved [][]byte
			options.Saved = func(c speech.Checkpoint) {
				text, err := json.Marshal(c)
				if err != nil {
					t.Error(err)
				}
				saved = append(saved, text)
			}
			var emitted []scout.Segment
			options.Settled = func(s scout.Segment) { emitted = append(emitted, s) }
			tr, _ := transcriber(listening(timed))
			whole, err := tr.Transcribe(t.Context(), source(), options)
			if err != nil {
				t.Fatal(err)
			}
			if len(saved) < 8 || len(whole.SetAside) != 1 {
				t.Fatalf("%d checkpoints, %+v set aside: nothing to interrupt", len(saved), whole.SetAside)
			}
			if !reflect.DeepEqual(emitted, whole.Segments) {
				t.Error("the segments that were handed out are not those of the transcript")
			}
			for i, text := range saved {
				var from speech.Checkpoint
				if err := json.Unmarshal(text, &from); err != nil {
					t.Fatal(err)
				}
				before := len(from.Segments)
				again := speech.Options{Model: "m", Language: "en", Words: true, From: &from, Parallel: 2}
				var rest []scout.Segment
				again.Settled = func(s scout.Segment) { rest = append(rest, s) }
				l := listening(timed)
				tr, _ := transcriber(l)
				got, err := tr.Transcribe(t.Context(), source(), again)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, whole) {
					t.Fatalf("behind piece %d of %d:\ngot  %s\nwant %s", i, len(saved), got.Text(), whole.Text())
				}
				if !reflect.DeepEqual(rest, append([]scout.Segment(nil), whole.Segments[before:]...)) {
					t.Fatalf("behind piece %d: %d segments handed out, want the %d behind the checkpoint", i, len(rest), len(whole.Segments)-before)
				}
				if most := int64(2 * (len(saved) - i)); l.calls.Load() > most {
					t.Errorf("behind piece %d: %d requests, want at most %d", i, l.calls.Load(), most)
				}
			}
		})
	}
}

func TestCheckpointOfSomethingElse(t *testing.T) {
	t.Parallel()
	var last speech.Checkpoint
	tr, _ := transcriber(&listener{})
	if _, err := tr.Transcribe(t.Context(), &tape{frames: 40 * rate}, speech.Options{Model: "m", Saved: func(c speech.Checkpoint) { last = c }}); err != nil {
		t.Fatal(err)
	}
	fixed := segment.Defaults()
	fixed.Strategy = segment.Fixed
	newer := last
	newer.Version++
	for name, test := range map[string]struct {
		options speech.Options
		frames  int
	}{
		"another model":    {speech.Options{Model: "n", From: &last}, 40 * rate},
		"another language": {speech.Options{Model: "m", Language: "de", From: &last}, 40 * rate},
		"other cuts":       {speech.Options{Model: "m", Cut: &fixed, From: &last}, 40 * rate},
		"another version":  {speech.Options{Model: "m", From: &newer}, 40 * rate},
		"shorter audio":    {speech.Options{Model: "m", From: &last}, 20 * rate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, _ := transcriber(&listener{})
			if _, err := tr.Transcribe(t.Context(), &tape{frames: test.frames}, test.options); scout.CodeOf(err) != scout.CodeInvalidArgument {
				t.Fatalf("%v: want %s", err, scout.CodeInvalidArgument)
			}
		})
	}
}

// TestTextComesPieceByPiece checks that text does not wait for the end: while a piece is decoded, the caller has all
// text except that of the few pieces in the pipeline.
func TestTextComesPieceByPiece(t *testing.T) {
	t.Parallel()
	var settled atomic.Int64
	l := &listener{timed: true}
	l.fault = func(from, _ int) (*scout.Hypothesis, error) {
		if behind := segment.Duration(int64(from)) - time.Duration(settled.Load()); behind > 50*time.Second {
			t.Errorf("%v of audio are decoded but not handed out", behind)
		}
		return nil, nil
	}
	progress := speech.Progress{}
	tr, _ := transcriber(l)
	_, err := tr.Transcribe(t.Context(), &tape{frames: 300 * rate}, speech.Options{
		Length:   300 * time.Second,
		Settled:  func(s scout.Segment) { settled.Store(int64(s.End)) },
		Progress: func(p speech.Progress) { progress = p },
	})
	if err != nil {
		t.Fatal(err)
	}
	if progress.Done != 300*time.Second || progress.Total != 300*time.Second || progress.Words != 750 {
		t.Errorf("%+v at the end", progress)
	}
}

// TestCancelLeavesWhatIsFinished cancels a transcription: the text so far comes with the error, each word once and none
// cut through, and all of it was handed out.
func TestCancelLeavesWhatIsFinished(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var emitted []scout.Segment
	tr, _ := transcriber(&listener{timed: true})
	got, err := tr.Transcribe(ctx, &tape{frames: 200 * rate}, speech.Options{
		Words:   true,
		Settled: func(s scout.Segment) { emitted = append(emitted, s) },
		Progress: func(p speech.Progress) {
			if p.Done > 30*time.Second {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || got == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.Duration <= 30*time.Second || got.Duration >= 200*time.Second || !reflect.DeepEqual(got.Segments, emitted) {
		t.Fatalf("%v transcribed, %d segments of which %d were handed out", got.Duration, len(got.Segments), len(emitted))
	}
	words := int(got.Duration * rate / time.Second / wordFrames)
	if want := script(words); got.Text() != want && got.Text() != script(words+1) {
		t.Fatalf("up to %v\ngot  %s\nwant %s", got.Duration, got.Text(), want)
	}
}
