package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	cpufeatures "golang.org/x/sys/cpu"

	"github.com/scout-speech/scout"
)

// engineSchema is the version of the JSON form of an EngineReport: docs/formats/bench.md.
const engineSchema = 1

// EngineReport is the outcome of RunEngine.
type EngineReport struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Setup   Setup     `json:"setup"`
	Figures []Figure  `json:"figures"`
}

// Machine describes the machine of a run.
type Machine struct {
	CPU  string `json:"cpu"`
	CPUs int    `json:"cpus"`
	// AVX2, AVX512 and VNNI say what the processor supports; VNNI is either form of it.
	AVX2   bool `json:"avx2"`
	AVX512 bool `json:"avx512"`
	VNNI   bool `json:"vnni"`
}

func machine() Machine {
	m := Machine{
		CPU: runtime.GOARCH, CPUs: runtime.NumCPU(), AVX2: cpufeatures.X86.HasAVX2, AVX512: cpufeatures.X86.HasAVX512F,
		VNNI: cpufeatures.X86.HasAVX512VNNI || cpufeatures.X86.HasAVXVNNI,
	}
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		m.CPU = info[0].ModelName
	}
	return m
}

// Unit is the unit of a figure.
type Unit string

// The units of figures.
const (
	UnitRatio  Unit = "ratio"  // to the yardstick, smaller is better
	UnitTimes  Unit = "times"  // of another state of the same engine
	UnitMS     Unit = "ms"     // milliseconds
	UnitMB     Unit = "MB"     // of 10^6 bytes
	UnitPoints Unit = "points" // percentage points, above the yardstick
)

// Figure is one measured value and its bound.
type Figure struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Unit Unit   `json:"unit"`
	// Value should be at most Bound, or at least Bound if AtLeast is set. A Bound of 0 means that there is none.
	Value   float64 `json:"value"`
	Bound   float64 `json:"bound,omitempty"`
	AtLeast bool    `json:"at_least,omitempty"`
	// None says that Value must be 0.
	None bool `json:"none,omitempty"`
	// Unmeasured says that there is no value, although there should be one: then OK is false.
	Unmeasured bool `json:"unmeasured,omitempty"`
	// Aim is the goal beyond the bound, 0 if there is none.
	Aim float64 `json:"aim,omitempty"`
	OK  bool    `json:"ok"`
	// Scout and Yardstick are the two sides of a comparison: milliseconds, per cent or MB.
	Scout     float64 `json:"scout,omitempty"`
	Yardstick float64 `json:"yardstick,omitempty"`
	// Against names the other side if it is not the yardstick.
	Against string `json:"against,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

func (r *EngineReport) add(f Figure) {
	f.OK = f.Bound == 0 || f.AtLeast && f.Value >= f.Bound || !f.AtLeast && f.Value <= f.Bound
	r.Figures = append(r.Figures, f)
}

// ratio adds the ratio of medians. f has the names, the bound and the aim.
func (r *EngineReport) ratio(f Figure, ours, yardstick []time.Duration) {
	f.Unit, f.Scout, f.Yardstick = UnitRatio, median(ours), median(yardstick)
	f.Value = f.Scout / f.Yardstick
	r.add(f)
}

// memory adds a peak, and that of the yardstick if there is one. f has the names, and the bound and the aim in MB.
func (r *EngineReport) memory(f Figure, peak, yardstick int64) {
	f.Unit, f.Value = UnitMB, megabytes(peak)
	if yardstick > 0 {
		f.Scout, f.Yardstick = f.Value, megabytes(yardstick)
	}
	r.add(f)
}

// median returns the median in milliseconds.
func median(times []time.Duration) float64 { return SpreadOf(times).P50 }

// WriteJSON writes the report as docs/formats/bench.md describes it.
func (r *EngineReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return scout.FileError(scout.CodeWriteFailed, "write benchmark result", e.Encode(r))
}

// WriteTable writes the report for people.
func (r *EngineReport) WriteTable(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s, %d CPUs, %s; model %s, one thread\nyardstick: sherpa-onnx with its own defaults, in the same run\n\n",
		r.Machine.CPU, r.Machine.CPUs, r.Machine.features(), r.Setup.Model)
	t := newTable(w)
	t.line("figure\tvalue\tbound\taim\t\tscout\tyardstick\t")
	for _, f := range r.Figures {
		verdict := "ok"
		switch {
		case !f.OK:
			verdict = "SHORT"
		case f.Bound == 0:
			verdict = ""
		}
		t.line("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", f.Name, f.number(f.Value), f.limit(f.Bound), f.limit(f.Aim), verdict, f.side(f.Scout), f.other(), f.Detail)
	}
	return errors.Join(scout.FileError(scout.CodeWriteFailed, "write benchmark table", err), t.close("write benchmark table"))
}

func (m Machine) features() string {
	switch {
	case m.VNNI:
		return "AVX2 and VNNI"
	case m.AVX2:
		return "AVX2, no VNNI"
	case runtime.GOARCH == "amd64":
		return "no AVX2"
	}
	return runtime.GOARCH
}

func (f Figure) number(v float64) string {
	switch f.Unit {
	case UnitMB:
		return fmt.Sprintf("%.0f MB", v)
	case UnitMS:
		return fmt.Sprintf("%.1f ms", v)
	case UnitPoints:
		return fmt.Sprintf("%+.2f", v)
	case UnitShare:
		return fmt.Sprintf("%.1f %%", v)
	case UnitWords, UnitTakes, UnitCount:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (f Figure) limit(v float64) string {
	switch {
	case v == 0:
		return ""
	case f.AtLeast:
		return ">= " + f.number(v)
	}
	return "<= " + f.number(v)
}

func (f Figure) side(v float64) string {
	switch {
	case v == 0:
		return ""
	case f.Unit == UnitPoints:
		return fmt.Sprintf("%.2f %%", v)
	case f.Unit == UnitMB:
		return fmt.Sprintf("%.0f MB", v)
	}
	return fmt.Sprintf("%.1f ms", v)
}

func (f Figure) other() string {
	if f.Against == "" || f.Yardstick == 0 {
		return f.side(f.Yardstick)
	}
	return f.side(f.Yardstick) + " " + f.Against
}
