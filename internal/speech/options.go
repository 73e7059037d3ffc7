package speech

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Source is audio at 16 kHz, mono, in [-1, 1]. Read fills a part of dst and returns how much;
// io.EOF ends it. The reader of internal/audio/file is one.
type Source interface {
	Read(dst []float32) (int, error)
}

// Options say how a file is transcribed. The zero value means the defaults beside each field.
//
// Settled, Saved and Progress are called one at a time, in this order for each piece, and never after Transcribe
// returned. What blocks in them holds up the transcription.
type Options struct {
	// Model and Language stand in the transcript.
	Model    string
	Language string
	// Cut places the borders of pieces; nil means segment.Defaults.
	Cut *segment.Options
	// Class of the requests.
	Class schedule.Class
	// Effort is how much a doubtful piece may cost.
	Effort Effort
	// Parallel is how many pieces are decoded at the same time; default 1. More than the engine has
	// slots gains nothing.
	Parallel int
	// Words asks for word times where the model gives them.
	Words    bool
	HotWords []string
	// Kind labels the metrics: "file" by default, later "live" and "upload".
	Kind string
	// Length of the audio where it is known: Progress tells it as Total.
	Length time.Duration
	// From is where an interrupted transcription of the same audio goes on, nil for its beginning. The source begins
	// at the beginning of the audio all the same.
	From *Checkpoint

	// Settled is given every segment as soon as it is final, in the order of time; nil for nobody. Those of From are
	// not repeated. When Transcribe fails, it has got all segments of the incomplete transcript.
	Settled func(scout.Segment)
	// Saved is given after each piece what it takes to go on behind it; nil for nobody.
	Saved func(Checkpoint)
	// Progress is told after each piece how far the transcription is; nil for nobody.
	Progress func(Progress)
}

// Progress is how far a transcription is.
type Progress struct {
	// Done is the length of audio that is text now, Total that of all of it, 0 where it is unknown.
	Done, Total time.Duration
	// Words so far.
	Words int
}

func (o *Options) how() How {
	return How{Language: o.Language, Class: o.Class, Effort: o.Effort, Words: o.Words, HotWords: o.HotWords}
}

func (o *Options) cut() segment.Options {
	if o.Cut != nil {
		return *o.Cut
	}
	return segment.Defaults()
}
