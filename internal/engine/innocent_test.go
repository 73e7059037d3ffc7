package engine

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
)

// shared is a process in memory. Its requests take a while; poison ends it with all requests that it has.
type shared struct {
	mu     sync.Mutex
	inside map[*attempt]chan error
	kills  int // one in so many requests is killed by somebody, but none twice; 0 for none
	victim map[*attempt]bool
	ends   int
	// suspects had company when the process ended, or ended it: from then on they must run alone.
	suspects map[*attempt]bool
	together int // how often a suspect had company
}

func (s *shared) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	ended := make(chan error, 1)
	s.mu.Lock()
	s.inside[a] = ended
	for one := range s.inside {
		if s.suspects[one] && len(s.inside) > 1 {
			s.together++
		}
	}
	s.mu.Unlock()
	work := time.Duration(rand.N(int64(100 * time.Millisecond)))
	select {
	case err := <-ended:
		return nil, err
	case <-ctx.Done():
	case <-time.After(work):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case err := <-ended:
		return nil, err
	default:
	}
	killed := s.kills > 0 && !s.victim[a] && len(a.Samples) == 1600 && rand.N(s.kills) == 0
	if ctx.Err() == nil && (len(a.Samples) == 1 || killed) {
		for one := range s.inside {
			s.victim[one] = s.victim[one] || killed
			s.suspects[one] = true
		}
		s.ends++
		alone := len(s.inside) == 1
		for _, one := range s.inside {
			one <- &process.EndError{Err: scout.Errorf(scout.CodeEngineCrashed, "ended"), Sent: true, Alone: alone}
		}
		clear(s.inside)
		return nil, <-ended
	}
	delete(s.inside, a)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return &scout.Hypothesis{}, nil
}

// outcome is how many requests were set aside, of those that end no process and of those that do.
type outcome struct{ innocents, poisons, of int }

// besidePoison sends innocent requests of four clients, while another one sends poison all the time, and returns what became
// of them under a rule of guilt. One in kills requests is killed by somebody as well, no request twice; 0 for none.
func besidePoison(t *testing.T, innocents, kills int, proven func(verdict) bool) (result outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &shared{inside: map[*attempt]chan error{}, kills: kills, victim: map[*attempt]bool{}, suspects: map[*attempt]bool{}}
		share := schedule.New(observe.Scope{}, schedule.Options{Slots: 2, Background: 2, Reserve: time.Millisecond}).Share(2, 2)
		r := &retrying{next: &turning{share: share, next: s}, proven: proven}
		const clients = 4
		var wait sync.WaitGroup
		stop := make(chan struct{})
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				result.of++
				_, err := r.transcribe(t.Context(), &attempt{Request: &Request{Samples: make([]float32, 1), Client: "poison"}})
				if scout.CodeOf(err) == scout.CodeAudioSetAside {
					result.poisons++
				} else {
					t.Errorf("poison: %v", err)
				}
			}
		})
		var good sync.WaitGroup
		var aside atomic.Int64
		for client := range clients {
			good.Go(func() {
				for i := range innocents / clients {
					a := &attempt{Request: &Request{Samples: make([]float32, 1600), Client: string(rune('a' + client))}}
					if i%10 == 0 {
						a.Class = schedule.Dictation
					}
					switch _, err := r.transcribe(t.Context(), a); {
					case scout.CodeOf(err) == scout.CodeAudioSetAside:
						aside.Add(1)
					case err != nil:
						t.Errorf("innocent %d: %v", i, err)
					}
				}
			})
		}
		good.Wait()
		close(stop)
		wait.Wait()
		result.innocents = int(aside.Load())
		if s.together > 0 {
			t.Errorf("a suspect had company %d times", s.together)
		}
		if result.poisons == 0 || s.ends < innocents/100 {
			t.Errorf("%+v, the process ended %d times: the test proves nothing", result, s.ends)
		}
		t.Logf("%d innocents: %+v, the process ended %d times", innocents, result, s.ends)
	})
	return result
}

// TestInnocentRequestsAreNeverSetAside: whatever a request shares its process with, it is answered; poison is set aside.
// A process that somebody kills now and then changes nothing.
func TestInnocentRequestsAreNeverSetAside(t *testing.T) {
	t.Parallel()
	for name, kills := range map[string]int{"poison beside": 0, "poison beside, and kills": 50} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := besidePoison(t, 10_000, kills, nil); got.innocents > 0 {
				t.Errorf("%d innocents were set aside", got.innocents)
			}
		})
	}
}

// TestSharedEndsProveNothing: a rule that takes an end in company and one alone for proof sets innocents aside, if somebody
// kills a process now and then. That is why the rule is what it is.
func TestSharedEndsProveNothing(t *testing.T) {
	t.Parallel()
	got := besidePoison(t, 5_000, 10, func(v verdict) bool { return v.alone >= 1 && v.alone+v.shared >= 2 })
	if got.innocents == 0 {
		t.Error("no innocent was set aside: the simpler rule would do")
	}
}
