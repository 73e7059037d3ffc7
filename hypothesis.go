package scout

import "time"

// Hypothesis is what a decoder made of one piece of audio. Times in it are measured from the beginning of the piece.
type Hypothesis struct {
	// Text is what was said, as the model wrote it.
	Text string
	// Words are the words of Text if the model gives times or probabilities for them, otherwise empty. Words with times
	// are in order and do not overlap.
	Words []Word
	// Tokens are the steps of the decoder, empty if the backend does not report them.
	Tokens []Token
	// Stop is why decoding ended.
	Stop StopReason
	// EndLogProb is the natural log-probability that the text ends where it does. It is nil if the model gives none or
	// Stop is not StopEnd.
	EndLogProb *float64
	// Language is the code of the language of the piece: the requested one, or the one detected. It is empty if the model
	// does not tell.
	Language string
	// LanguageProb is the probability of Language, nil if it was not detected.
	LanguageProb *float64
	// NoSpeech is the probability that nobody speaks in the piece, nil if the model gives none.
	NoSpeech *float64
	// AudioTokens is how many positions of the encoder hold the audio, and PromptTokens how many tokens of a text of before the
	// decoder was given, both 0 if the backend does not report them.
	AudioTokens, PromptTokens int
	// Agreed is how many tokens of the given hypothesis were kept.
	Agreed int
	// Again has a reason for each decode that followed the first one within the engine, in their order. It is empty if one
	// was enough, or if the backend decodes once.
	Again []AgainReason
	// DecodeTime is the time spent on inference. EncodeTime is the part of it in which the encoder ran, 0 if the
	// backend does not report it.
	DecodeTime, EncodeTime time.Duration
	// Changes answer a request for scores of a known text; then nothing else is set but the times.
	Changes []ChangeScore
}

// Change is other words in place of words [From, To) of a known text. Without words it leaves those out; with From equal to To
// it puts words in before From.
type Change struct {
	From, To int
	Words    []string
}

// ChangeScore is how probable a model finds a known text and the text with a change: natural log-probabilities of the tokens of
// the changed words and of some behind them, given the same tokens before.
type ChangeScore struct {
	// Own is that of the words that stand there, Other that of the words of the change.
	Own, Other float64
}

// Token is one step of a decoder.
type Token struct {
	// ID is the token's number in the model's vocabulary, -1 if the backend does not report it.
	ID int32
	// Text is what the token adds to the text; it is empty for a token that holds only part of a character.
	Text string
	// LogProb is its natural log-probability, nil if the backend gives none.
	LogProb *float64
	// Start is where it begins in the piece, nil if the backend does not report it.
	Start *time.Duration
}

// StopReason is why decoding ended.
type StopReason string

// The reasons. Anything but StopEnd means that the text may not be all that was said.
const (
	// StopEnd: the model marked the text as complete.
	StopEnd StopReason = "end"
	// StopLength: the bound on tokens for this much audio was reached.
	StopLength StopReason = "length"
	// StopRepeats: the model began to repeat itself.
	StopRepeats StopReason = "repeats"
)

// AgainReason is why an engine heard or decoded a piece again by itself.
type AgainReason string

// The reasons.
const (
	// AgainLength: the text reached the bound on tokens for this much audio.
	AgainLength AgainReason = "length"
	// AgainRepeats: the text repeats itself, as far as it shows within one decode.
	AgainRepeats AgainReason = "repeats"
	// AgainDoubtful: the text is improbable.
	AgainDoubtful AgainReason = "doubtful"
	// AgainLanguage: the language was not certain. The piece was heard with more silence to find it, and decoded as before.
	AgainLanguage AgainReason = "language"
	// AgainSilence: the model said that nobody speaks, but its text was likelier than that of noise.
	AgainSilence AgainReason = "silence"
)

// AgainReasons returns all reasons.
func AgainReasons() []AgainReason {
	return []AgainReason{AgainLength, AgainRepeats, AgainDoubtful, AgainLanguage, AgainSilence}
}
