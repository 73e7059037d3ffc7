package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// Transcriber turns speech files into text.
type Transcriber interface {
	// Transcribe transcribes the files of a clip one after another, without a pause between them, as if they were one. It is not
	// called again before it has returned.
	Transcribe(ctx context.Context, clip Clip) (Heard, error)
}

// Clip is what a Transcriber transcribes at once.
type Clip struct {
	Files []string
	// Language is a code; empty if the transcriber has to find it out.
	Language string
}

// Heard is what a Transcriber returns.
type Heard struct {
	// Text is what was said, written in any way. With an error it is the text of what could be transcribed.
	Text string
	// Audio is the length of all files together; it is used after a failure too, if it is known.
	Audio time.Duration
	// Language is the code of what was spoken, as far as the transcriber knows.
	Language string
	// CPU is the processor time of the engine; 0 if it is not known.
	CPU time.Duration
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

// AutoLanguage lets the transcriber find out what is spoken.
const AutoLanguage = "auto"

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
	// Normaliser says how texts are compared; default NormaliserScout.
	Normaliser Normaliser
	// Language is told to the transcriber for every clip, instead of that of the manifest. AutoLanguage lets it find out.
	Language string
	// Peer, if set, transcribes each clip directly afterwards, for comparison. It needs the mode Each.
	Peer      Transcriber
	PeerSetup Setup
	// PeerPID is the process of the peer, whose memory is measured apart; 0 for none.
	PeerPID int
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
	if o.Normaliser == "" {
		o.Normaliser = NormaliserScout
	}
	if o.Peer != nil && o.Setup.Mode != Each {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "a peer transcribes each clip alone: it cannot be measured with joined clips")
	}
	clips, err := plan(ctx, entries, o)
	if err != nil {
		return nil, err
	}
	var watch, peerWatch *MemoryWatch
	if o.Watch {
		watch = StartMemory(os.Getpid(), o.PeerPID)
		defer watch.Stop()
	}
	if o.Watch && o.PeerPID > 0 {
		peerWatch = StartMemory(o.PeerPID)
		defer peerWatch.Stop()
	}
	if o.WarmUp {
		for _, t := range []Transcriber{t, o.Peer} {
			if t == nil {
				continue
			}
			if _, err := t.Transcribe(ctx, Clip{clips[0].paths[:1], clips[0].told}); err != nil && ctx.Err() != nil {
				return nil, scout.Errorf(scout.CodeCancelled, "benchmark: %w", err)
			}
		}
	}
	r := &Report{Schema: schema, Started: o.Now().UTC(), Setup: o.Setup}
	if o.Peer != nil {
		r.Peer = &Report{Schema: schema, Started: r.Started, Setup: o.PeerSetup}
	}
	var decodes []time.Duration
	var words []judged
	for i, c := range clips {
		o.Progress(i, len(clips), c.name)
		began := o.Now()
		heard, err := t.Transcribe(ctx, Clip{c.paths, c.told})
		took := o.Now().Sub(began)
		if o.Peer != nil && ctx.Err() == nil {
			began := o.Now()
			heard, err := o.Peer.Transcribe(ctx, Clip{c.paths, c.told})
			r.Peer.Files = append(r.Peer.Files, c.judge(heard, o.Now().Sub(began), err))
		}
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
	if peerWatch != nil {
		m := peerWatch.Stop()
		r.Peer.Memory = &m
	}
	r.sum()
	if r.Peer != nil {
		r.Peer.sum()
		c := r.Against(r.Peer)
		r.AgainstPeer = &c
	}
	return r, nil
}

// clip is transcribed at once.
type clip struct {
	name      string
	paths     []string
	language  string   // spoken; empty if the manifest does not say
	told      string   // to the transcriber
	reference []string // units
	written   []string // the words of the reference as written

	normaliser Normaliser
}

// plan makes clips of the entries.
func plan(ctx context.Context, entries []Entry, o Options) ([]clip, error) {
	if (o.LongOnly || o.Setup.Mode == Hour) && o.Length == nil {
		return nil, scout.Errorf(scout.CodeInternal, "benchmark: no way to learn the length of clips")
	}
	var clips []clip
	var total time.Duration
	for _, e := range entries {
		c := clip{name: e.File, paths: []string{filepath.Join(o.Dir, e.File)}, language: e.Language, normaliser: o.Normaliser, written: strings.Fields(e.Reference)}
		switch o.Language {
		case "":
			c.told = e.Language
		case AutoLanguage:
		default:
			c.told = o.Language
			c.language = o.Language
		}
		c.reference = o.Normaliser.Units(e.Reference, c.language)
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
	all := clip{name: joinedName, language: clips[0].language, told: clips[0].told, normaliser: clips[0].normaliser}
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
		File: c.name, Audio: heard.Audio.Seconds(), Took: took.Seconds(), CPU: heard.CPU.Seconds(), Reference: strings.Join(c.reference, " "),
		Language: c.language, Heard: heard.Language,
	}
	unit := CountedIn(c.language)
	if unit != InWords {
		f.Unit = unit
	}
	var units []string
	if err == nil || heard.Text != "" { // a part of it may have no text
		units = c.normaliser.Units(heard.Text, c.language)
		f.Text = strings.Join(units, " ")
		f.Repeated = repeatedIn(c.reference, units)
	}
	if err != nil {
		f.Error = &FileError{scout.CodeOf(err), scout.Plain(err)}
	}
	f.Words = CountEdits(c.reference, units)
	f.Characters = charactersOf(c.reference, units, unit)
	return f
}
