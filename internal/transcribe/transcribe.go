// Package transcribe is the use case of turning files, recordings and streams into text: it opens each input,
// transcribes it and passes the text to a sink as it is settled. If something fails or is interrupted, the text that
// was settled by then remains.
package transcribe

import (
	"context"
	"errors"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/text"
)

// Options say how inputs are transcribed. The zero value means the defaults of speech.Options and file.Options.
type Options struct {
	// Language is a code that the model knows; empty if the model should detect it.
	Language string
	// Translate asks for the text in English, whatever is spoken.
	Translate bool
	Effort    speech.Effort
	// Class says how urgent the work is, Client whose it is.
	Class  schedule.Class
	Client string
	// Cut places the borders of pieces; nil for the default.
	Cut      *segment.Options
	HotWords []string
	// Tokens asks for the tokens of each word, if the model gives probabilities.
	Tokens bool
	// Context is text whose spelling and style the model continues, if it can.
	Context string
	// File says how audio is decoded. The Transcriber sets Log and Panicked.
	File file.Options
	// Pair has a fast model work beside the one that makes the text; nil for none.
	Pair *Pair
	// Split transcribes each channel separately: the segments of the text name their channel.
	Split bool
	// From is where an interrupted transcription of the same input continues, and Saved receives what the next one needs, after
	// each piece: see speech.Options. Both are nil for none. They are not for Split.
	From  *speech.Checkpoint
	Saved func(speech.Checkpoint)
}

// Sink takes the texts of a run. Its methods are called from one goroutine at a time.
type Sink interface {
	// Settled receives the settled text of input i so far: more text may follow, none changes.
	Settled(ctx context.Context, i int, doc text.Document) error
	// Finish receives the complete text of input i.
	Finish(ctx context.Context, i int, doc text.Document) error
	// Abandon receives the text of input i that was settled when its transcription failed, and returns where it is
	// kept, for people; empty if that is a stream. The error is ErrNotTaken if it is nowhere.
	Abandon(ctx context.Context, i int, doc text.Document) (where string, err error)
	// Close completes an output that several inputs share.
	Close(ctx context.Context) error
}

// Watch has callbacks for the progress of a run; they may be nil.
type Watch struct {
	// Opened is called when the audio of input i can be read.
	Opened func(i int, info file.Info)
	// Progress is called after each piece of audio.
	Progress func(i int, p speech.Progress)
	// Ended is called when the work on input i is over, whether it succeeded or failed.
	Ended func(i int, r Result, err error)
}

// Result is the result for one input.
type Result struct {
	Input      Input
	Info       file.Info
	Transcript scout.Transcript
	TimeTaken  time.Duration
	// Settled is how much of the audio is text; the whole length if nothing failed.
	Settled time.Duration
	// Kept says where the text is that was settled before a failure; empty if nowhere.
	Kept string
	// Shown is true if the text that was settled before a failure went to a stream.
	Shown bool
}

// Transcriber transcribes with one recognizer. It is safe for concurrent use.
type Transcriber struct {
	scope      observe.Scope
	failures   *observe.Failures
	recognizer *recognize.Recognizer
	speech     *speech.Batch
	warnings   *metric.CounterVec
}

// New returns a transcriber over the recognizer, which stays the caller's.
func New(scope observe.Scope, failures *observe.Failures, recognizer *recognize.Recognizer) *Transcriber {
	return &Transcriber{
		scope: scope, failures: failures, recognizer: recognizer,
		speech: speech.New(scope, failures, recognizer.Engine),
		warnings: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_input_warnings_total", Help: "Warnings about the audio of inputs, by code: what is missing, and which tracks and channels were chosen.",
		}, []string{"code"})),
	}
}

// FailedError is returned by Run if inputs failed; Watch has received each of them.
type FailedError struct {
	// Failed of Total inputs are not, or not completely, text.
	Failed, Total int
	// Err joins their errors and Closing.
	Err error
	// Closing is the error of an output that inputs share, which Watch has not received; nil for none.
	Closing error
}

func (e *FailedError) Error() string { return e.Err.Error() }
func (e *FailedError) Unwrap() error { return e.Err }

// Run transcribes the inputs one after the other. A failed input does not stop the others, unless all would fail in the
// same way. The error is nil or a *FailedError; if ctx ended it has its code.
func (t *Transcriber) Run(ctx context.Context, inputs []Input, o Options, sink Sink, watch Watch) error {
	return each(ctx, inputs, sink, watch, func(i int) (Result, error) { return t.One(ctx, i, inputs[i], o, sink, watch) })
}

// each does the work on the inputs, as Run does.
func each(ctx context.Context, inputs []Input, sink Sink, watch Watch, one func(i int) (Result, error)) error {
	failed := FailedError{Total: len(inputs)}
	for i := range inputs {
		result, err := one(i)
		if watch.Ended != nil {
			watch.Ended(i, result, err)
		}
		if err == nil {
			continue
		}
		failed.Failed++
		failed.Err = errors.Join(failed.Err, err)
		if ctx.Err() != nil || stopsEverything(err) {
			failed.Failed = len(inputs) - i + failed.Failed - 1
			break
		}
	}
	closing, cancel := lasting(ctx)
	defer cancel()
	if failed.Closing = sink.Close(closing); failed.Closing != nil {
		failed.Failed, failed.Err = max(failed.Failed, 1), errors.Join(failed.Err, failed.Closing)
	}
	if failed.Err == nil {
		return nil
	}
	return &failed
}

// keepWithin limits how long text that existed when the run was interrupted may take to be written: a reader that hangs
// must not delay the end.
const keepWithin = 500 * time.Millisecond

// lasting returns ctx while it lasts; after that, existing text can still be written for a moment.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
}

// stopsEverything reports whether the next input would fail with the same error.
func stopsEverything(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeEngineMissing, scout.CodeModelCorrupt, scout.CodeModelUnsupported, scout.CodeEngineUnavailable, scout.CodeEngineStart, scout.CodeEngineLoadTimeout,
		scout.CodeInvalidAPIKey, scout.CodePermissionDenied, scout.CodeDaemonUnreachable, scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeModelLanguage: // of There
		return true
	}
	return Gone(err)
}

// errSinkGone marks an error of an output that all inputs share.
var errSinkGone = errors.New("the output takes no more text")

// Gone reports whether err is that of an output which takes no more text of any input.
func Gone(err error) bool { return errors.Is(err, errSinkGone) }

// ErrNotTaken says that a Sink has no place for the text of an input that failed.
var ErrNotTaken = errors.New("the text was not taken")

// One transcribes one input into the sink. Audio that is missing in the text is an error, returned after the text was
// passed on.
func (t *Transcriber) One(ctx context.Context, i int, in Input, o Options, sink Sink, watch Watch) (result Result, err error) {
	if o.Split {
		return t.apart(ctx, i, in, o, sink, watch)
	}
	began := time.Now()
	result.Input = in
	reader, err := t.open(ctx, in, o.File)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if watch.Opened != nil {
		watch.Opened(i, reader.Info())
	}
	doc := text.Document{File: in.Path, Transcript: scout.Transcript{Model: t.recognizer.Model.ID, Language: o.Language}}
	voted := o.Pair.vote(t.recognizer, &o)
	known, err := t.first(ctx, in, &o)
	if err != nil {
		return result, err
	}
	if voted != nil {
		voted.Words = known
	}
	transcribing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	transcript, err := t.speech.Transcribe(transcribing, reader, speech.Options{
		Model: t.recognizer.Model.ID, Language: o.Language, Translate: o.Translate, Trait: t.recognizer.Trait(), Effort: o.Effort, Cut: o.Cut, Class: o.Class, Client: o.Client, Parallel: t.recognizer.Parallel,
		Words: true, Tokens: o.Tokens, HotWords: o.HotWords, Context: o.Context, Vote: voted, From: o.From, Saved: o.Saved,
		Settled: func(s scout.Segment) {
			doc.Transcript.Segments = append(doc.Transcript.Segments, s)
			if err := sink.Settled(transcribing, i, doc); err != nil {
				stop(err) // nobody reads it any more
			}
		},
		Progress: func(p speech.Progress) {
			result.Settled = p.Done
			if watch.Progress != nil {
				watch.Progress(i, p)
			}
		},
	})
	if cause := context.Cause(transcribing); cause != nil && err != nil {
		err = cause
	}
	result.Info, result.TimeTaken = reader.Info(), time.Since(began)
	if transcript == nil {
		return result, err
	}
	transcript.Warnings = append(transcript.Warnings, result.Info.Warnings...)
	t.count(result.Info.Warnings)
	result.Transcript, result.Settled = *transcript, transcript.Duration
	doc.Transcript, doc.TimeTaken = *transcript, result.TimeTaken
	if err != nil {
		keeping, cancel := lasting(ctx)
		defer cancel()
		var keepErr error
		result.Kept, keepErr = sink.Abandon(keeping, i, doc)
		result.Shown = result.Kept == "" && keepErr == nil
		if errors.Is(keepErr, ErrNotTaken) {
			keepErr = nil // why was or will be reported
		}
		return result, errors.Join(err, keepErr)
	}
	if err := sink.Finish(ctx, i, doc); err != nil {
		return result, err
	}
	return result, Incomplete(transcript)
}

// count counts warnings about an input.
func (t *Transcriber) count(warnings []scout.Warning) {
	for i := range warnings {
		t.warnings.WithLabelValues(string(warnings[i].Code)).Inc()
	}
}

// Incomplete returns an error if audio of the input is not in the text: a *WarnedError if the warnings tell already what
// is missing.
func Incomplete(t *scout.Transcript) error {
	if n := len(t.SetAside); n > 0 {
		aside := t.SetAside[0]
		if n == 1 {
			return scout.Errorf(aside.Code, "no text from %s to %s: %s", printable.Length(aside.Start), printable.Length(aside.End), aside.Reason)
		}
		var missing time.Duration
		for _, a := range t.SetAside {
			missing += a.End - a.Start
		}
		return scout.Errorf(aside.Code, "no text for %s of it, in %d parts, the first from %s to %s: %s",
			printable.Length(missing), n, printable.Length(aside.Start), printable.Length(aside.End), aside.Reason)
	}
	if !t.Complete() {
		return &WarnedError{scout.Errorf(scout.CodeAudioCorrupt, "not all of the audio is in the text")}
	}
	return nil
}

// WarnedError is returned for an input whose warnings tell already what is missing in its text.
type WarnedError struct{ err error }

func (e *WarnedError) Error() string { return e.err.Error() }
func (e *WarnedError) Unwrap() error { return e.err }
