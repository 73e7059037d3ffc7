package browser

import (
	"context"
	"strconv"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/spelling"
)

// Check is the state of the sessions. Sound that cannot be written is Unhealthy: clients keep it, and send it again later. Sessions that wait for
// their clients are told in the metadata, and Degraded where they are why no further one is taken. How far text is behind is told by the check of
// dictations.
func (s *Sessions) Check() health.Check {
	return health.Check{Name: "live", Probe: func(context.Context) health.Result { return s.probe(time.Now()) }}
}

func (s *Sessions) probe(now time.Time) health.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting, failing int
	var longest time.Duration
	var why error
	for _, one := range s.open {
		one.mu.Lock()
		if one.holder == nil {
			waiting++
			longest = max(longest, now.Sub(one.alone))
		}
		if err := one.failing(); err != nil {
			failing++
			why = err
		}
		one.mu.Unlock()
	}
	r := health.Result{Status: health.Healthy, Metadata: map[string]string{
		"sessions": strconv.Itoa(len(s.open)), "waiting": strconv.Itoa(waiting), "longest_wait_seconds": strconv.Itoa(int(longest.Seconds())), "failing": strconv.Itoa(failing),
	}}
	switch {
	case failing > 0:
		r = health.Result{Status: health.Unhealthy, Metadata: r.Metadata, Reason: "sound of " + spelling.Count(failing, "session") + " cannot be written: " + scout.Plain(why)}
	case waiting > 0 && len(s.open) >= s.options.Most:
		r.Status, r.Reason = health.Degraded, spelling.Count(len(s.open), "session")+" open, which is the limit; "+strconv.Itoa(waiting)+" wait for their clients, for "+
			printable.Length(longest.Round(time.Second))+" at most (limits.live_sessions, live.resume_seconds)"
	}
	return r
}
