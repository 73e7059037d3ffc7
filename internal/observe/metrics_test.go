package observe_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/observe/prom"
)

// errorCounts returns the value of scout_errors_total by code.
func errorCounts(t *testing.T, registry prom.Registry) map[scout.Code]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	counts := make(map[scout.Code]float64)
	for _, family := range families {
		if family.GetName() != "scout_errors_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			counts[scout.Code(metric.GetLabel()[0].GetValue())] = metric.GetCounter().GetValue()
		}
	}
	return counts
}

func TestEveryErrorCodeHasItsCounter(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	failures := observe.NewFailures(observe.NewScope(nil, registry, nil))
	codes := scout.Codes()
	if counts := errorCounts(t, registry); len(counts) != len(codes) {
		t.Errorf("%d series at the start, want one for each of %d codes", len(counts), len(codes))
	}
	for i, code := range codes {
		for range i + 1 { // a different number for each, so that no two can be confused
			err := scout.Errorf(code, "failed")
			if got := failures.Count(fmt.Errorf("piece 3: %w", err)); !errors.Is(got, err) {
				t.Fatalf("Count returned %v", got)
			}
		}
	}
	counts := errorCounts(t, registry)
	for i, code := range codes {
		if got := counts[code]; got != float64(i+1) {
			t.Errorf("scout_errors_total{code=%q} is %v, want %d", code, got, i+1)
		}
	}
}

func TestCountOfErrorsWithoutAKnownCode(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	failures := observe.NewFailures(observe.NewScope(nil, registry, nil))
	if err := failures.Count(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	for _, err := range []error{errors.New("odd"), scout.Errorf("code_of_another_build", "odd"), scout.Errorf("", "odd")} {
		if got := failures.Count(err); !errors.Is(got, err) {
			t.Errorf("Count returned %v", got)
		}
	}
	counts := errorCounts(t, registry)
	if got := counts[scout.CodeInternal]; got != 3 {
		t.Errorf("%v internal errors, want 3", got)
	}
	if len(counts) != len(scout.Codes()) {
		t.Errorf("%d series: the label is not bounded", len(counts))
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	registry := prom.NewRegistry()
	failures := observe.NewFailures(observe.NewScope(observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo), registry, nil))

	errOdd := errors.New("odd")
	if err := failures.Guard("engine", func() error { return errOdd }); !errors.Is(err, errOdd) {
		t.Errorf("an error became %v", err)
	}
	if err := failures.Guard("engine", func() error { return nil }); err != nil {
		t.Errorf("success became %v", err)
	}
	if lines.Len() > 0 {
		t.Errorf("logged without a panic: %s", lines.String())
	}
	for _, value := range []any{"index out of range", errOdd, 42, nil} {
		err := failures.Guard("store", func() error { panic(value) })
		if scout.CodeOf(err) != scout.CodeInternal || !strings.HasPrefix(err.Error(), "store panicked: ") {
			t.Errorf("panic(%v) became %v", value, err)
		}
	}
	want := `
		# HELP scout_panics_recovered_total Panics recovered at the border of a component; each is a defect.
		# TYPE scout_panics_recovered_total counter
		scout_panics_recovered_total{component="store"} 4
	`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "scout_panics_recovered_total"); err != nil {
		t.Error(err)
	}
	for _, part := range []string{`"msg":"panic_recovered"`, `"component":"store"`, `"error":"index out of range"`, "metrics_test.go"} {
		if !strings.Contains(lines.String(), part) {
			t.Errorf("the log lacks %s: %s", part, lines.String())
		}
	}
}

func TestRegisterSharesEqualMetrics(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	scope := observe.NewScope(nil, registry, nil)
	loads := func() *metric.CounterVec {
		return observe.Register(scope, metric.NewCounterVec(metric.Opts{Name: "scout_loads_total", Help: "Loads."}, []string{"model"}))
	}
	var all sync.WaitGroup
	for range 8 { // two components of a kind may start at the same time
		all.Go(func() { loads().WithLabelValues("tiny").Inc() })
	}
	all.Wait()
	if got := loads().WithLabelValues("tiny").Value(); got != 8 {
		t.Errorf("%v, want the 8 of all instances", got)
	}
}

func TestRegisterLogsAContradiction(t *testing.T) {
	t.Parallel()
	tests := map[string]func(observe.Scope){
		"other labels": func(s observe.Scope) {
			observe.Register(s, metric.NewCounterVec(metric.Opts{Name: "scout_loads_total", Help: "Loads."}, []string{"kind"})).WithLabelValues("live").Inc()
		},
		"other help": func(s observe.Scope) {
			observe.Register(s, metric.NewCounterVec(metric.Opts{Name: "scout_loads_total", Help: "Other."}, []string{"model"})).WithLabelValues("tiny").Inc()
		},
		"another type": func(s observe.Scope) {
			observe.Register(s, metric.NewGaugeVec(metric.Opts{Name: "scout_loads_total", Help: "Loads."}, []string{"model"})).WithLabelValues("tiny").Set(1)
		},
		"a name that is not valid": func(s observe.Scope) {
			observe.Register(s, metric.NewCounter(metric.Opts{Name: "\xff", Help: "Loads."})).Inc()
		},
	}
	for name, contradict := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines bytes.Buffer
			registry := prom.NewRegistry()
			scope := observe.NewScope(observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo), registry, nil)
			observe.Register(scope, metric.NewCounterVec(metric.Opts{Name: "scout_loads_total", Help: "Loads."}, []string{"model"}))
			contradict(scope) // works, but nobody reads it
			if !strings.Contains(lines.String(), `"msg":"`+"metric_rejected"+`"`) {
				t.Errorf("logged %q", lines.String())
			}
			if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
				t.Errorf("%d series, %v: the contradiction was registered", n, err)
			}
		})
	}
}

func TestMetricsPassTheLinter(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	failures := observe.NewFailures(observe.NewScope(nil, registry, nil))
	if err := failures.Guard("engine", func() error { panic("injected") }); err == nil {
		t.Error("the panic gave no error")
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestBucketsGrow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		buckets     []float64
		first, last float64
	}{
		"latency": {observe.LatencyBuckets(), 0.01, 3600}, // S7: 10 ms .. 1 h
		"load":    {observe.LoadBuckets(), 0.05, 60},      // S7: 50 ms .. 60 s
	} {
		if b := test.buckets; !slices.IsSorted(b) || len(slices.Compact(slices.Clone(b))) != len(b) || b[0] != test.first || b[len(b)-1] != test.last {
			t.Errorf("%s: %v", name, b)
		}
	}
}

// A component without a scope works too.
func TestZeroScope(t *testing.T) {
	t.Parallel()
	var scope observe.Scope
	scope.Log().Error("nobody reads this")
	scope.Component("engine").Log().Error("nor this")
	counter := observe.Register(scope, metric.NewCounter(metric.Opts{Name: "scout_loads_total", Help: "Loads."}))
	counter.Inc()
	if got := counter.Value(); got != 1 {
		t.Errorf("counter at %v, want 1", got)
	}
	failures := observe.NewFailures(scope)
	if err := failures.Count(failures.Guard("engine", func() error { panic("injected") })); scout.CodeOf(err) != scout.CodeInternal {
		t.Errorf("error %v", err)
	}
	_, span := scope.Tracer().Start(t.Context(), "decode")
	observe.EndSpan(span, nil)
}
