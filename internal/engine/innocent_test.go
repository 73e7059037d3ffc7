package engine

import (
	"context"
	"math/rand/v2"
	"sync"
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
	kills  bool // the process is killed now and then, but not twice for one request
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
	killed := s.kills && !s.victim[a] && len(a.Samples) == 1600 && rand.N(200) == 0
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

// TestInnocentRequestsAreNeverSetAside checks that a request is answered, whatever shares its process, and that poison
// is set aside. Killing the process now and then changes nothing.
func TestInnocentRequestsAreNeverSetAside(t *testing.T) {
	t.Parallel()
	for name, kills := range map[string]bool{"poison beside": false, "poison beside, and kills": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &shared{inside: map[*attempt]chan error{}, kills: kills, victim: map[*attempt]bool{}, suspects: map[*attempt]bool{}}
				share := schedule.New(observe.Scope{}, schedule.Options{Slots: 2, Background: 2}).Share(2, 2)
				r := &retrying{next: &turning{share: share, next: s}}
				const innocents, clients = 10_000, 4
				var wait sync.WaitGroup
				stop := make(chan struct{})
				poisons, aside := 0, 0
				wait.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						poisons++
						_, err := r.transcribe(t.Context(), &attempt{Request: &Request{Samples: make([]float32, 1), Client: "poison"}})
						if scout.CodeOf(err) == scout.CodeAudioSetAside {
							aside++
						} else {
							t.Errorf("poison: %v", err)
						}
					}
				})
				var good sync.WaitGroup
				for client := range clients {
					good.Go(func() {
						for i := range innocents / clients {
							a := &attempt{Request: &Request{Samples: make([]float32, 1600), Client: string(rune('a' + client))}}
							if i%10 == 0 {
								a.Class = schedule.Dictation
							}
							if _, err := r.transcribe(t.Context(), a); err != nil {
								t.Errorf("innocent %d: %v", i, err)
							}
						}
					})
				}
				good.Wait()
				close(stop)
				wait.Wait()
				if s.together > 0 {
					t.Errorf("a suspect had company %d times", s.together)
				}
				if aside == 0 || s.ends < innocents/100 {
					t.Errorf("%d of %d poisons set aside, the process ended %d times: the test proves nothing", aside, poisons, s.ends)
				}
				t.Logf("%d innocents answered, %d of %d poisons set aside, the process ended %d times", innocents, aside, poisons, s.ends)
			})
		})
	}
}
