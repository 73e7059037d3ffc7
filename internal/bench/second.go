package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// SecondClip is what both passes of a dictation made of a clip. It can be stored as JSON.
type SecondClip struct {
	File      string        `json:"file"`
	Language  string        `json:"language,omitempty"`
	Reference string        `json:"reference"`
	Seconds   float64       `json:"seconds"`
	First     []scout.Word  `json:"first"`
	Pieces    []VotePiece   `json:"pieces"`
	Unheard   []speech.Span `json:"unheard,omitempty"`
	CPU       VoteCPU       `json:"cpu_seconds"`
	// Late are the times from a stop to the text of the second pass, without what the first pass takes.
	Late []time.Duration `json:"late_ns,omitempty"`
}

// second is what the second pass heard, with the fast model's words where take says so.
func (c *SecondClip) second(take func(*vote.Difference) bool) speech.SecondText {
	text := speech.SecondText{Unheard: c.Unheard}
	joiner := speech.NewJoiner(speech.JoinerState{}, func(s scout.Segment) { text.Words = append(text.Words, s.Words...) })
	for _, p := range c.Pieces {
		d := p.Decoded
		d.Words = slices.Clone(d.Words)
		if p.Ballot != nil {
			d.Words = p.Ballot.Words(take)
		}
		joiner.Add(d)
	}
	joiner.Finish()
	return text
}

// SecondRow is a text that could be published, and how wrong it is.
type SecondRow struct {
	Name  string `json:"name"`
	Short Rate   `json:"wer_short"`
	Long  Rate   `json:"wer_long"`
	All   Rate   `json:"wer"`
}

// SecondReport says how good and how quick the second pass over dictations is.
type SecondReport struct {
	Clips int         `json:"clips"`
	Words int         `json:"words"`
	Rows  []SecondRow `json:"rows"`
	// CPU is processor time in seconds for each second of audio; scores are of all differences.
	CPU VoteCPU `json:"cpu_ratio"`
	// Late is from a stop to the text of the second pass, without what the first pass takes. Within is the share of stops after which
	// it is there within InsertWait.
	Late   Spread  `json:"stop_to_second_ms"`
	Within float64 `json:"within_insert_wait"`
}

// Seconds judges second passes over clips. Rule is that of the vote, whose second key counts only where the clips have scores.
func Seconds(clips []SecondClip, normaliser Normaliser, rule vote.Rule) *SecondReport {
	r := &SecondReport{Clips: len(clips)}
	nothing := func(*vote.Difference) bool { return false }
	texts := []struct {
		name string
		of   func(c *SecondClip) string
	}{
		{"first pass", func(c *SecondClip) string { return spelt(c.First) }},
		{"second pass alone", func(c *SecondClip) string { return spelt(c.second(nothing).Words) }},
		{"published", func(c *SecondClip) string { return c.published(nothing) }},
		{"published with the vote", func(c *SecondClip) string { return c.published(rule.Takes) }},
		{"second pass alone with the vote", func(c *SecondClip) string { return spelt(c.second(rule.Takes).Words) }},
	}
	var seconds float64
	var late []time.Duration
	for i := range clips {
		c := &clips[i]
		seconds, late = seconds+c.Seconds, append(late, c.Late...)
		r.CPU = r.CPU.plus(c.CPU)
	}
	for _, text := range texts {
		var short, long, all []share
		for i := range clips {
			c := &clips[i]
			edits := CountEdits(normaliser.Units(c.Reference, c.Language), normaliser.Units(text.of(c), c.Language))
			all = append(all, edits.share())
			if c.Seconds <= LongAudio.Seconds() {
				short = append(short, edits.share())
			} else {
				long = append(long, edits.share())
			}
		}
		row := SecondRow{Name: text.name}
		for _, group := range []struct {
			of   []share
			into *Rate
		}{{short, &row.Short}, {long, &row.Long}, {all, &row.All}} {
			if rate := rateOf(group.of); rate != nil {
				*group.into = *rate
			}
		}
		r.Rows = append(r.Rows, row)
		r.Words = 0
		for _, s := range all {
			r.Words += int(s.length)
		}
	}
	r.CPU, r.Late = r.CPU.over(seconds), SpreadOf(late)
	for _, d := range late {
		if d <= InsertWait {
			r.Within += 1 / float64(len(late))
		}
	}
	return r
}

// published is the text of both passes.
func (c *SecondClip) published(take func(*vote.Difference) bool) string {
	text := c.second(take)
	return spelt(speech.Revise(c.First, &text, nil).Words)
}

// spelt is a text in one line.
func spelt(words []scout.Word) string {
	list := make([]string, len(words))
	for i := range words {
		list[i] = words[i].Text
	}
	return strings.Join(list, " ")
}

// WriteJSON writes the report as JSON.
func (r *SecondReport) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return scout.FileError(scout.CodeWriteFailed, "write report", encoder.Encode(r))
}

// WriteTable writes the report for people.
func (r *SecondReport) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.line("%d clips, %d words", r.Clips, r.Words)
	t.line("")
	t.line("text\tshort\tlong\tall\t95 %%\t")
	for _, row := range r.Rows {
		t.line("%s\t%.2f %%\t%.2f %%\t%.2f %%\t%.2f to %.2f\t", row.Name, 100*row.Short.Value, 100*row.Long.Value, 100*row.All.Value, 100*row.All.Low, 100*row.All.High)
	}
	t.line("")
	t.line("processor time for a second of audio: second pass %.4f, scores of all differences %.4f and %.4f; first pass %.4f", r.CPU.Accurate, r.CPU.AccurateScores, r.CPU.FastScores, r.CPU.Fast)
	if r.Late.Count > 0 {
		t.line("stop to second, without the first pass: %d, p50 %.0f ms, p95 %.0f ms, longest %.0f ms; within %d ms: %s",
			r.Late.Count, r.Late.P50, r.Late.P95, r.Late.Max, InsertWait.Milliseconds(), fmt.Sprintf("%.0f %%", 100*r.Within))
	}
	return t.close("write table of second passes")
}
