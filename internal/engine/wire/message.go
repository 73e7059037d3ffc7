package wire

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"sync/atomic"

	"github.com/scout-speech/scout"
)

// Load is the first frame from the parent: which model to load and how.
type Load struct {
	// Backend is "sherpa" or "moonshine".
	Backend string `json:"backend"`
	// ModelID is the id of the catalogue or of the user's own model.
	ModelID string `json:"model_id"`
	// Family is the kind of network in the files: moonshine, whisper, parakeet, zipformer, sensevoice.
	Family string `json:"family"`
	// Languages are the ISO 639-1 codes that the model knows.
	Languages []string `json:"languages,omitempty"`
	// Files maps a role (encoder, decoder, tokens, …) to an absolute path.
	Files map[string]string `json:"files"`
	// Threads is the number of threads of one inference session.
	Threads int `json:"threads"`
	// Slots is how many requests the parent wants to run at the same time; 0 leaves it to the backend.
	Slots int `json:"slots,omitempty"`
	// Profile chooses options of the native runtime; empty means the backend's default.
	Profile string `json:"profile,omitempty"`
	// Background says that nobody waits for the model: it is loaded at the lowest priority of the system.
	Background bool `json:"background,omitempty"`
}

// Hello says that the model is ready and what it can do.
type Hello struct {
	Protocol  int      `json:"protocol"`
	Version   string   `json:"version"`
	PID       int      `json:"pid"`
	Backend   string   `json:"backend"`
	ModelID   string   `json:"model_id"`
	Family    string   `json:"family"`
	Languages []string `json:"languages,omitempty"`
	// SampleRateHz is the rate of all samples in requests: 16000.
	SampleRateHz int `json:"sample_rate_hz"`
	// MaxFrames is the longest request, in frames.
	MaxFrames int `json:"max_frames"`
	// Slots is how many requests run at the same time.
	Slots int `json:"slots"`
	// Steps says that beats carry the phase and tokens of running requests.
	Steps bool `json:"steps,omitempty"`
	// LogProbs, WordTimes, Continues and HotWords say what answers may contain and requests may ask for.
	LogProbs  bool `json:"log_probs"`
	WordTimes bool `json:"word_times"`
	Continues bool `json:"continues"`
	HotWords  bool `json:"hot_words"`
	// Translates says that the model can write in English what was said in another language.
	Translates bool `json:"translates,omitempty"`
	// Scores says that requests may ask for scores of a known text.
	Scores bool `json:"scores,omitempty"`
	// DetectsLanguage says that the model finds out by itself which of its languages is spoken.
	DetectsLanguage bool `json:"detects_language,omitempty"`
	// LoadMS is the time from Load to Hello in milliseconds.
	LoadMS float64 `json:"load_ms"`
}

// Request asks for the text of one piece of audio.
type Request struct {
	Options RequestOptions
	// Samples is 16 kHz mono in [-1, 1], shape [frames], owned by the caller.
	Samples []float32
	// Step is where the backend records its progress; it is not sent. It may be nil.
	Step *Step
}

// RequestOptions is the JSON part of a request.
type RequestOptions struct {
	// Background marks a request that nobody waits for: it runs at the lowest priority of the system.
	Background bool `json:"background,omitempty"`
	// Traceparent names the span that the request belongs to (W3C Trace Context), empty if traces are off.
	Traceparent string `json:"traceparent,omitempty"`
	// Words asks for word times, if the model gives them.
	Words bool `json:"words,omitempty"`
	// Tokens asks for the tokens of each word, if the model gives probabilities.
	Tokens bool `json:"tokens,omitempty"`
	// Language is the code of the language spoken, as the model names it (ISO 639-1, or three letters where that has
	// none). Empty or "auto" is the model's only language, or the one that it detects.
	Language string `json:"language,omitempty"`
	// Translate asks for the text in English, whatever is spoken.
	Translate bool `json:"translate,omitempty"`
	// Beam is how many texts are followed at once; 0 and 1 mean the most probable token at each step (greedy).
	Beam int `json:"beam,omitempty"`
	// Once keeps the backend from decoding a doubtful text again. What repeats itself is decoded again even so.
	Once bool `json:"once,omitempty"`
	// Prompt is text that was said before the piece: the model continues its spelling and style.
	Prompt string `json:"prompt,omitempty"`
	// TailMS is how much silence the model hears behind the samples, in milliseconds; 0 leaves it to the backend.
	TailMS int `json:"tail_ms,omitempty"`
	// Hypothesis is a known text, as token ids: it is verified in one pass, and decoding continues from the first token
	// that disagrees. Tokens beyond what the audio could hold are ignored.
	Hypothesis []int32 `json:"hypothesis,omitempty"`
	// HotWords are words or phrases, at most 1000, that are favoured where the audio is nearly undecided.
	HotWords []string `json:"hot_words,omitempty"`
	// Keep says that a request for scores of the same samples follows: what was heard is kept for it, until the slot has another
	// request. It is ignored by a backend that hears quickly.
	Keep bool `json:"keep,omitempty"`
	// Score asks for scores of a known text instead of a text.
	Score *Score `json:"score,omitempty"`
}

// Score asks how probable a model finds a known text of a piece, and that text with changes, given the sound and the same words
// before. Nothing is decoded.
type Score struct {
	// Words are the known text.
	Words []string `json:"words"`
	// Changes are looked at one by one, each against Words alone.
	Changes []Change `json:"changes"`
	// Behind is how many tokens after the change are counted as well, the end of the text being one of them.
	Behind int `json:"behind,omitempty"`
}

// Change is other words in place of words [From, To).
type Change struct {
	From  int      `json:"from"`
	To    int      `json:"to"`
	Words []string `json:"words,omitempty"`
}

// ChangeScore has the sums of natural log-probabilities of the words as they are, and with the change.
type ChangeScore struct {
	Own   float64 `json:"own"`
	Other float64 `json:"other"`
}

// StopReason is why decoding ended.
type StopReason string

// The reasons. Anything but StopEnd means that the text may not be all that was said.
const (
	StopEnd     StopReason = "end"     // the model marked the text as complete
	StopLength  StopReason = "length"  // the bound on tokens for this much audio was reached
	StopRepeats StopReason = "repeats" // the model began to repeat itself
)

// AgainReason is why the backend heard or decoded a piece again by itself.
type AgainReason string

// The reasons.
const (
	AgainLength   AgainReason = "length"   // the first text was stopped by StopLength
	AgainRepeats  AgainReason = "repeats"  // it repeats itself, whether it was stopped for that or not
	AgainDoubtful AgainReason = "doubtful" // it is improbable
	AgainLanguage AgainReason = "language" // its language was not certain, and found in more silence
	AgainSilence  AgainReason = "silence"  // nobody speaks, says the model, but its text is likelier than that of noise
)

// Token is one step of the decoder.
type Token struct {
	// ID is the token's number in the vocabulary, -1 if the backend does not report it.
	ID int32 `json:"id"`
	// Text is what the token adds to the text; it is empty for a token that holds only part of a character.
	Text string `json:"text,omitempty"`
	// LogProb is its natural log-probability, nil if the backend gives none.
	LogProb *float32 `json:"log_prob,omitempty"`
	// StartMS is where it begins in the piece, nil if the backend does not report it.
	StartMS *float32 `json:"start_ms,omitempty"`
}

// Word is one word with everything that is known about it. Unknown values are nil, never guesses.
type Word struct {
	Text string `json:"text"`
	// StartMS and EndMS are where it was said, from the beginning of the piece. Both are nil if the word could not be
	// placed. Words with times are in order and do not overlap.
	StartMS *float32 `json:"start_ms,omitempty"`
	EndMS   *float32 `json:"end_ms,omitempty"`
	LogProb *float32 `json:"log_prob,omitempty"`
	// Tokens are those of the word, in order: those with a text, if the request asked for them.
	Tokens []WordToken `json:"tokens,omitempty"`
}

// WordToken is a token of a Word.
type WordToken struct {
	// Bytes are what it adds to the text, with its leading space: a part of a character, if it is no more.
	Bytes []byte `json:"bytes"`
	// LogProb is its natural log-probability.
	LogProb float32 `json:"log_prob"`
}

// Result is the text of one piece.
type Result struct {
	Text   string     `json:"text"`
	Tokens []Token    `json:"tokens,omitempty"`
	Words  []Word     `json:"words,omitempty"`
	Stop   StopReason `json:"stop"`
	// EndLogProb is the log-probability that the text ends where it does. It is absent if the model gives none or Stop
	// is not StopEnd.
	EndLogProb *float32 `json:"end_log_prob,omitempty"`
	// Language is the code of the language of the piece: the requested one, or the one detected. It is absent if the
	// model does not tell.
	Language string `json:"language,omitempty"`
	// LanguageProb is the probability of Language, absent if it was not detected.
	LanguageProb *float32 `json:"language_prob,omitempty"`
	// NoSpeech is the probability that nobody speaks in the piece, absent if the model gives none.
	NoSpeech *float32 `json:"no_speech,omitempty"`
	// AudioTokens is how many positions of the encoder hold the samples, without the silence behind them. PromptTokens is how
	// many tokens of the prompt the decoder was given. Both are absent if the backend does not report them.
	AudioTokens  int `json:"audio_tokens,omitempty"`
	PromptTokens int `json:"prompt_tokens,omitempty"`
	// Agreed is how many tokens of the hypothesis were kept.
	Agreed int `json:"agreed,omitempty"`
	// Again has a reason for each decode that followed the first one, in their order.
	Again []AgainReason `json:"again,omitempty"`
	// DecodeMS is the time spent on inference in milliseconds.
	DecodeMS float64 `json:"decode_ms"`
	// EncodeMS is the part of DecodeMS in which the encoder ran, absent if the backend does not report it.
	EncodeMS float64 `json:"encode_ms,omitempty"`
	// Scores answer Score, one for each change in their order.
	Scores []ChangeScore `json:"scores,omitempty"`
}

// Failure is why a request, loading, or the whole process failed.
type Failure struct {
	Code    scout.Code `json:"code"`
	Message string     `json:"message"`
	// Panicked says that it was a panic, which the parent counts.
	Panicked bool `json:"panicked,omitempty"`
}

// Beat says that the engine is alive and how far its requests are.
type Beat struct {
	// Loading is true until the hello.
	Loading bool `json:"loading,omitempty"`
	// CPUMS is the processor time that the process has used, in milliseconds.
	CPUMS int64 `json:"cpu_ms"`
	// Requests are the running requests.
	Requests []Running `json:"requests,omitempty"`
}

// Running is a request in a Beat.
type Running struct {
	ID     uint64 `json:"id"`
	Phase  Phase  `json:"phase"`
	Tokens int    `json:"tokens,omitempty"`
	// QueuedMS is how long its thread has waited for a processor, in milliseconds, 0 if the system does not report it.
	QueuedMS int64 `json:"queued_ms,omitempty"`
	// RanMS is how long that thread has been on a processor for it, in milliseconds, 0 where the system does not report.
	RanMS int64 `json:"ran_ms,omitempty"`
	// Thread is the id of the thread that works on it, 0 if it has none of its own or the system has no such ids.
	Thread int `json:"thread,omitempty"`
}

// Phase is what a request is doing.
type Phase string

// The phases. A backend that does not report phases stays in PhaseStarted.
const (
	PhaseStarted Phase = "started"
	PhaseEncode  Phase = "encode"
	PhaseDecode  Phase = "decode"
)

// Step is the progress of a request. The backend's goroutine sets it, another one reads it. All methods may be called
// on nil, and then do nothing.
type Step struct{ state atomic.Int64 }

// Encode records that the encoder begins.
func (s *Step) Encode() {
	if s != nil {
		s.state.Store(1)
	}
}

// Decode records how many tokens are decoded.
func (s *Step) Decode(tokens int) {
	if s != nil {
		s.state.Store(int64(2 + tokens))
	}
}

// Now returns the latest phase and number of tokens.
func (s *Step) Now() (phase Phase, tokens int) {
	if s == nil {
		return PhaseStarted, 0
	}
	switch n := s.state.Load(); n {
	case 0:
		return PhaseStarted, 0
	case 1:
		return PhaseEncode, 0
	default:
		return PhaseDecode, int(n - 2)
	}
}

// Err returns the failure as an error. A code that this side does not know becomes scout.CodeEngineFailed, so that no
// foreign code gets into metrics.
func (f Failure) Err() error {
	code := f.Code
	if code.Info() == (scout.CodeInfo{}) {
		code = scout.CodeEngineFailed
	}
	return scout.Errorf(code, "%s", f.Message)
}

// AppendJSON returns a body writer for a message that is pure JSON.
func AppendJSON(message any) func([]byte) ([]byte, error) {
	return func(dst []byte) ([]byte, error) {
		text, err := json.Marshal(message)
		if err != nil {
			return nil, scout.Errorf(scout.CodeInternal, "encode %T: %w", message, err)
		}
		return append(dst, text...), nil
	}
}

// DecodeJSON reads a body that is pure JSON. Unknown fields are ignored.
func DecodeJSON[T any](body []byte) (T, error) {
	var message T
	if err := json.Unmarshal(body, &message); err != nil {
		return message, scout.Errorf(scout.CodeEngineProtocol, "decode %T: %w", message, err)
	}
	return message, nil
}

const bytesPerSample = 4

// AppendRequest returns the body writer of a request: uint32 length of the JSON options, the
// options, then the samples as little-endian float32.
func AppendRequest(request *Request) func([]byte) ([]byte, error) {
	return func(dst []byte) ([]byte, error) {
		options, err := json.Marshal(request.Options)
		if err != nil {
			return nil, scout.Errorf(scout.CodeInternal, "encode request options: %w", err)
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(options)))
		dst = append(dst, options...)
		start := len(dst)
		need := start + len(request.Samples)*bytesPerSample
		if cap(dst) < need {
			grown := make([]byte, start, need)
			copy(grown, dst)
			dst = grown
		}
		dst = dst[:need]
		for i, sample := range request.Samples {
			binary.LittleEndian.PutUint32(dst[start+i*bytesPerSample:], math.Float32bits(sample))
		}
		return dst, nil
	}
}

// DecodeRequest reads the body of a request. The samples are new memory.
func DecodeRequest(body []byte) (*Request, error) {
	if len(body) < 4 {
		return nil, scout.Errorf(scout.CodeEngineProtocol, "request of %d bytes is too short", len(body))
	}
	optionBytes := binary.LittleEndian.Uint32(body)
	rest := body[4:]
	if uint64(optionBytes) > uint64(len(rest)) {
		return nil, scout.Errorf(scout.CodeEngineProtocol, "request options of %d bytes in a body of %d", optionBytes, len(body))
	}
	options, err := DecodeJSON[RequestOptions](rest[:optionBytes])
	if err != nil {
		return nil, err
	}
	audio := rest[optionBytes:]
	if len(audio)%bytesPerSample != 0 {
		return nil, scout.Errorf(scout.CodeEngineProtocol, "request with %d bytes of samples: not a multiple of %d", len(audio), bytesPerSample)
	}
	request := &Request{Options: options, Samples: make([]float32, len(audio)/bytesPerSample)}
	for i := range request.Samples {
		request.Samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(audio[i*bytesPerSample:]))
	}
	return request, nil
}
