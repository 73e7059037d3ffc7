package capture

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// closing is a stream that counts how often it was closed.
type closing struct {
	quietStream
	closed *atomic.Int64
}

func (c closing) Close() error { c.closed.Add(1); return nil }

// attempts is an opener whose attempts do as told: attempt n takes so long and then fails, unless there are no more failures.
type attempts struct {
	opener
	began  []time.Duration // since the start of the test
	closed atomic.Int64
}

func newAttempts(failures int, takes time.Duration, obeys bool) *attempts {
	epoch := time.Now()
	a := &attempts{}
	a.opener = opener{
		now: func() time.Duration { return time.Since(epoch) }, patience: 5 * time.Second, guard: func(work func()) { work() },
		attempt: func(ctx context.Context, _ sound.Backend, _ string) (*line, error) {
			a.began = append(a.began, time.Since(epoch))
			timer := time.NewTimer(takes)
			defer timer.Stop()
			if obeys {
				select {
				case <-timer.C:
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
			} else {
				<-timer.C
			}
			if len(a.began) <= failures {
				return nil, scout.Errorf(scout.CodeDeviceNotFound, "not yet")
			}
			return &line{stream: closing{quietStream{sound.NewFormat(48_000, 1, audio.Int16)}, &a.closed}}, nil
		},
	}
	return a
}

func TestOneAttemptToOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failures int
		takes    time.Duration
		fails    bool
		after    time.Duration
	}{
		"it opens":      {0, time.Second, false, time.Second},
		"it fails":      {1, time.Second, true, time.Second},
		"it takes ages": {0, time.Hour, true, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAttempts(c.failures, c.takes, true)
				r := <-a.open(t.Context(), nil, "", false).result
				if (r.err != nil) != c.fails || a.now() != c.after || len(a.began) != 1 {
					t.Errorf("after %v and %d attempts: %v", a.now(), len(a.began), r.err)
				}
				if err := a.await(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAttemptsGoOnUntilOneSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(20, 10*time.Millisecond, true)
		r := <-a.open(t.Context(), nil, "", true).result
		if r.err != nil || len(a.began) != 21 {
			t.Fatalf("%d attempts: %v", len(a.began), r.err)
		}
		for i, at := range a.began[1:] {
			if pause := at - a.began[i]; pause > 2*reopenMost {
				t.Errorf("%v between attempts", pause)
			}
		}
	})
}

func TestAnAbandonedOpeningLeavesNoDeviceOpen(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]time.Duration{"while it opens": 500 * time.Millisecond, "after it opened": 2 * time.Second} {
		for _, obeys := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				a := newAttempts(0, time.Second, obeys)
				p := a.open(t.Context(), nil, "", true)
				time.Sleep(when)
				a.abandon(p)
				a.abandon(nil)
				if err := a.await(); err != nil {
					t.Error(err)
				}
				opened := int64(1)
				if obeys && when < time.Second {
					opened = 0
				}
				if a.closed.Load() != opened {
					t.Errorf("%s, obeys %v: %d devices closed, want %d", name, obeys, a.closed.Load(), opened)
				}
			})
		}
	}
}

func TestAnAttemptThatStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(0, time.Hour, false)
		p := a.open(t.Context(), nil, "", true)
		time.Sleep(openAttempt)
		if p.late(a.now()) {
			t.Error("late at its deadline")
		}
		time.Sleep(openGrace + 1)
		if !p.late(a.now()) {
			t.Error("not late after its deadline and the grace")
		}
		a.abandon(p)
		began := time.Now()
		if err := a.await(); scout.CodeOf(err) != scout.CodeSoundServer || time.Since(began) != closeWithin {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		time.Sleep(time.Hour) // it comes to its end after all
		if err := a.await(); err != nil || a.closed.Load() != 1 {
			t.Errorf("%v, %d closed", err, a.closed.Load())
		}
	})
}
