package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Transcriber turns speech files into text.
type Transcriber interface {
	// Transcribe transcribes the files one after another, without a pause between them, as if they were one. It is not
	// called again before it has returned.
	Transcribe(ctx context.Context, files []string) (Heard, error)
}

// Heard is what a Transcriber returns.
type Heard struct {
	// Text is what was said, written in any way.
	Text string
	// Audio is the length of all files together; it is used after a failure too, if it is known.
	Audio time.Duration
	// Decodes are the times of the single engine requests.
	Decodes []time.Duration
	// Words are the words with a probability, in order; empty if the model gives no probabilities.
	Words []HeardWord
}

// Mode is how clips are passed to the transcriber.
type Mode string

const (
	// Each passes every clip alone.
	Each Mode = "each"
	// Joined passes all clips at once, without a pause between them: every cut has to be found.
	Joined Mode = "joined"
	// Hour is Joined, repeated until an hour is full: for memory.
	Hour Mode = "hour"
)

// joinedName names the one file of a report in the modes Joined and Hour.
const joinedName = "(joined)"

// Options say how a run is made.
type Options struct {
	// Dir is the folder of the manifest.
	Dir string
	// LongOnly leaves out clips of at most LongAudio. It needs Length.
	LongOnly bool
	// Length returns the length of a clip without transcribing it. Hour and LongOnly need it.
	Length func(ctx context.Context, file string) (time.Duration, error)
	// WarmUp transcribes the first clip once before the clock runs, so that loading a model is not measured. Memory is
	// measured during it.
	WarmUp bool
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Progress, if set, is called before each clip and once at the end with done == total.
	Progress func(done, total int, file string)
	// Watch measures the memory of this process and its descendants.
	Watch bool
	// Setup is copied into the report; its mode decides how the clips are passed (empty means Each).
	Setup Setup
}

// Run transcribes the clips, one at a time, and compares the text with the references. A clip that fails becomes a line
// in the report. Run fails if ctx ends or no clip is left to measure.
func Run(ctx context.Context, t Transcriber, entries []Entry, o Options) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	if o.Setup.Mode == "" {
		o.Setup.Mode = Each
	}
	clips, err := plan(ctx, entries, o)
	if err != nil {
		return nil, err
	}
	var watch *MemoryWatch
	if o.Watch {
		watch = StartMemory(os.Getpid())
		defer watch.Stop()
	}
	if o.WarmUp {
		if _, err := t.Transcribe(ctx, clips[0].paths[:1]); err != nil && ctx.Err() != nil {
			return nil, scout.Errorf(scout.CodeCancelled, "benchmark: %w", err)
		}
	}
	r := &Report{Schema: schema, Started: o.Now().UTC(), Setup: o.Setup}
	var decodes []time.Duration
	var words []judged
	for i, c := range clips {
		o.Progress(i, len(clips), c.name)
		began := o.Now()
		heard, err := t.Transcribe(ctx, c.paths)
		took := o.Now().Sub(began)
		if ctx.Err() != nil {
			return nil, scout.Errorf(scout.CodeCancelled, "benchmark stopped at %s: %w", c.name, errors.Join(ctx.Err(), err))
		}
		if err == nil {
			decodes = append(decodes, heard.Decodes...)
			if o.Setup.Mode != Hour { // only memory matters there, and this takes the square of the length
				words = append(words, judgeWords(c.written, heard.Words)...)
			}
		}
		r.Files = append(r.Files, c.judge(heard, took, err))
	}
	o.Progress(len(clips), len(clips), "")
	r.Decodes = SpreadOf(decodes)
	r.Confidence = confidenceOf(words)
	if watch != nil {
		m := watch.Stop()
		r.Memory = &m
	}
	r.sum()
	return r, nil
}

// clip is transcribed at once.
type clip struct {
	name      string
	paths     []string
	reference []string // normalised words
	written   []string // the words of the reference as written
}

// plan makes clips of the entries.
func plan(ctx context.Context, entries []Entry, o Options) ([]clip, error) {
	if (o.LongOnly || o.Setup.Mode == Hour) && o.Length == nil {
		return nil, scout.Errorf(scout.CodeInternal, "benchmark: no way to learn the length of clips")
	}
	var clips []clip
	var total time.Duration
	for _, e := range entries {
		c := clip{name: e.File, paths: []string{filepath.Join(o.Dir, e.File)}, reference: Words(e.Reference), written: strings.Fields(e.Reference)}
		if o.Length != nil {
			length, err := o.Length(ctx, c.paths[0])
			switch {
			case ctx.Err() != nil:
				return nil, scout.Errorf(scout.CodeCancelled, "benchmark: %w", ctx.Err())
			case err != nil && (o.LongOnly || o.Setup.Mode != Each):
				return nil, scout.Errorf(scout.CodeOf(err), "benchmark: length of %s: %w", e.File, err)
			case err == nil && o.LongOnly && length <= LongAudio:
				continue
			case err == nil:
				total += length
			}
		}
		clips = append(clips, c)
	}
	if len(clips) == 0 {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "no clip is longer than %v", LongAudio)
	}
	switch o.Setup.Mode {
	case Each:
		return clips, nil
	case Joined:
		return []clip{join(clips, 1)}, nil
	case Hour:
		if total <= 0 {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "the clips hold no audio")
		}
		return []clip{join(clips, int((time.Hour+total-1)/total))}, nil
	}
	return nil, scout.Errorf(scout.CodeInvalidArgument, "unknown mode %q", string(o.Setup.Mode))
}

// join makes one clip of all clips, repeated.
func join(clips []clip, times int) clip {
	all := clip{name: joinedName}
	for range times {
		for _, c := range clips {
			all.paths = append(all.paths, c.paths...)
			all.reference = append(all.reference, c.reference...)
			all.written = append(all.written, c.written...)
		}
	}
	return all
}

// judge compares the result with the reference.
func (c clip) judge(heard Heard, took time.Duration, err error) File {
	f := File{
		File: c.name, Audio: heard.Audio.Seconds(), Took: took.Seconds(), Reference: strings.Join(c.reference, " "),
	}
	f.Characters.Reference = utf8.RuneCountInString(f.Reference)
	if err != nil {
		f.Error = &FileError{scout.CodeOf(err), scout.Plain(err)}
		f.Words = CountEdits(c.reference, nil)
		f.Characters.Errors = f.Characters.Reference
		return f
	}
	words := Words(heard.Text)
	f.Text = strings.Join(words, " ")
	f.Words = CountEdits(c.reference, words)
	f.Characters.Errors = Distance(f.Reference, f.Text)
	return f
}
