package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOverall(t *testing.T) {
	t.Parallel()
	critical := func(name string, status health.Status, reason string) health.Component {
		return health.Component{Name: name, Status: status, Reason: reason, Critical: true}
	}
	optional := func(name string, status health.Status, reason string) health.Component {
		return health.Component{Name: name, Status: status, Reason: reason}
	}
	tests := map[string]struct {
		components []health.Component
		want       health.Status
		reasons    []string
	}{
		"nothing checked is not health": {nil, health.Unknown, []string{"nothing was checked"}},
		"all well":                      {[]health.Component{critical("engine", health.Healthy, ""), optional("audio", health.Healthy, "")}, health.Healthy, nil},
		"a critical component fails": {
			[]health.Component{critical("disk", health.Unhealthy, "full"), optional("audio", health.Healthy, "")},
			health.Unhealthy,
			[]string{"disk is Unhealthy: full"},
		},
		"an optional component fails: a missing microphone leaves the rest usable": {
			[]health.Component{critical("engine", health.Healthy, ""), optional("audio", health.Unhealthy, "no device")},
			health.Degraded,
			[]string{"audio is Unhealthy: no device"},
		},
		"a critical component is degraded": {
			[]health.Component{critical("disk", health.Degraded, "an hour left")}, health.Degraded, []string{"disk is Degraded: an hour left"},
		},
		"a critical component is unknown": {
			[]health.Component{critical("engine", health.Unknown, "not tried yet")}, health.Unknown, []string{"engine is Unknown: not tried yet"},
		},
		"an optional component is unknown": {
			[]health.Component{optional("audio", health.Unknown, "not tried yet")}, health.Degraded, []string{"audio is Unknown: not tried yet"},
		},
		"unhealthy weighs more than unknown, whatever the order": {
			[]health.Component{critical("a", health.Unhealthy, "x"), critical("b", health.Unknown, "y"), critical("c", health.Degraded, "z")},
			health.Unhealthy,
			[]string{"a is Unhealthy: x", "b is Unknown: y", "c is Degraded: z"},
		},
		"unknown weighs more than degraded, whatever the order": {
			[]health.Component{critical("c", health.Degraded, "z"), critical("b", health.Unknown, "y"), optional("a", health.Unhealthy, "x")},
			health.Unknown,
			[]string{"c is Degraded: z", "b is Unknown: y", "a is Unhealthy: x"},
		},
		"a reason may be missing": {[]health.Component{critical("disk", health.Unhealthy, "")}, health.Unhealthy, []string{"disk is Unhealthy"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, reasons := health.Overall(test.components, nil)
			if got != test.want || !slices.Equal(reasons, test.reasons) {
				t.Errorf("%s because %q, want %s because %q", got, reasons, test.want, test.reasons)
			}
		})
	}
}

// For any components: the whole is Healthy exactly if all are, and Unhealthy exactly if a critical one is. Each
// component that is not Healthy is a reason. The order of the components changes nothing.
func TestOverallRules(t *testing.T) {
	t.Parallel()
	statuses := []health.Status{health.Healthy, health.Degraded, health.Unhealthy, health.Unknown}
	rapid.Check(t, func(t *rapid.T) {
		components := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) health.Component {
			return health.Component{
				Name: "c", Status: rapid.SampledFrom(statuses).Draw(t, "status"), Critical: rapid.Bool().Draw(t, "critical"),
			}
		}), 1, 8).Draw(t, "components")
		got, reasons := health.Overall(components, nil)
		sick, down := 0, false
		for _, c := range components {
			if c.Status != health.Healthy {
				sick++
			}
			down = down || c.Critical && c.Status == health.Unhealthy
		}
		if (got == health.Healthy) != (sick == 0) || (got == health.Unhealthy) != down || len(reasons) != sick {
			t.Fatalf("%s because %q for %+v", got, reasons, components)
		}
		slices.Reverse(components)
		if reversed, _ := health.Overall(components, nil); reversed != got {
			t.Fatalf("%s, but %s in reverse order", got, reversed)
		}
	})
}

// What is not known any more is no reason to call the whole unknown.
func TestOverallOfWhatWasKnownBefore(t *testing.T) {
	t.Parallel()
	engine := []health.Component{{Name: "engine", Status: health.Unknown, Reason: "not waited for", Critical: true}}
	for name, want := range map[string]health.Status{"engine": health.Degraded, "store": health.Unknown} {
		if got, reasons := health.Overall(engine, func(known string) bool { return known == name }); got != want || len(reasons) != 1 {
			t.Errorf("%s was known: %s %q, want %s", name, got, reasons, want)
		}
	}
}

const tooLate = 2 * time.Hour

func result(status health.Status, reason string) func(context.Context) health.Result {
	return func(context.Context) health.Result { return health.Result{Status: status, Reason: reason} }
}

// hang answers an hour too late. A synctest bubble in which it runs ends with a sleep of tooLate.
func hang(ctx context.Context) health.Result {
	<-ctx.Done()
	time.Sleep(tooLate / 2)
	return health.Result{Status: health.Healthy}
}

func TestRunOneCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		check  health.Check
		want   health.Status
		reason string
		takes  time.Duration
	}{
		"it is well":                     {check: health.Check{Probe: result(health.Healthy, "")}, want: health.Healthy},
		"it is degraded":                 {check: health.Check{Probe: result(health.Degraded, "busy")}, want: health.Degraded, reason: "busy"},
		"it says nothing":                {check: health.Check{Probe: result("", "")}, want: health.Unknown},
		"it says something else":         {check: health.Check{Probe: result("fine", "so far")}, want: health.Unknown, reason: "so far"},
		"it panics":                      {check: health.Check{Probe: func(context.Context) health.Result { panic("no device") }}, want: health.Unhealthy, reason: "check panicked: no device"},
		"there is no probe":              {check: health.Check{}, want: health.Unhealthy, reason: "check panicked: runtime error: invalid memory address or nil pointer dereference"},
		"it does not answer":             {check: health.Check{Probe: hang}, want: health.Unhealthy, reason: "no answer within 2s", takes: 2 * time.Second},
		"it does not answer in its time": {check: health.Check{Probe: hang, Timeout: 5 * time.Second}, want: health.Unhealthy, reason: "no answer within 5s", takes: 5 * time.Second},
		"it answers just in time": {
			check: health.Check{Probe: func(context.Context) health.Result {
				time.Sleep(2*time.Second - 1)
				return health.Result{Status: health.Healthy}
			}}, want: health.Healthy, takes: 2*time.Second - 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(tooLate)
				began := time.Now()
				test.check.Name, test.check.Critical = "engine", true
				got := health.Run(t.Context(), []health.Check{test.check}, time.Now)
				want := []health.Component{{
					Name: "engine", Critical: true, Status: test.want, Reason: test.reason, LastCheck: began.Add(test.takes),
				}}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		})
	}
}

func TestRunRunsTogetherAndKeepsTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(tooLate)
		began := time.Now()
		checks := []health.Check{{Name: "hangs", Timeout: 10 * time.Second, Probe: hang}}
		for i := range 9 {
			takes := time.Duration(9-i) * 100 * time.Millisecond // later ones in the list are done sooner
			checks = append(checks, health.Check{Name: fmt.Sprint(i), Probe: func(context.Context) health.Result {
				time.Sleep(takes)
				return health.Result{Status: health.Healthy, Metadata: map[string]string{"took": takes.String()}}
			}})
		}
		got := health.Run(t.Context(), checks, time.Now)
		if spent := time.Since(began); spent != 10*time.Second {
			t.Errorf("took %v, want as long as the slowest, 10s", spent)
		}
		if got[0].Name != "hangs" || got[0].Status != health.Unhealthy {
			t.Errorf("the first is %+v", got[0])
		}
		for i, c := range got[1:] {
			took := time.Duration(9-i) * 100 * time.Millisecond
			if c.Name != fmt.Sprint(i) || c.Status != health.Healthy || c.Metadata["took"] != took.String() || !c.LastCheck.Equal(began.Add(took)) {
				t.Errorf("component %d is %+v", i, c)
			}
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(tooLate)
		began := time.Now()
		ctx, cancel := context.WithCancelCause(t.Context())
		timer := time.AfterFunc(time.Second, func() { cancel(errors.New("the asker went away")) })
		defer timer.Stop()
		got := health.Run(ctx, []health.Check{{Name: "quick", Probe: result(health.Healthy, "")}, {Name: "slow", Probe: hang}}, time.Now)
		if spent := time.Since(began); spent != time.Second {
			t.Errorf("took %v, want 1s", spent)
		}
		if got[0].Status != health.Healthy {
			t.Errorf("the answered check is %+v", got[0])
		}
		if got[1].Status != health.Unknown || got[1].Reason != "not waited for: the asker went away" {
			t.Errorf("the unanswered check is %+v", got[1])
		}
	})
}

func TestRunWithoutChecks(t *testing.T) {
	t.Parallel()
	if got := health.Run(t.Context(), nil, time.Now); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// The JSON form is read by scripts and monitors.
func TestReportAsJSON(t *testing.T) {
	t.Parallel()
	report := health.Report{
		Status: health.Degraded, Reasons: []string{"audio is Unhealthy: no device"}, Version: "1.2.3", Uptime: 90 * time.Second,
		Components: []health.Component{{
			Name: "audio", Status: health.Unhealthy, Reason: "no device", LastCheck: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Metadata: map[string]string{"sample_rate": "48000"},
		}},
	}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	want := strings.Join([]string{
		`{"status":"Degraded","reasons":["audio is Unhealthy: no device"],"version":"1.2.3","uptime_ns":90000000000,`,
		`"components":[{"name":"audio","status":"Unhealthy","reason":"no device","critical":false,`,
		`"last_check":"2026-01-02T03:04:05Z","metadata":{"sample_rate":"48000"}}]}`,
	}, "")
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A disk that hangs must not take one more thread with each look at it.
func TestOneProbeAtATime(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}, 10), make(chan struct{})
	check := health.OneAtATime(health.Check{Name: "disk", Timeout: time.Millisecond, Probe: func(context.Context) health.Result {
		began <- struct{}{}
		<-end
		return health.Result{Status: health.Healthy}
	}})
	first := make(chan health.Result)
	go func() { first <- check.Probe(t.Context()) }() // received below
	<-began
	for range 3 {
		if got := health.Run(t.Context(), []health.Check{check}, time.Now)[0]; got.Status != health.Unhealthy {
			t.Errorf("%+v", got)
		}
	}
	if len(began) > 0 {
		t.Errorf("%d further probes began", len(began))
	}
	close(end)
	<-first
	if got := check.Probe(t.Context()); got.Status != health.Healthy {
		t.Errorf("afterwards: %+v", got)
	}
}
