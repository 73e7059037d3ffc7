package recognize

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
)

// Without a failure there is a self-test at the start and after a time without any transcription, as far as they are wanted.
func TestWhenThereAreSelfTests(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		due    Proofs
		runs   time.Duration // since Tend began
		tested bool
		next   time.Duration // at most; 0 for never
	}{
		"at the start":                                 {Proofs{AtStart: true}, 0, true, 0},
		"at the start none is wanted":                  {Proofs{}, 24 * time.Hour, false, 0},
		"nothing was transcribed for long":             {Proofs{Cold: time.Hour}, time.Hour, true, time.Hour},
		"nothing was transcribed, but not for so long": {Proofs{Cold: time.Hour}, 10 * time.Minute, false, 50 * time.Minute},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			e := NewEngines(EnginesOptions{Machine: &Machine{}, Models: func() (*model.Store, error) {
				return nil, scout.Errorf(scout.CodeModelNotInstalled, "there is none")
			}})
			defer e.Close()
			tested, failed, next := e.tend(t.Context(), c.due, time.Now().Add(-c.runs))
			if tested != c.tested || failed != c.tested || (next > 0) != (c.next > 0) || next > c.next {
				t.Errorf("tested %t, failed %t, next after %s; want %t, %s", tested, failed, next, c.tested, c.next)
			}
		})
	}
}
