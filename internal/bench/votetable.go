package bench

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/scout-speech/scout"
)

// WriteJSON writes the report as JSON.
func (r *VoteReport) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write report", err)
	}
	return nil
}

// WriteTable writes the report for people.
func (r *VoteReport) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.line("learned: m > %.2f w + %.2f; measured with: m > %.2f w + %.2f, and both models together for it", r.Learned.Slope, r.Learned.Offset, r.Used.Slope, r.Used.Offset)
	t.line("")
	t.line("group\tclips\twords\tfast\taccurate\twith the vote\tchange [95 %%]\tcross-validated\tbest choice\tdiffer\tkey 1\ttaken\tbetter\tworse\t")
	for _, g := range r.Groups {
		if g.Files == 0 {
			continue
		}
		cross := ""
		if g.Cross != nil {
			cross = fmt.Sprintf("%.2f", 100*g.Cross.After)
		}
		d := g.Change.Delta
		t.line("%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t%+.2f [%+.2f, %+.2f]\t%s\t%.2f\t%d\t%d\t%d\t%d\t%d\t", g.Name, g.Files, g.Words, 100*g.Fast, 100*g.Change.Before, 100*g.Change.After,
			100*d.Value, 100*d.Low, 100*d.High, cross, 100*g.Oracle, g.Differences, g.Opened, g.Taken, g.Better, g.Worse)
	}
	t.line("")
	t.line("other rules\tshort\tlong\tall\t")
	for _, a := range r.Around {
		t.line("m > %.1f w + %.1f\t%.2f\t%.2f\t%.2f\t", a.Rule.Slope, a.Rule.Offset, 100*a.Short, 100*a.Long, 100*a.All)
	}
	t.line("")
	t.line("processor time for a second of audio: accurate %.4f, scores of all differences %.4f; fast %.4f, scores %.4f",
		r.CPU.Accurate, r.CPU.AccurateScores, r.CPU.Fast, r.CPU.FastScores)
	if len(r.Each) > 0 {
		t.line("")
		t.line("taken in\taccurate\tfast\terrors fewer\t")
		for _, e := range r.Each {
			t.line("%s\t%s\t%s\t%+d\t", e.File, e.Accurate, e.Fast, e.Gain)
		}
	}
	return t.close("write table of votes")
}
