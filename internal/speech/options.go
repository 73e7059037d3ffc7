package speech

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Source is audio at 16 kHz, mono, in [-1, 1]. Read fills a part of dst and returns how many samples; io.EOF ends it.
// The reader of internal/audio/file is one.
type Source interface {
	Read(dst []float32) (int, error)
}

// Options say how a file is transcribed. The zero value means the defaults given at each field.
//
// Settled, Saved and Progress are called one at a time, in this order for each piece, and never after Transcribe has
// returned. A callback that blocks delays the transcription.
type Options struct {
	// Model is written into the transcript.
	Model string
	// Language is the code of the language spoken. If it is empty, the model detects the language of each piece, or knows
	// only one.
	Language string
	// Translate asks for the text in English, whatever is spoken.
	Translate bool
	// Trait is what is special about the model.
	Trait Trait
	// Cut places the borders of pieces; nil means those of Trait.
	Cut *segment.Options
	// Class of the requests, and whose they are: clients share the engine within a class.
	Class  schedule.Class
	Client string
	// Effort is how much a doubtful piece may cost.
	Effort Effort
	// Parallel is how many pieces are decoded at the same time; default 1. A value above the engine's slots gains
	// nothing.
	Parallel int
	// Words asks for word times, if the model gives them.
	Words bool
	// Tokens asks for the tokens of each word, if the model gives probabilities.
	Tokens   bool
	HotWords []string
	// Context is text whose spelling and style the model continues, if it can.
	Context string
	// Vote lets words of a fast model take the place of less probable ones; nil for none.
	Vote *Vote
	// Kind labels the metrics: "file" by default, later "live" and "upload".
	Kind string
	// Length of the audio if it is known: Progress reports it as Total.
	Length time.Duration
	// From is where an interrupted transcription of the same audio continues, nil for its beginning. The source must
	// begin at the beginning of the audio even so.
	From *Checkpoint

	// Settled receives every segment as soon as it is final, in the order of time; it may be nil. The segments of From
	// are not repeated. When Transcribe fails, Settled has received all segments of the incomplete transcript.
	Settled func(scout.Segment)
	// Saved receives a checkpoint after each piece; it may be nil.
	Saved func(Checkpoint)
	// Progress receives the progress of the transcription after each piece; it may be nil.
	Progress func(Progress)
}

// Progress is how far a transcription is.
type Progress struct {
	// Done is the length of audio that is text now. Total is the length of all audio, 0 if it is unknown.
	Done, Total time.Duration
	// Words so far.
	Words int
	// Tokens so far, of those pieces whose backend counts them.
	Tokens int
	// AudioTokens is how many positions of the encoder hold the audio so far, what neighbouring pieces share in both.
	// PromptTokens is how many tokens of the context the decoder was given for a piece. Both are 0 if the backend does not tell.
	AudioTokens, PromptTokens int
}

func (o *Options) how() How {
	how := How{
		Language: o.Language, Translate: o.Translate, Tail: o.Effort.tail(), Patient: o.Effort != EffortQuick, Trait: o.Trait,
		Class: o.Class, Client: o.Client, Effort: o.Effort, Words: o.Words, Tokens: o.Tokens, HotWords: o.HotWords, Context: o.Context,
	}
	how.Keep = o.Vote.suits(&how)
	return how
}

// Trait is what is special about a model. The zero value is that of Moonshine.
type Trait struct {
	// Cut places the borders of pieces that suit the model; nil means segment.Defaults.
	Cut *segment.Options
	// LiveCut does so for a stream; nil means segment.Defaults.
	LiveCut *segment.Options
	// Rechecks says that the model's own decoder tries a doubtful piece in other ways.
	Rechecks bool
	// Sureness is by how much log-probabilities of tokens are multiplied before they are compared with the limits of this package,
	// which were measured with Moonshine; 0 means 1. Good texts of Whisper have a mean of -0.19, its doubtful ones are below -0.5.
	Sureness float64
	// Window is how much of the end of a growing piece a peek hears; the zero value is all of it.
	Window Window
	// Ends bounds what is decoded at a stop; the zero value is that of Moonshine.
	Ends Ends
}

func (o *Options) cut() segment.Options {
	switch {
	case o.Cut != nil:
		return *o.Cut
	case o.Trait.Cut != nil:
		return *o.Trait.Cut
	}
	return segment.Defaults()
}
