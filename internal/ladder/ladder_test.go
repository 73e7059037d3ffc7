package ladder_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/ladder"
)

var (
	quiet   = ladder.Load{Memory: 60 << 20, Soft: 100 << 20, Hard: 150 << 20}
	between = ladder.Load{Memory: 80 << 20, Soft: 100 << 20, Hard: 150 << 20, Behind: 800 * time.Millisecond}
	late    = ladder.Load{Behind: 1100 * time.Millisecond}
	large   = ladder.Load{Memory: 101 << 20, Soft: 100 << 20, Hard: 150 << 20}
	huge    = ladder.Load{Memory: 151 << 20, Soft: 100 << 20, Hard: 150 << 20}
	resting = ladder.Load{Resting: true}
)

// during is a load for some time.
type during struct {
	load ladder.Load
	time time.Duration
}

// walk looks once a second, and returns each step with the second in which it was taken.
func walk(l *ladder.Ladder, began time.Time, loads []during) string {
	var steps []string
	second := 0
	for _, d := range loads {
		for range int(d.time / time.Second) {
			second++
			if s, taken := l.Look(d.load, began.Add(time.Duration(second)*time.Second)); taken {
				steps = append(steps, fmt.Sprintf("%d:%d", second, s.To))
			}
		}
	}
	return strings.Join(steps, " ")
}

func TestSteps(t *testing.T) {
	t.Parallel()
	const long = 200 * time.Second
	for situation, c := range map[string]struct {
		loads []during
		want  string
	}{
		"nothing happens":                         {[]during{{quiet, long}}, ""},
		"much, but within the limits":             {[]during{{between, long}}, ""},
		"live text is late for a moment":          {[]during{{late, 5 * time.Second}, {quiet, long}}, ""},
		"live text is late again and again":       {[]during{{late, 4 * time.Second}, {quiet, time.Second}, {late, 4 * time.Second}, {quiet, long}}, ""},
		"live text stays late":                    {[]during{{late, long}}, "6:1 17:2 28:3"},
		"memory stays over its limit":             {[]during{{large, long}}, "6:1 17:2 28:3"},
		"one cause after the other":               {[]during{{late, 6 * time.Second}, {large, 11 * time.Second}, {late, long}}, "6:1 17:2 28:3"},
		"the breaker is open":                     {[]during{{resting, long}}, "1:1 11:2 21:3"},
		"memory over the hard limit":              {[]during{{huge, time.Second}, {quiet, long}}, "1:4 32:3 63:2 94:1 125:0"},
		"it comes back":                           {[]during{{late, 28 * time.Second}, {quiet, long}}, "6:1 17:2 28:3 59:2 90:1 121:0"},
		"nothing comes back at 80 %":              {[]during{{late, 6 * time.Second}, {between, long}}, "6:1"},
		"the cause returns before it comes back":  {[]during{{late, 6 * time.Second}, {quiet, 29 * time.Second}, {late, time.Second}, {quiet, 40 * time.Second}}, "6:1 67:0"},
		"the cause returns after it came back":    {[]during{{late, 6 * time.Second}, {quiet, 31 * time.Second}, {late, 20 * time.Second}}, "6:1 37:0 43:1 54:2"},
		"the breaker closes again":                {[]during{{resting, 21 * time.Second}, {quiet, 31 * time.Second}}, "1:1 11:2 21:3 52:2"},
		"without limits of memory only it counts": {[]during{{ladder.Load{Memory: 1 << 40}, long}}, ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			if got := walk(ladder.New(began), began, c.loads); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// After the machine stood still, what was before says nothing.
func TestAMachineThatStoodStill(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := ladder.New(now)
	for _, passed := range []time.Duration{time.Second, time.Hour, time.Second, 4 * time.Second} {
		now = now.Add(passed)
		if s, taken := l.Look(late, now); taken != (passed == 4*time.Second) {
			t.Errorf("after %s: %+v, %v", passed, s, taken)
		}
	}
}

// Whatever happens: a step is of one level but to the last one, each has a reason, a level lasts at least 10 s on the way down and 30 s on
// the way up, and the state tells where it is.
func TestEveryWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		l := ladder.New(now)
		since := now
		for range 300 {
			now = now.Add(time.Duration(rapid.IntRange(1, 4000).Draw(t, "ms")) * time.Millisecond)
			load := rapid.SampledFrom([]ladder.Load{quiet, quiet, quiet, between, late, late, large, huge, resting}).Draw(t, "load")
			s, taken := l.Look(load, now)
			state := l.State()
			if !taken {
				continue
			}
			lasted := now.Sub(since)
			down, jump := s.To > s.From, s.To == ladder.RecordOnly
			switch {
			case s.Reason == "" || state.Level != s.To || !state.Since.Equal(now) || (state.Reason == "") != (s.To == ladder.High):
				t.Fatalf("step %+v, state %+v", s, state)
			case !jump && s.To != s.From+1 && s.To != s.From-1:
				t.Fatalf("step %+v", s)
			case down && !jump && s.From > ladder.High && lasted < 10*time.Second, !down && lasted < 30*time.Second:
				t.Fatalf("step %+v after %s", s, lasted)
			case jump && load != huge:
				t.Fatalf("step %+v by %+v", s, load)
			}
			since = now
		}
		for range 200 {
			now = now.Add(time.Second)
			l.Look(quiet, now)
		}
		if l.State().Level != ladder.High || !l.Settled() {
			t.Fatalf("it does not come back: %+v", l.State())
		}
	})
}
