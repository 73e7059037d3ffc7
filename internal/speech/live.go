package speech

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// LiveOptions say how a stream is transcribed. The zero value of a field means the default beside it.
//
// The callbacks are called one at a time, in order, from inside Run, and never after Run has returned. They may be nil.
// They must not call the Live. A callback that blocks delays the text, but no audio is lost.
type LiveOptions struct {
	// Model and Language are written into the state. Language is the ISO 639-1 code spoken, empty for the model's
	// default.
	Model    string
	Language string
	// Trait is what is special about the model.
	Trait    Trait
	HotWords []string
	// Tokens asks for the tokens of each word, if the model gives probabilities.
	Tokens bool
	// Recorded reads audio back that Live does not hold. Required.
	Recorded Recorded
	// From is where an interrupted transcription of the same recording continues, nil for its beginning.
	From *LiveState
	// Context is sound at the beginning of the recording that is text already. It does nothing with From.
	Context Context
	// Cut places the borders of pieces; nil means those of Trait.
	Cut *segment.Options
	// Commit, Rhythm and Pause are DefaultCommitRule, DefaultRhythm and DefaultPauses if they are zero.
	Commit CommitRule
	Rhythm Rhythm
	Pause  Pauses
	// Lanes is how many decodes may run at the same time while somebody waits for the text after a stop; default 1. More than
	// the recognizer and the processors run gains nothing.
	Lanes int
	// Client is whose sound it is, where it comes from a client; empty for the microphone. What comes from clients is decoded after what
	// comes from the microphone, and clients share the engine.
	Client string
	// Ease is asked, from any goroutine, by how much the work is to be reduced now; nil for EaseNothing.
	Ease func() Ease

	Partial   func(LivePartial)
	Committed func(LiveCommitted)
	Owed      func(LiveOwed)
	// Heard is told up to where the audio was decoded provisionally or for good, or is silent, after what came of it.
	Heard func(to time.Duration)
}

// stopClass is the class of the requests that somebody waits for after a stop.
func (o *LiveOptions) stopClass() schedule.Class {
	if o.Client != "" {
		return schedule.Stream
	}
	return schedule.Dictation
}

// cut is that of an interrupted transcription where it continues one, whatever suits the model by now.
func (o *LiveOptions) cut() segment.Options {
	switch {
	case o.Cut != nil:
		return *o.Cut
	case o.From != nil:
		return o.From.Cut
	case o.Trait.LiveCut != nil:
		return *o.Trait.LiveCut
	}
	return segment.Defaults()
}

// Context is sound that is text already and is heard again with what follows it, as long as that is short: a model knows a stretch of a word or
// two badly. Its words are not told again. The zero value is none. Measured: docs/adr/0107-realtime.md.
type Context struct {
	// Frames is how long it is. Of more than a piece has room for, only the end is heard.
	Frames int64
	// Words are those of the sound, with times from its beginning.
	Words []scout.Word
}

// length is how long the sound is.
func (c *Context) length() time.Duration { return segment.Duration(c.Frames) }

// Recorded is a recording on disk as canonical audio: 16 kHz mono in [-1, 1].
type Recorded interface {
	// ReadAt fills dst with the frames from position at on. It blocks until they are on disk, or ctx ends. It returns
	// fewer only with an error. Gaps are zeros.
	ReadAt(ctx context.Context, dst []float32, at int64) (n int, err error)
}

// LivePartial is text that may still change. It takes the place of the former partial text; a LiveCommitted removes
// that too.
type LivePartial struct {
	// Text goes directly behind all committed text, with the space that belongs there. It is empty if nothing is
	// pending.
	Text string
	// Words are those of the text.
	Words []scout.Word
	// To is the end of the audio that was heard.
	To time.Duration
}

// LiveCommitted is text that never changes.
type LiveCommitted struct {
	// Text goes directly behind all committed text, with the space that belongs there. It may be empty.
	Text string
	// Words are those of the text. Times are measured from the beginning of the recording and never go back.
	Words []scout.Word
	// SetAside is audio that gave no text although it was tried.
	SetAside []scout.SetAside
	// Through says that everything before it is text, silent, or set aside. It never goes back.
	Through time.Duration
	// State is where to continue after exactly this text.
	State LiveState
}

// LiveOwed is a stretch that is recorded, but not text yet, although it should be. It will be. From == To means that
// nothing is owed any more.
type LiveOwed struct {
	From, To time.Duration
	// Err is why, nil if the engine is only slow or loads its model.
	Err error
}

// LiveFinal is the end of a transcription.
type LiveFinal struct {
	// Duration is the length of the audio, every frame of which was examined.
	Duration time.Duration
	// Words is how many words were committed, with those before From.
	Words int
	// Tail is how much audio was not committed when the stop came.
	Tail time.Duration
	// Language is that of most of the audio, if none was named and the model told it; LanguageProb is its mean probability.
	Language     string
	LanguageProb *float64
	// Warnings are those of Batch.
	Warnings []scout.Warning
}

// liveStateVersion changes when the meaning of a LiveState changes.
const liveStateVersion = 1

// LiveState is where a transcription continues. It is small, whatever the length of the recording, and can be stored as
// JSON.
type LiveState struct {
	Version  int             `json:"version"`
	Model    string          `json:"model"`
	Language string          `json:"language,omitempty"`
	Cut      segment.Options `json:"cut"`
	// Next is where the open piece begins, Through what is covered by text, silence and what is set aside.
	Next    segment.Position `json:"next"`
	Through time.Duration    `json:"through"`
	Settled settlingState    `json:"settled"`
	// Tongue is the language that the model found, where none was named, empty if it was not sure of any. TongueProb is its
	// probability. Spoken are the languages of the closed pieces.
	Tongue     string  `json:"tongue,omitempty"`
	TongueProb float64 `json:"tongue_prob,omitempty"`
	Spoken     spoken  `json:"spoken,omitzero"`
	// Heard is what warnings are made of.
	Heard heardSoFar `json:"heard"`
}

// heardSoFar is what is known of the closed pieces.
type heardSoFar struct {
	Peak     float64 `json:"peak"`
	Pieces   int     `json:"pieces"`
	Empty    []Empty `json:"empty,omitempty"`
	SetAside int     `json:"set_aside,omitempty"` // stretches
}

// suits returns an error if a transcription with these options cannot continue from the state.
func (s *LiveState) suits(o *LiveOptions) error {
	c := Checkpoint{Version: checkpointVersion, Model: s.Model, Language: s.Language, Cut: s.Cut}
	if s.Version != liveStateVersion {
		return scout.Errorf(scout.CodeInvalidArgument, "continue a dictation: its version is %d, but %d is supported", s.Version, liveStateVersion)
	}
	cut := o.cut()
	return c.suits(&Options{Model: o.Model, Language: o.Language, Cut: &cut})
}

// mostEmpty is how many stretches without words are kept for warnings. Beyond it those are dropped that give none.
const mostEmpty = 200

func (h *heardSoFar) add(d *Decoded) {
	if h.Pieces == 0 || d.Peak > h.Peak {
		h.Peak = d.Peak
	}
	h.Pieces++
	h.SetAside += len(d.SetAside)
	h.Empty = appendEmpty(h.Empty, d.Empty...)
	if n := len(h.Empty); n > mostEmpty {
		h.Empty = slices.DeleteFunc(h.Empty, func(e Empty) bool { return e.To-e.From < noTextUntold || e.Peak < soft })
		h.Empty = h.Empty[max(0, len(h.Empty)-mostEmpty):]
	}
}

// warnings lists what is out of the ordinary, as for a file.
func (h *heardSoFar) warnings(words int, length time.Duration) []scout.Warning {
	c := Checkpoint{Peak: h.Peak, Empty: h.Empty}
	if words > 0 {
		c.Segments = make([]scout.Segment, 1)
	}
	if h.SetAside > 0 {
		c.SetAside = make([]scout.SetAside, 1)
	}
	if h.Pieces == 0 {
		c.Peak = segment.LevelFloor
	}
	return warnings(&c, length)
}

// Live is the transcription of a stream that is still growing. The piece at its end is decoded again as audio arrives.
// Words on which hypotheses agree are committed, the others are partial. When the decoder falls behind, partial text is
// dropped first. Then audio is owed: it is read from the recording and decoded as soon as there is room. Text comes in
// the order of time. Failures of the engine cost time, but no words.
//
// Write, Gap, Stop and End may be called from any goroutine, also before Run. They never wait for the engine, the disk
// or a callback. Positions are frames at 16 kHz on the clock of the recording, in which gaps count.
type Live struct {
	scope    observe.Scope
	metrics  *liveMetrics
	failures *observe.Failures
	decoder  *Decoder
	options  LiveOptions
	intake   *intake
	growth   *growth
	behind   atomic.Int64 // see Behind
	told     float64      // how many seconds the metrics say that are owed; of Run
}

// NewLive returns a transcription over the recognizer. The error has the code invalid_argument.
func NewLive(scope observe.Scope, failures *observe.Failures, recognizer Recognizer, o LiveOptions) (*Live, error) {
	if o.Recorded == nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "live transcription: no recording to read from")
	}
	if o.From != nil {
		if err := o.From.suits(&o); err != nil {
			return nil, err
		}
	}
	if o.Commit == (CommitRule{}) {
		o.Commit = DefaultCommitRule()
	}
	if o.Rhythm == (Rhythm{}) {
		o.Rhythm = DefaultRhythm()
	}
	if o.Pause == (Pauses{}) {
		o.Pause = DefaultPauses()
	}
	if o.Commit.Agree < 2 || o.Rhythm.Step <= 0 {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "live transcription: at least two hypotheses must agree, and the rhythm needs a step")
	}
	decoder := NewDecoder(scope, recognizer)
	l := &Live{
		scope: decoder.scope, metrics: newLiveMetrics(decoder.scope), failures: failures, decoder: decoder, options: o,
	}
	g, err := newGrowth(&l.options)
	if err != nil {
		return nil, err
	}
	l.growth = g
	l.intake = newIntake(g.pos)
	return l, nil
}

// Write takes the samples at a position and copies them. Samples before the position that is expected are known already
// and ignored. If the position is later than expected, the frames between are read from the recording when needed.
func (l *Live) Write(at int64, samples []float32) { l.intake.write(at, samples) }

// Gap says that the frames between two positions do not exist. They count as silence.
func (l *Live) Gap(from, to int64) { l.intake.gap(from, to) }

// Stop says that the person stopped at this position. Frames up to it are taken, and later ones ignored. If they have
// not come within stopPatience, the transcription finishes with what came. The first stop counts.
func (l *Live) Stop(at int64) { l.intake.stop(at, false, time.Now()) }

// End says that the recording has this many frames, all of which exist: those that never came are read from it. The
// transcription finishes at once. The first end counts, also after a stop.
func (l *Live) End(at int64) { l.intake.stop(at, true, time.Now()) }
