package bench

import (
	"strings"
	"testing"
	"time"
)

// What the encoder still had to do is not held against a cancel, and nothing else is forgiven.
func TestCancelsBeyondTheEncodersRest(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		after, took time.Duration
		beyond      float64 // ms
		ok          bool
	}{
		"while the encoder runs, to its end":   {10 * ms, 30 * ms, 0, true},
		"while the encoder runs, before it":    {10 * ms, 2 * ms, 0, true},
		"while the encoder runs, and a token":  {10 * ms, 35 * ms, 5, true},
		"while the encoder runs, and far more": {10 * ms, 70 * ms, 40, false},
		"as the encoder ends":                  {40 * ms, 4 * ms, 4, true},
		"while tokens are decoded":             {60 * ms, 3 * ms, 3, true},
		"while tokens are decoded, too long":   {60 * ms, 6 * ms, 6, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cancelled := cancels{encoder: 40 * ms}
			cancelled.add(c.after, c.took)
			report := &EngineReport{}
			report.add(cancelled.figure())
			f := report.Figures[0]
			if f.Value != c.beyond || f.OK != c.ok {
				t.Errorf("%v ms, ok %v; want %v ms, %v", f.Value, f.OK, c.beyond, c.ok)
			}
		})
	}
	var cancelled cancels
	cancelled.encoder = 40 * ms
	cancelled.add(20*ms, 15*ms)
	cancelled.add(50*ms, 3*ms)
	f := cancelled.figure()
	for _, want := range []string{"median 9.0", "longest 15.0", "1 in the encoder of 40 ms p99 15.0", "1 later p99 3.0"} {
		if !strings.Contains(f.Detail, want) {
			t.Errorf("%q does not say %q", f.Detail, want)
		}
	}
}
