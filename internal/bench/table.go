package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/scout-speech/scout"
)

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.line("file\tlength\twords\tWER\tCER\tsub\tdel\tins\tRTF\t")
	for _, f := range r.Files {
		s := scoreOf([]File{f}, func(File) bool { return true })
		note := ""
		if f.Error != nil {
			note = "failed: " + string(f.Error.Code)
			if f.Text != "" {
				note = "text incomplete: " + string(f.Error.Code)
			}
		}
		t.line("%s\t%.1f s\t%d\t%s\t%s\t%d\t%d\t%d\t%.3f\t%s", f.File, f.Audio, f.Words.Reference, percent(s.WER), percent(s.CER),
			f.Words.Substituted, f.Words.Deleted, f.Words.Inserted, s.RTF, note)
	}
	t.line("")
	t.line("group\tfiles\tlength\twords\tWER [95 %%]\tCER [95 %%]\tsub\tdel\tins\tRTF\t")
	for _, g := range []struct {
		name  string
		score Score
	}{{"short, up to 30 s", r.Short}, {"long, over 30 s", r.Long}, {"total", r.Total}} {
		s := g.score
		if s.Files == 0 {
			continue
		}
		note := ""
		if s.Failed > 0 {
			note = fmt.Sprintf("%d failed, words without a text count as deleted", s.Failed)
		}
		t.line("%s\t%d\t%.1f s\t%d\t%s\t%s\t%d\t%d\t%d\t%.3f\t%s", g.name, s.Files, s.Audio, s.Words.Reference, withInterval(s.WER),
			withInterval(s.CER), s.Words.Substituted, s.Words.Deleted, s.Words.Inserted, s.RTF, note)
	}
	r.writeLanguages(t)
	t.line("")
	t.line("without an error: %d of %d clips; empty: %d", r.Total.Right, r.Total.Files, r.Total.Empty)
	if repeated := r.Total.Repeated; repeated != (Repeated{}) {
		t.line("said again: %d loops, %d phrases twice; %d real repetitions shortened", repeated.Loops, repeated.Twice, repeated.Lost)
	}
	if d := r.Decodes; d.Count > 0 {
		t.line("decodes: %d, p50 %.0f ms, p95 %.0f ms, p99 %.0f ms, longest %.0f ms", d.Count, d.P50, d.P95, d.P99, d.Max)
	}
	if c := r.Confidence; c != nil {
		t.line("probability: AUC %.3f for right against wrong words (%d heard, %d wrong)", c.AUC, c.Words, c.Wrong)
	}
	if m := r.Memory; m != nil {
		parts := make([]string, 0, len(m.Processes))
		for _, p := range m.Processes {
			parts = append(parts, fmt.Sprintf("%s %.1f", p.Name, megabytes(p.Peak)))
		}
		t.line("memory: peak %.1f MB resident in all processes, at most %.1f MB (%s)", megabytes(m.Peak), megabytes(m.Bound), strings.Join(parts, ", "))
	}
	return t.close("write benchmark table")
}

// writeLanguages adds a line for each language.
func (r *Report) writeLanguages(t *table) {
	if len(r.Languages) == 0 {
		return
	}
	t.line("")
	t.line("language\tfiles\tlength\terrors [95 %%]\tcounted in\tlanguage heard right\t")
	for i := range r.Languages {
		l := &r.Languages[i]
		name, right := l.Language, "-"
		if name == "" {
			name = "all"
		}
		if l.Heard > 0 {
			right = fmt.Sprintf("%d of %d", l.Right, l.Heard)
		}
		t.line("%s\t%d\t%.1f s\t%s\t%ss\t%s\t", name, l.Files, l.Audio, withInterval(l.Rate()), l.Unit, right)
	}
}

// WritePeer writes the comparison with the peer for people.
func (r *Report) WritePeer(w io.Writer) error {
	t := newTable(w)
	peer := r.Peer
	t.line("beside\tfiles\twords\terrors\tWER\tCER\tengine\taudio in a second of it\tpeak memory\t")
	for _, side := range []struct {
		name   string
		score  Score
		memory *Memory
	}{{"scout, " + r.Setup.Model, r.Total, r.Memory}, {peer.Setup.Version, peer.Total, peer.Memory}} {
		speed, memory := "-", "-"
		if side.memory != nil {
			memory = fmt.Sprintf("%.0f MB", megabytes(side.memory.Peak))
		}
		if side.score.CPU > 0 {
			speed = fmt.Sprintf("%.1f s", side.score.Audio/side.score.CPU)
		}
		t.line("%s\t%d\t%d\t%d\t%s\t%s\t%.1f s\t%s\t%s\t", side.name, side.score.Files, side.score.Words.Reference, side.score.Words.Errors(),
			percent(side.score.WER), percent(side.score.CER), side.score.CPU, speed, memory)
	}
	t.line("")
	if err := t.close("write comparison"); err != nil {
		return err
	}
	return r.AgainstPeer.write(w, names{"against the peer", "peer", "scout", "the peer's"})
}

// WriteTable writes the comparison for people.
func (c Comparison) WriteTable(w io.Writer) error {
	return c.write(w, names{"against the baseline", "before", "now", "the baseline's"})
}

// names are what the sides of a comparison are called.
type names struct{ title, before, now, ofBefore string }

func (c Comparison) write(w io.Writer, n names) error {
	t := newTable(w)
	t.line("%s\tfiles\tWER %s\tWER %s\tchange [95 %%]\t", n.title, n.before, n.now)
	for _, g := range []struct {
		name   string
		change Change
	}{{"short, up to 30 s", c.Short}, {"long, over 30 s", c.Long}, {"total", c.Total}} {
		t.change(g.name, g.change)
	}
	if c.Characters != nil {
		t.change("in characters", *c.Characters)
	}
	for _, code := range slices.Sorted(maps.Keys(c.Languages)) {
		t.change(code, c.Languages[code])
	}
	t.line("")
	for _, r := range []struct {
		name  string
		ratio float64
	}{
		{"RTF", c.RTF},
		{"median decode", c.Decode},
		{"peak memory", c.Memory},
		{"processor time", c.CPU},
		{"processor time under 10 s", c.CPUBrief},
		{"processor time over 30 s", c.CPULong},
	} {
		if r.ratio > 0 {
			t.line("%s: %.2f times %s", r.name, r.ratio, n.ofBefore)
		}
	}
	if len(c.OnlyBefore)+len(c.OnlyAfter) > 0 {
		t.line("not compared: %d files of this run, %d of the baseline", len(c.OnlyAfter), len(c.OnlyBefore))
	}
	return t.close("write comparison")
}

// change adds a line.
func (t *table) change(name string, d Change) {
	if d.Files > 0 {
		t.line("%s\t%d\t%.2f %%\t%.2f %%\t%+.2f [%+.2f, %+.2f]\t", name, d.Files, 100*d.Before, 100*d.After,
			100*d.Delta.Value, 100*d.Delta.Low, 100*d.Delta.High)
	}
}

// table keeps its first error.
type table struct {
	w   *tabwriter.Writer
	err error
}

func newTable(w io.Writer) *table { return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

func (t *table) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *table) close(doing string) error {
	if err := t.w.Flush(); t.err == nil {
		t.err = err
	}
	return scout.FileError(scout.CodeWriteFailed, doing, t.err)
}

func percent(r *Rate) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*r.Value)
}

func withInterval(r *Rate) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f %% [%.1f, %.1f]", 100*r.Value, 100*r.Low, 100*r.High)
}

// megabytes returns units of 10^6 bytes, as in the limits of the requirements.
func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
