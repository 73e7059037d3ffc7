package process

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
)

// Model is what a process loads.
type Model struct {
	ID        string
	Family    string
	Languages []string
	// Files maps roles to absolute paths, as the family's backend needs them.
	Files map[string]string
	// SizeBytes of all files; memory limits grow with it.
	SizeBytes int64
}

// Options say what to start and how.
type Options struct {
	// Program is the path of scout-engine.
	Program string
	Model   Model
	// Backend is "sherpa" or "moonshine".
	Backend string
	// Profile chooses options of the native runtime; empty means the backend's default.
	Profile string
	// HugePages makes the process load the model into huge pages, if the C library and the kernel provide them.
	HugePages bool
	// Threads of one inference session; default 1.
	Threads int
	// Slots is how many requests may run at the same time; 0 leaves it to the backend.
	Slots int
	// Background makes the process load the model at the lowest priority of the system.
	Background bool
	// LoadTimeout bounds the time from start to ready; default 60 s.
	LoadTimeout time.Duration
	// SuspectAfter is how long the process may say nothing, or a request make no progress, before Hung looks at it closely;
	// default DefaultSuspectAfter.
	SuspectAfter time.Duration
	// Failures counts panics; it may be nil.
	Failures *observe.Failures
	// Fault, if set, is called by every goroutine of a process at each of its steps, with the goroutine's name (see
	// Goroutines). Tests use it to make the goroutine fail, panic or hang.
	Fault func(goroutine string) error
}

// Facts are the properties of a loaded model.
type Facts struct {
	// Version is that of the engine's program, PID its process.
	Version string
	PID     int
	Backend string
	ModelID string
	Family  string
	// Languages are the ISO 639-1 codes that the model knows, empty if it does not report them.
	Languages []string
	// MaxFrames is the longest request, at 16 kHz.
	MaxFrames int
	// Slots is how many requests run at the same time.
	Slots int
	// LogProbs, WordTimes, Continues and HotWords say what answers may contain and requests may ask for.
	LogProbs, WordTimes, Continues, HotWords bool
	// Scores says whether requests may ask for scores of a known text.
	Scores bool
	// Translates and DetectsLanguage say whether the model can write English for what is said in another language, and
	// whether it finds out which of its languages is spoken.
	Translates, DetectsLanguage bool
	// LoadTime is how long the process took to load the model.
	LoadTime time.Duration

	steps bool // beats carry phases and tokens
}

func factsOf(h wire.Hello) Facts {
	return Facts{
		Version: h.Version, PID: h.PID, Backend: h.Backend, ModelID: h.ModelID, Family: h.Family, Languages: h.Languages,
		MaxFrames: h.MaxFrames, Slots: h.Slots, LogProbs: h.LogProbs, WordTimes: h.WordTimes, Continues: h.Continues, HotWords: h.HotWords,
		Translates: h.Translates, DetectsLanguage: h.DetectsLanguage, Scores: h.Scores,
		LoadTime: time.Duration(h.LoadMS * float64(time.Millisecond)), steps: h.Steps,
	}
}

// Request is one piece of audio to transcribe.
type Request struct {
	// Samples is 16 kHz mono in [-1, 1], shape [frames]. It belongs to the caller again once the request was answered
	// or cancelled.
	Samples []float32
	// Class says how urgent the request is, Client who sent it; empty for the program itself.
	Class  schedule.Class
	Client string
	// Words asks for word times, if the model gives them.
	Words bool
	// Tokens asks for the tokens of each word, if the model gives probabilities.
	Tokens bool
	// Language is the code of the language spoken. Empty is the model's only language, or the one that it detects.
	Language string
	// Translate asks for the text in English, whatever is spoken.
	Translate bool
	// Beam is how many texts are followed at once; 0 and 1 mean the most probable token at each step (greedy).
	Beam int
	// Once keeps the backend from decoding a doubtful text again, because somebody waits or another decode follows soon.
	Once bool
	// Prompt is text that was said before the piece.
	Prompt string
	// Tail is how much silence the model hears behind the samples; 0 leaves it to the backend.
	Tail time.Duration
	// Known is a known text, as token ids: it is verified in one pass, and decoding continues from the first token that
	// disagrees. Tokens beyond what the audio could hold are ignored.
	Known []int32
	// HotWords are words or phrases, at most 1000, that are favoured where the audio is nearly undecided.
	HotWords []string
	// Keep says that a request for scores of the same samples follows: the model keeps what it heard for it, if hearing takes long.
	Keep bool
	// Score asks for scores of a known text instead of a text; nil for a text. The model must be one that Scores.
	Score *Score
}

// Score asks how probable a model finds a known text of a piece, and that text with changes. The answer is in
// scout.Hypothesis.Changes.
type Score struct {
	// Words are the known text. Changes are looked at one by one, each against Words alone.
	Words   []string
	Changes []scout.Change
	// Behind is how many tokens after a change are counted as well, the end of the text being one of them.
	Behind int
}

func (s *Score) frame() *wire.Score {
	if s == nil {
		return nil
	}
	out := &wire.Score{Words: s.Words, Behind: s.Behind, Changes: make([]wire.Change, len(s.Changes))}
	for i, c := range s.Changes {
		out.Changes[i] = wire.Change{From: c.From, To: c.To, Words: c.Words}
	}
	return out
}

// Audio returns the length of the request's samples.
func (r *Request) Audio() time.Duration {
	return time.Duration(len(r.Samples)) * time.Second / scout.EngineSampleRateHz
}

func (r *Request) frame(traceparent string) *wire.Request {
	return &wire.Request{
		Options: wire.RequestOptions{
			Background: r.Class.Background(), Words: r.Words, Tokens: r.Tokens,
			Language: r.Language, Translate: r.Translate, Beam: r.Beam, Once: r.Once, Prompt: r.Prompt, TailMS: int(r.Tail.Milliseconds()),
			Hypothesis: r.Known, HotWords: r.HotWords, Traceparent: traceparent, Keep: r.Keep, Score: r.Score.frame(),
		},
		Samples: r.Samples,
	}
}

// Answer ends a request. Exactly one of its fields is set.
type Answer struct {
	Hypothesis *scout.Hypothesis
	Err        error
}

// EndError is the error of a request that got no answer because its process ended.
type EndError struct {
	// Err is why the process ended; it has a code.
	Err error
	// Sent reports whether the process may have received the request, Alone whether it had no other request.
	Sent, Alone bool
}

// Error returns the text of Err.
func (e *EndError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *EndError) Unwrap() error { return e.Err }

// ErrRetired is the error of a request that a process did not get, because it was asked to end, or ended after it had
// got others. The request must be sent to another process. Whoever waits for it never sees this error.
var ErrRetired = scout.Errorf(scout.CodeEngineClosed, "the engine process accepts no more requests")
