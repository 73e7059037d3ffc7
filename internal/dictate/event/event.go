// Package event defines the events of a dictation as they are kept in the journal and sent to clients.
// docs/formats/live-events.md describes them.
package event

import (
	"math"
	"time"

	"github.com/scout-speech/scout"
)

// The types of events.
const (
	State     = "state"
	Partial   = "partial"
	Committed = "committed"
	Gap       = "gap"
	Behind    = "behind"
	Trouble   = "trouble"
	Final     = "final"
	Revised   = "revised"
	Level     = "level"
	Missed    = "missed"
)

// The states of a dictation.
const (
	Starting  = "starting"  // no sound arrives yet, or any more
	Listening = "listening" // sound arrives
	Stopping  = "stopping"  // the stop was asked for
	Finishing = "finishing" // the recording has ended and its text has not
	Done      = "done"
	Failed    = "failed"
)

// Event is one event of a dictation. Which fields are set depends on its type.
type Event struct {
	// Seq numbers the events of a dictation from 1 without holes; 0 for those that are not kept.
	Seq  uint64 `json:"seq,omitempty"`
	Type string `json:"type"`

	State string   `json:"state,omitempty"`
	Error *Problem `json:"error,omitempty"`
	// Degradation is by how much Scout reduces its work; nil for not at all, or as before.
	Degradation *int `json:"degradation,omitempty"`

	Text string `json:"text,omitempty"`
	// Start and End are seconds on the clock of the recording.
	Start *float64 `json:"start,omitempty"`
	End   *float64 `json:"end,omitempty"`
	Words []Word   `json:"words,omitempty"`
	Aside []Aside  `json:"set_aside,omitempty"`
	// After is the number of the committed event that a partial text follows; 0 for the beginning.
	After uint64 `json:"after,omitempty"`

	StartFrame *uint64 `json:"start_frame,omitempty"`
	Frames     uint64  `json:"frames,omitempty"`
	Reason     string  `json:"reason,omitempty"`

	Delay *float64 `json:"delay_seconds,omitempty"`

	Version      int      `json:"version,omitempty"`
	Kind         string   `json:"kind,omitempty"`
	Duration     *float64 `json:"duration,omitempty"`
	StopToTextMS *int64   `json:"stop_to_text_ms,omitempty"`
	Complete     *bool    `json:"complete,omitempty"`
	Warnings     []string `json:"warnings,omitempty"`

	SecondPass *SecondPass `json:"second_pass,omitempty"`

	RMS   *float32 `json:"rms,omitempty"`
	Peak  *float32 `json:"peak,omitempty"`
	Count uint64   `json:"count,omitempty"`
}

// Outcomes of a second pass.
const (
	SecondPending   = "pending"   // with final: the text may be revised
	SecondPublished = "published" // the event revised has the version
	SecondSame      = "same"      // it heard the same
	SecondEdited    = "edited"    // somebody changed or removed the text first
	SecondFailed    = "failed"
	SecondNone      = "none" // there was none, and Error says why
)

// SecondPass is what becomes of the second pass over a dictation.
type SecondPass struct {
	Outcome string `json:"outcome"`
	// Model is that of the second pass; empty where none was chosen.
	Model string   `json:"model,omitempty"`
	Error *Problem `json:"error,omitempty"`
}

// Problem is what went wrong.
type Problem struct {
	Code    scout.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// ProblemOf describes an error, nil for none.
func ProblemOf(err error) *Problem {
	if err == nil {
		return nil
	}
	return &Problem{Code: scout.CodeOf(err), Message: scout.Plain(err), Hint: scout.HintOf(err)}
}

// Err is the error that the problem describes, nil for none.
func (p *Problem) Err() error {
	if p == nil {
		return nil
	}
	err := scout.Errorf(p.Code, "%s", p.Message)
	if p.Hint != "" {
		return err.WithHint("%s", p.Hint)
	}
	return err
}

// Word is one word with its place on the clock of the recording; the model may know neither place nor probability.
type Word struct {
	Text    string   `json:"text"`
	Start   *float64 `json:"start,omitempty"`
	End     *float64 `json:"end,omitempty"`
	LogProb *float64 `json:"logprob,omitempty"`
}

// Aside is audio that gave no text although it was tried.
type Aside struct {
	Start  float64    `json:"start"`
	End    float64    `json:"end"`
	Code   scout.Code `json:"code"`
	Reason string     `json:"reason"`
}

// Seconds is a length as it travels, to the millisecond.
func Seconds(d time.Duration) *float64 {
	s := math.Round(d.Seconds()*1000) / 1000
	return &s
}

// Length is the length that Seconds made, 0 for nil.
func Length(s *float64) time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(math.Round(*s*1000)) * time.Millisecond
}

// WordsOf are words as they travel.
func WordsOf(words []scout.Word) []Word {
	out := make([]Word, len(words))
	for i, w := range words {
		out[i] = Word{Text: w.Text, LogProb: w.LogProb}
		if w.Start != nil && w.End != nil {
			out[i].Start, out[i].End = Seconds(*w.Start), Seconds(*w.End)
		}
	}
	return out
}

// Spoken are the words of the event.
func (e *Event) Spoken() []scout.Word {
	out := make([]scout.Word, len(e.Words))
	for i, w := range e.Words {
		out[i] = scout.Word{Text: w.Text, LogProb: w.LogProb}
		if w.Start != nil && w.End != nil {
			start, end := Length(w.Start), Length(w.End)
			out[i].Start, out[i].End = &start, &end
		}
	}
	return out
}

// AsideOf is audio without text as it travels.
func AsideOf(list []scout.SetAside) []Aside {
	out := make([]Aside, len(list))
	for i, a := range list {
		out[i] = Aside{Start: *Seconds(a.Start), End: *Seconds(a.End), Code: a.Code, Reason: a.Reason}
	}
	return out
}

// SetAside is the audio of the event that gave no text.
func (e *Event) SetAside() []scout.SetAside {
	out := make([]scout.SetAside, len(e.Aside))
	for i, a := range e.Aside {
		out[i] = scout.SetAside{Start: Length(&a.Start), End: Length(&a.End), Code: a.Code, Reason: a.Reason}
	}
	return out
}
