package scout

import "time"

// EngineSampleRateHz is the rate of all audio that reaches an engine: 16 kHz mono float32 in [-1, 1].
const EngineSampleRateHz = 16000

// Word is one word of a transcript as it is read, punctuation attached.
type Word struct {
	// Text is the word without surrounding spaces.
	Text string
	// Start and End are measured from the beginning of the audio. Both are nil if the model gives no time or the word
	// could not be placed: times are never interpolated.
	Start, End *time.Duration
	// LogProb is the sum of the log-probabilities of the word's tokens (natural logarithm), nil if the model gives
	// none.
	LogProb *float64
	// Tokens are the model's tokens of the word, in order. They are there only where they were asked for and the model gives
	// their probabilities. Their bytes, joined, are Text with spaces around it, unless the word was spelt anew later.
	Tokens []WordToken `json:",omitempty"`
}

// WordToken is one of the model's tokens in a word.
type WordToken struct {
	// Bytes are UTF-8. A token may hold only a part of a character. The first of a word may begin with a space.
	Bytes []byte
	// LogProb is its natural log-probability.
	LogProb float64
}

// Segment is a stretch of a transcript: a sentence if the model gives times of words, else what was said between two
// cuts of the audio. A sentence with a cut inside is two segments.
type Segment struct {
	// Start and End are measured from the beginning of the audio.
	Start, End time.Duration
	// Channel is the channel in which it was said, if channels were transcribed separately: "left", "right", or its
	// number from 1; empty for the mix of all.
	Channel string
	// Text has no surrounding spaces and is never empty.
	Text string
	// Language is the code of the language spoken, empty if the model does not tell.
	Language string
	// AvgLogProb is the mean log-probability of the tokens, nil if the model gives none.
	AvgLogProb *float64
	// Words is empty if the model gives neither times nor probabilities.
	Words []Word
}

// SetAside is a stretch of audio that could not be transcribed although the rest could.
type SetAside struct {
	Start, End time.Duration
	Code       Code
	Reason     string
}

// Transcript is what was said in one input. An empty text is a result, not a failure.
type Transcript struct {
	// Model is the id of the model that made the transcript.
	Model string
	// Language is the code of the language spoken (ISO 639-1, or three letters where that has none): the one that was
	// given, or the one detected in most of the audio. Segments may differ.
	Language string
	// LanguageProb is the mean probability of Language where it was detected, nil if it was given.
	LanguageProb *float64
	// Translated says that the text is English, whatever was spoken.
	Translated bool
	// Duration is the length of the audio, every frame of which was examined.
	Duration time.Duration
	// Segments are in the order of time. Those of one channel do not overlap.
	Segments []Segment
	// SetAside lists audio that could not be turned into text, empty in almost all cases.
	SetAside []SetAside
	// Warnings list everything else about the input that the user should know. Those with a time are in order of time.
	Warnings []Warning
}

// Complete reports whether the text covers all audio of the input.
func (t *Transcript) Complete() bool {
	if len(t.SetAside) > 0 {
		return false
	}
	for i := range t.Warnings {
		if t.Warnings[i].Code.AudioMissing() {
			return false
		}
	}
	return true
}

// Text joins the segments, with spaces where their scripts are written with spaces.
func (t *Transcript) Text() string {
	var n int
	for i := range t.Segments {
		n += len(t.Segments[i].Text) + 1
	}
	text := make([]byte, 0, n)
	last := ""
	for i := range t.Segments {
		next := t.Segments[i].Text
		text = append(text, Between(last, next)...)
		text = append(text, next...)
		if next != "" {
			last = next
		}
	}
	return string(text)
}
