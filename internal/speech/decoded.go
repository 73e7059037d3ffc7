package speech

import (
	"cmp"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Decoded is the result for one piece of audio. A Decoder returns it and a Joiner takes it. It can be stored as JSON.
type Decoded struct {
	// Heard has the words, and the bounds of the audio that was decoded, context included.
	align.Heard
	// Language is the code of the language, empty if the model does not tell. LanguageProb is its probability, nil if it
	// was not detected.
	Language     string   `json:"language,omitempty"`
	LanguageProb *float64 `json:"language_prob,omitempty"`
	// Core is the stretch that belongs to this piece alone.
	Core Span `json:"core"`
	// Tokens is how many tokens have a log-probability, and LogProb is the sum of these.
	Tokens  int     `json:"tokens,omitempty"`
	LogProb float64 `json:"log_prob,omitempty"`
	// AudioTokens is how many positions of the encoder hold the piece, and PromptTokens how many tokens of the context the decoder
	// was given, both 0 if the engine does not tell.
	AudioTokens  int `json:"audio_tokens,omitempty"`
	PromptTokens int `json:"prompt_tokens,omitempty"`
	// Sureness is that of the model's Trait.
	Sureness float64 `json:"sureness,omitempty"`
	// SetAside are the stretches that could not be turned into text, in the order of time.
	SetAside []scout.SetAside `json:"set_aside,omitempty"`
	// Empty are the stretches in which no words were found although their level varies, and which are not set aside.
	Empty []Empty `json:"empty,omitempty"`
	// Peak is the level of the loudest 20 ms, in dBFS.
	Peak float64 `json:"peak"`
	// Failed is true if the engine could not decode any of it.
	Failed bool `json:"failed,omitempty"`

	rescued bool          // some of its words were found only in another way
	losses  []loss        // those of SetAside with scout.CodeTextLost, and earlier ones
	tokens  []scout.Token // of the first decoding of all of it, from From on
}

// Empty is a stretch without words.
type Empty struct {
	Span
	// Least is the lowest log-probability with which the model reported that there are no words, 0 if it reported none.
	Least float64 `json:"least"`
	// Peak is the level of its loudest 20 ms in dBFS.
	Peak float64 `json:"peak"`
}

// Span is a stretch of the input.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// confidence is the mean log-probability of the tokens, as Moonshine would give it.
func (d *Decoded) confidence() float64 {
	return d.LogProb / float64(max(d.Tokens, 1)) * cmp.Or(d.Sureness, 1)
}

// doubtful reports whether a file would be decoded in other ways here.
func (d *Decoded) doubtful() bool { return d.Tokens > 0 && d.confidence() < EffortNormal.doubtful() }

// replace takes the words of another decoding of the same audio. Their number of tokens is not known. The old number
// stays, so the mean of the log-probabilities becomes an estimate.
func (d *Decoded) replace(by align.Heard) {
	d.LogProb += sumLogProb(by.Words) - sumLogProb(d.Words)
	d.Heard = by
}

func sumLogProb(words []scout.Word) (sum float64) {
	for i := range words {
		if words[i].LogProb != nil {
			sum += *words[i].LogProb
		}
	}
	return sum
}

// joinHalves joins two neighbours whose cores meet at cut.
func joinHalves(left, right Decoded, cut time.Duration) Decoded {
	joined := Decoded{
		Sureness: cmp.Or(left.Sureness, right.Sureness),
		Core:     Span{left.Core.From, right.Core.To}, Tokens: left.Tokens + right.Tokens, LogProb: left.LogProb + right.LogProb,
		SetAside: appendAside(left.SetAside, right.SetAside...), Empty: append(left.Empty, right.Empty...), Failed: left.Failed && right.Failed,
		rescued: left.rescued || right.rescued, losses: slices.Concat(left.losses, right.losses),
	}
	joined.Language, joined.LanguageProb = left.Language, left.LanguageProb
	if joined.Language == "" {
		joined.Language, joined.LanguageProb = right.Language, right.LanguageProb
	}
	joined.Words = align.Splice(left.Heard, right.Heard, align.Join(left.Heard, right.Heard, cut))
	joined.From, joined.To, joined.EndLogProb = left.From, right.To, right.EndLogProb
	return joined
}

// emptyOf returns the stretch of a piece without words.
func emptyOf(piece segment.Piece, least float64) []Empty {
	return []Empty{{Span: coreOf(piece), Least: least, Peak: piece.Peak()}}
}

// meets is how far stretches without words may be apart and still be merged: quiet parts are left out of them.
const meets = 2 * time.Second

// appendEmpty appends stretches, and merges two that meet.
func appendEmpty(list []Empty, more ...Empty) []Empty {
	for _, next := range more {
		if n := len(list); n > 0 && next.From <= list[n-1].To+meets {
			last := &list[n-1]
			last.To, last.Least, last.Peak = max(last.To, next.To), min(last.Least, next.Least), max(last.Peak, next.Peak)
			continue
		}
		list = append(list, next)
	}
	return list
}

// insertAside inserts a stretch in the order of time.
func insertAside(list []scout.SetAside, a scout.SetAside) []scout.SetAside {
	at := 0
	for at < len(list) && list[at].Start < a.Start {
		at++
	}
	return appendAside(nil, slices.Insert(slices.Clone(list), at, a)...)
}

// appendAside appends stretches, and merges two that meet and have the same reason.
func appendAside(list []scout.SetAside, more ...scout.SetAside) []scout.SetAside {
	for _, next := range more {
		if n := len(list); n > 0 && list[n-1].Code == next.Code && list[n-1].Reason == next.Reason && next.Start <= list[n-1].End {
			list[n-1].End = max(list[n-1].End, next.End)
			continue
		}
		list = append(list, next)
	}
	return list
}

func texts(words []scout.Word) []string {
	out := make([]string, len(words))
	for i := range words {
		out[i] = words[i].Text
	}
	return out
}
