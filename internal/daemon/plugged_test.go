package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout/internal/capture/sound"
)

// jacks is a sound system whose devices a test plugs.
type jacks struct {
	sound.Backend
	name    string
	mute    bool // it does not tell of changes
	changes chan sound.System

	mu   sync.Mutex
	ids  []string
	down bool
	asks int
}

func (j *jacks) Devices(context.Context) ([]sound.Device, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asks++
	if j.down {
		return nil, errors.New("no server")
	}
	list := make([]sound.Device, len(j.ids))
	for i, id := range j.ids {
		list[i] = sound.Device{ID: id, Name: "Device " + id}
	}
	return list, nil
}

func (j *jacks) Watch(context.Context) <-chan sound.System {
	if j.mute {
		none := make(chan sound.System)
		close(none)
		return none
	}
	return j.changes
}

func (j *jacks) Name() string { return j.name }

func (j *jacks) set(down bool, ids ...string) {
	j.mu.Lock()
	j.ids, j.down = ids, down
	j.mu.Unlock()
	if !j.mute {
		j.changes <- sound.System{Up: !down}
	}
}

// listening is a watch of plugged, inside a bubble of synctest.
type listening struct {
	*plugged
	told    []string // what changed
	log     bytes.Buffer
	running sync.WaitGroup // the watch, ended by the end of the last listener
}

func newListening(t *testing.T, open func() (sound.Backend, error)) *listening {
	t.Helper()
	l := &listening{}
	l.plugged = &plugged{
		run: func(watch func(context.Context) error) {
			l.running.Go(func() {
				if err := watch(t.Context()); err != nil {
					t.Error(err)
				}
			})
		},
		open: func(context.Context) (sound.Backend, error) { return open() },
		note: func(_ context.Context, kind string, device *sound.Device) {
			l.told = append(l.told, kind+" "+device.Name)
		},
		log: slog.New(slog.NewTextHandler(&l.log, nil)), every: time.Second,
	}
	return l
}

// then waits until everything has been noticed.
func then() {
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// Devices that come and go are told while somebody listens, and the sound system is not asked at other times.
func TestDevicesThatComeAndGo(t *testing.T) {
	t.Parallel()
	for situation, mute := range map[string]bool{"the system tells of changes": false, "the system has to be asked": true} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j := &jacks{mute: mute, changes: make(chan sound.System), ids: []string{"a"}}
				p := newListening(t, func() (sound.Backend, error) { return j, nil })
				asked := func() int {
					j.mu.Lock()
					defer j.mu.Unlock()
					return j.asks
				}
				first, second := p.listen(), p.listen()
				then()
				j.set(false, "a", "b")
				then()
				first()
				first() // told twice
				j.set(true)
				then()
				j.set(false, "b")
				then()
				second()
				p.running.Wait()
				before := asked()
				then()
				if want := []string{"device.added Device b", "device.removed Device a"}; !slices.Equal(p.told, want) {
					t.Errorf("%q, want %q", p.told, want)
				}
				if now := asked(); now != before {
					t.Errorf("asked %d times although nobody listens", now-before)
				}
				j.changes = make(chan sound.System)
				third := p.listen()
				then()
				if asked() == before {
					t.Error("a later listener hears nothing")
				}
				third()
				p.running.Wait()
			})
		})
	}
}

// sounds is which sound system answers at the moment; nil for none.
type sounds struct {
	mu sync.Mutex
	up sound.Backend
}

func (s *sounds) open() (sound.Backend, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up == nil {
		return nil, errors.New("no sound system")
	}
	return s.up, nil
}

func (s *sounds) become(b sound.Backend) {
	s.mu.Lock()
	s.up = b
	s.mu.Unlock()
	then()
}

// A sound system that comes after the listener is watched too, and what another one has instead is not told as changes.
func TestASoundSystemThatComesLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := &jacks{name: "first", mute: true, ids: []string{"a"}}
		second := &jacks{name: "second", changes: make(chan sound.System), ids: []string{"b"}}
		var present sounds
		p := newListening(t, present.open)
		end := p.listen()
		present.become(nil)
		present.become(first)
		first.set(false, "a", "c")
		present.become(first)
		present.become(second)
		second.set(false)
		then()
		end()
		p.running.Wait()
		if want := []string{"device.added Device c", "device.removed Device b"}; !slices.Equal(p.told, want) {
			t.Errorf("%q, want %q", p.told, want)
		}
	})
}

// Each outage of the sound system is logged once: whether it cannot be opened or gives no list.
func TestEachOutageOfTheSoundSystemIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for situation, mute := range map[string]bool{"the system tells of changes": false, "the system has to be asked": true} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j := &jacks{name: "pulseaudio", mute: mute, changes: make(chan sound.System), ids: []string{"a"}}
				present := sounds{}
				p := newListening(t, present.open)
				end := p.listen()
				outages := func() int {
					t.Helper()
					return strings.Count(p.log.String(), eventDevicesNotWatched)
				}
				for i, step := range []struct {
					what string
					do   func()
					want int
				}{
					{"there is none", func() { then() }, 1},
					{"it comes", func() { present.become(j) }, 1},
					{"it gives no list", func() { j.set(true); then() }, 2},
					{"it still gives none", func() { j.set(true); then() }, 2},
					{"it gives a list", func() { j.set(false, "a"); then() }, 2},
					{"it gives no list again", func() { j.set(true); then() }, 3},
				} {
					if step.do(); outages() != step.want {
						t.Errorf("step %d, %s: logged %d times, want %d", i, step.what, outages(), step.want)
					}
				}
				if mute { // what tells of changes is followed until it ends, which this one does not
					j.set(false, "a")
					then()
					present.become(nil)
					if outages() != 4 {
						t.Errorf("it is gone: logged %d times, want 4", outages())
					}
				}
				end()
				p.running.Wait()
			})
		})
	}
}
