package speech

import (
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Decoded is what became of one piece of audio. A Decoder returns it and a Joiner takes it; it can be kept as JSON.
type Decoded struct {
	// Heard are the words, with the audio that was listened to, context included.
	align.Heard
	// Core is the stretch that belongs to this piece alone.
	Core Span `json:"core"`
	// Tokens is how many tokens have a log-probability, and LogProb the sum of these.
	Tokens  int     `json:"tokens,omitempty"`
	LogProb float64 `json:"log_prob,omitempty"`
	// SetAside are the stretches that could not be turned into text, in the order of time.
	SetAside []scout.SetAside `json:"set_aside,omitempty"`
	// Empty are the stretches in which no words were found although they are not even, and which are not set aside.
	Empty []Empty `json:"empty,omitempty"`
	// Peak is the level of the loudest 20 ms, in dBFS.
	Peak float64 `json:"peak"`
	// Failed is true where the engine could not decode any of it.
	Failed bool `json:"failed,omitempty"`

	rescued bool // some of its words were only found in another way
}

// Empty is a stretch without words.
type Empty struct {
	Span
	// Least is the lowest log-probability with which the model said that there are none, 0 where it told none.
	Least float64 `json:"least"`
	// Peak is the level of its loudest 20 ms in dBFS.
	Peak float64 `json:"peak"`
}

// Span is a stretch of the input.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// confidence is the mean log-probability of the tokens.
func (d *Decoded) confidence() float64 { return d.LogProb / float64(max(d.Tokens, 1)) }

// replace takes over other words in the same audio. How many tokens they have is not known: the number stays, which
// makes the mean of the log-probabilities an estimate.
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

// joinHalves makes one of two neighbours whose cores meet at cut.
func joinHalves(left, right Decoded, cut time.Duration) Decoded {
	joined := Decoded{
		Core: Span{left.Core.From, right.Core.To}, Tokens: left.Tokens + right.Tokens, LogProb: left.LogProb + right.LogProb,
		SetAside: appendAside(left.SetAside, right.SetAside...), Empty: append(left.Empty, right.Empty...), Failed: left.Failed && right.Failed,
		rescued: left.rescued || right.rescued,
	}
	joined.Words = align.Splice(left.Heard, right.Heard, align.Join(left.Heard, right.Heard, cut))
	joined.From, joined.To, joined.EndLogProb = left.From, right.To, right.EndLogProb
	return joined
}

// emptyOf is a piece without words.
func emptyOf(piece segment.Piece, least float64) []Empty {
	return []Empty{{Span: coreOf(piece), Least: least, Peak: piece.Peak()}}
}

// meets is by how much stretches without words may be apart and still be one: quiet parts are left out of them.
const meets = 2 * time.Second

// appendEmpty adds stretches behind others, and makes one of two that meet.
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

// insertAside puts a stretch in its place among others.
func insertAside(list []scout.SetAside, a scout.SetAside) []scout.SetAside {
	at := 0
	for at < len(list) && list[at].Start < a.Start {
		at++
	}
	return appendAside(nil, slices.Insert(slices.Clone(list), at, a)...)
}

// appendAside adds stretches behind others, and makes one of two that meet and have the same reason.
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
