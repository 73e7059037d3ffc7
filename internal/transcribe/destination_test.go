package transcribe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// talk is so many segments of a long talk, with pauses of all lengths, empty texts and two channels.
func talk(segments int, channels bool) []scout.Segment {
	var all []scout.Segment
	at := time.Duration(0)
	for i := range segments {
		s := scout.Segment{Start: at, End: at + 4*time.Second, Text: fmt.Sprintf("Sentence %d of a long talk.", i)}
		if i%7 == 3 {
			s.Text = " \n"
		}
		if channels {
			s.Channel = []string{"left", "right"}[i/3%2]
		}
		at = s.End + time.Duration(i%6)*700*time.Millisecond
		all = append(all, s)
	}
	return all
}

// choppy writes no more than three bytes at once and fails every fifth time, as a full pipe does.
type choppy struct {
	bytes.Buffer
	calls int
}

var errChoppy = errors.New("busy")

func (c *choppy) Write(p []byte) (int, error) {
	if c.calls++; c.calls%5 == 0 && len(p) > 3 {
		n, _ := c.Buffer.Write(p[:3]) // a buffer takes all
		return n, errChoppy
	}
	return c.Buffer.Write(p)
}

func TestTextThatGrowsIsTheWholeText(t *testing.T) {
	t.Parallel()
	for name, channels := range map[string]bool{"one voice": false, "channels apart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out choppy
			inputs := []transcribe.Input{{Path: "a.wav"}, {Path: "b.wav"}}
			d, err := transcribe.Plan(transcribe.Target{Stdout: &out}, inputs)
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			for i := range inputs {
				doc := text.Document{File: inputs[i].Path}
				for _, s := range talk(100, channels) {
					doc.Transcript.Segments = append(doc.Transcript.Segments, s)
					if err := d.Settled(t.Context(), i, doc); err != nil && scout.CodeOf(err) == "" {
						t.Fatal(err)
					}
				}
				for err = d.Finish(t.Context(), i, doc); err != nil; {
					err = d.Finish(t.Context(), i, doc)
				}
				if i > 0 {
					want.WriteByte('\n')
				}
				fmt.Fprintf(&want, "==> %s <==\n", doc.File)
				if err := text.Write(&want, text.Plain, doc); err != nil {
					t.Fatal(err)
				}
			}
			if out.String() != want.String() {
				t.Errorf("got\n%s\nwant\n%s", out.String(), want.String())
			}
		})
	}
}

// A segment costs the same at the beginning of a talk and after twelve hours.
func TestTwelveHoursAreShownInLinearTime(t *testing.T) {
	segments := talk(10_000, false)
	d, err := transcribe.Plan(transcribe.Target{Stdout: &bytes.Buffer{}}, []transcribe.Input{{Path: "a.wav"}})
	if err != nil {
		t.Fatal(err)
	}
	cost := func(from, to int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for n := from; n < to; n++ {
			doc := text.Document{Transcript: scout.Transcript{Segments: segments[:n+1]}}
			if err := d.Settled(context.Background(), 0, doc); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	first := cost(0, 1000)
	cost(1000, 9000)
	if last := cost(9000, 10_000); last > 3*first+1<<20 {
		t.Errorf("the last thousand segments take %d bytes, the first thousand %d", last, first)
	}
}

// What an interrupted run left beside a file goes when the file is complete, unless it holds something else.
func TestPartialGoesWithTheCompleteText(t *testing.T) {
	t.Parallel()
	whole := text.Document{Transcript: scout.Transcript{Segments: talk(6, false)}}
	part := text.Document{Transcript: scout.Transcript{Segments: talk(3, false)}}
	target := func(dir string) transcribe.Target {
		return transcribe.Target{Output: filepath.Join(dir, "x.txt")}
	}
	for name, test := range map[string]struct {
		change func(path string) error // of what the interrupted run left
		gone   bool
	}{
		"as it was left":  {func(string) error { return nil }, true},
		"corrected":       {func(path string) error { return os.WriteFile(path, []byte("corrected"), 0o600) }, false},
		"longer":          {func(path string) error { return os.WriteFile(path, make([]byte, 1<<16), 0o600) }, false},
		"a folder":        {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, false},
		"deleted already": {os.Remove, true},
	} {
		for _, inputs := range [][]transcribe.Input{{{Path: "a.wav"}}, {{Path: "a.wav"}, {Path: "b.wav"}}} {
			t.Run(fmt.Sprint(name, ", ", len(inputs)), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				run := func(doc text.Document, interrupted bool) *transcribe.Destination {
					d, err := transcribe.Plan(target(dir), inputs)
					if err != nil {
						t.Fatal(err)
					}
					for i := range inputs {
						if i == len(inputs)-1 && interrupted {
							_, err = d.Abandon(t.Context(), i, doc)
						} else {
							err = d.Finish(t.Context(), i, whole)
						}
						if err != nil {
							t.Fatal(err)
						}
					}
					if err := d.Close(t.Context()); err != nil {
						t.Fatal(err)
					}
					return d
				}
				run(part, true)
				partial := filepath.Join(dir, "x.txt.partial")
				if _, err := os.Stat(partial); err != nil {
					t.Fatal(err)
				}
				if err := test.change(partial); err != nil {
					t.Fatal(err)
				}
				stale := run(whole, false).Stale()
				if _, err := os.Stat(partial); (err != nil) != test.gone {
					t.Errorf("it is gone: %v, want %v", err != nil, test.gone)
				}
				if told := len(stale) == 1 && stale[0] == partial; told == (test.gone || name == "a folder") {
					t.Errorf("told: %q", stale)
				}
			})
		}
	}
}
