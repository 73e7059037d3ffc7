package bench

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/scout-speech/scout"
)

// WriteJSON writes the report as docs/formats/bench.md describes it.
func (r *ServiceReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return scout.FileError(scout.CodeWriteFailed, "write benchmark result", e.Encode(r))
}

// WriteTable writes the report for people: a line for each figure, and whether it is met.
func (r *ServiceReport) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.line("%s, model %s", r.Setup.CPU, r.Setup.Model)
	t.line("")
	met, bounded := 0, 0
	for i := range r.Figures {
		f := &r.Figures[i]
		if f.bounded() {
			bounded++
		}
		if f.bounded() && f.OK {
			met++
		}
		value := f.number(f.Value)
		if f.Unmeasured {
			value = "-"
		}
		t.line("%s\t%s\t%s\t%s\t%s", f.verdict(), f.Name, value, f.most(), f.Detail)
	}
	t.line("")
	t.line("%s", fmt.Sprintf("%d of %d bounds are met", met, bounded))
	return t.close("write benchmark table")
}

// verdict is whether the bound is met; empty if there is none.
func (f *Figure) verdict() string {
	switch {
	case f.Unmeasured:
		return "NOT MEASURED"
	case !f.bounded():
		return ""
	case f.OK:
		return "met"
	}
	return "SHORT"
}
