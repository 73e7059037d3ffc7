package scout

import "time"

// Hypothesis is what a decoder made of one piece of audio. Times in it are measured from the beginning of the piece.
type Hypothesis struct {
	// Text is what was said, as the model wrote it.
	Text string
	// Words are the words of Text where the model gives times or probabilities for them, otherwise empty. Words with
	// times follow each other and do not overlap.
	Words []Word
	// Tokens are the steps of the decoder, empty where the backend does not tell them.
	Tokens []Token
	// Stop is why decoding ended.
	Stop StopReason
	// EndLogProb is the natural log-probability that the text ends where it does, nil where the model gives none or
	// Stop is not StopEnd.
	EndLogProb *float64
	// Agreed is how many tokens of a text that was known before were kept.
	Agreed int
	// DecodeTime is the time spent on inference, EncodeTime the part of it in which the encoder ran, 0 where the
	// backend does not tell.
	DecodeTime, EncodeTime time.Duration
}

// Token is one step of a decoder.
type Token struct {
	// ID is the entry of the model's vocabulary, -1 where the backend does not tell.
	ID int32
	// Text is what the token adds to the text; a token that holds part of a character has none.
	Text string
	// LogProb is its natural log-probability, nil where the backend gives none.
	LogProb *float64
	// Start is where it begins in the piece, nil where the backend does not tell.
	Start *time.Duration
}

// StopReason is why decoding ended.
type StopReason string

// The reasons. Anything but StopEnd means that the text may not be all that was said.
const (
	// StopEnd: the model said that the text is complete.
	StopEnd StopReason = "end"
	// StopLength: the bound on tokens for this much audio was reached.
	StopLength StopReason = "length"
	// StopRepeats: the model began to repeat itself.
	StopRepeats StopReason = "repeats"
)
