package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/scout-speech/scout"
)

// WriteJSON writes the report as docs/formats/bench.md describes it.
func (r *LiveReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return scout.FileError(scout.CodeWriteFailed, "write benchmark result", e.Encode(r))
}

// WriteTable writes the report for people.
func (r *LiveReport) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.line("%s, model %s, clock: %s, sound: %s", r.Setup.CPU, r.Setup.Model, r.Clock, r.Device)
	t.line("")
	t.line("dictation\tn\tstop to text p50\tp95\tp99\tmax\tbare decode p50\tratio\ttail p50\t")
	for _, g := range r.Groups {
		s := g.StopToText
		t.line("%s\t%d\t%.0f ms\t%.0f\t%.0f\t%.0f\t%.0f ms\t%.2f\t%.1f s\t", g.Name, s.Count, s.P50, s.P95, s.P99, s.Max, g.Bare.P50, g.Ratio, g.Tail.P50/1000)
	}
	t.line("")
	moments, _ := StopMoments()
	names := make([]string, len(moments))
	for i, m := range moments {
		names[i] = strings.ReplaceAll(string(m), "_", " ")
	}
	t.line("longest, by moment\t%s\t", strings.Join(names, "\t"))
	for _, g := range r.Groups {
		cells := make([]string, len(moments))
		for i, m := range moments {
			cells[i] = "-"
			if s := g.ByMoment[m]; s.Count > 0 {
				cells[i] = fmt.Sprintf("%.0f ms", s.Max)
			}
		}
		t.line("%s\t%s\t", g.Name, strings.Join(cells, "\t"))
	}
	t.line("")
	spread := func(name string, s Spread) {
		t.line("%s: %d, p50 %.0f ms, p95 %.0f ms, p99 %.0f ms, longest %.0f ms", name, s.Count, s.P50, s.P95, s.P99, s.Max)
	}
	spread("stop to text, all lengths", r.StopToText)
	spread("first partial text after the first word", r.FirstPartial)
	spread("commit after the end of a word", r.Commit)
	t.line("committed words: %d, of which changed later: %d; flicker: %.2f words for each final word", r.Committed, r.Changed, r.Flicker)
	t.line("processor: %.1f %% of one core", 100*r.CPUShare)
	t.line("")
	r.writeWords(t)
	t.line("")
	r.writeSecond(t)
	writeFigures(t, r.Figures)
	return t.close("write benchmark table")
}

// writeWords writes the word errors of the groups.
func (r *LiveReport) writeWords(t *table) {
	t.line("dictation\twords\tempty\tfirst missing\tall right\tWER live\tsingle pass\tdifference\tdeleted\tinserted\tends differ\tcapitals differ\t")
	for i := range r.Groups {
		g := &r.Groups[i]
		if g.Live == nil {
			t.line("%s\t%d\t%d\t%d\t-\t-\t-\t-\t-\t-\t-\t-\t", g.Name, g.Words, g.Empty, g.FirstMissing)
			continue
		}
		l, s, m := g.Live.Words, g.Single.Words, *cmp.Or(g.Marks, &LiveMarks{})
		t.line("%s\t%d\t%d\t%d\t%d\t%.2f %%\t%.2f %%\t%+.2f\t%+d\t%+d\t%d of %d\t%d of %d\t", g.Name, g.Words, g.Empty, g.FirstMissing, g.Right,
			100*g.Live.WER, 100*g.Single.WER, g.Points, l.Deleted-s.Deleted, l.Inserted-s.Inserted, m.EndsDiffer, m.Ends, m.CapitalsDiffer, m.Capitals)
	}
}

// writeFigures writes what was promised and what was measured.
func writeFigures(t *table, figures []Figure) {
	t.line("figure\tvalue\tbound\taim\t\t")
	for _, f := range figures {
		verdict := "ok"
		switch {
		case !f.OK:
			verdict = "SHORT"
		case !f.bounded():
			verdict = ""
		}
		t.line("%s\t%s\t%s\t%s\t%s\t%s", f.Name, f.number(f.Value), f.most(), f.limit(f.Aim), verdict, f.Detail)
	}
}
