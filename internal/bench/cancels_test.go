package bench

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The rest of the encoder's work does not count against a cancel; everything else does.
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
			cancelled.add(c.after, c.took, 0)
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
	cancelled.add(20*ms, 15*ms, 2*ms)
	cancelled.add(50*ms, 3*ms, 2*ms)
	f := cancelled.figure()
	for _, want := range []string{"median 9.0", "longest 15.0", "1 in the encoder of 40 ms p99 15.0", "1 later p99 3.0", "waits for a processor p99 2.0"} {
		if !strings.Contains(f.Detail, want) {
			t.Errorf("%q does not say %q", f.Detail, want)
		}
	}
}

// Only the wait between the two measurements counts, of a thread that is in both or that began in between.
func TestQueuedSince(t *testing.T) {
	t.Parallel()
	before := queued{"a": time.Second, "b": time.Minute, "gone": time.Hour}
	after := queued{"a": 3 * time.Second, "b": time.Minute, "new": time.Millisecond}
	if got := after.since(before); got != 2*time.Second {
		t.Errorf("%v waited", got)
	}
	if got := (queued{}).since(before); got != 0 {
		t.Errorf("%v waited where nothing is told", got)
	}
	q := queuedOf(os.Getpid())
	if runtime.GOOS == "linux" && len(q) == 0 {
		if _, err := os.Stat("/proc/self/schedstat"); err == nil {
			t.Error("no thread of this process was found")
		}
	}
	for thread, waited := range q {
		if waited < 0 {
			t.Errorf("%s waited %v", thread, waited)
		}
	}
}
