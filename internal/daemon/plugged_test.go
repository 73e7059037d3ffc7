package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// Devices that come and go are told while somebody listens, and the sound system is not asked at other times.
func TestDevicesThatComeAndGo(t *testing.T) {
	t.Parallel()
	for situation, mute := range map[string]bool{"the system tells of changes": false, "the system has to be asked": true} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j := &jacks{mute: mute, changes: make(chan sound.System), ids: []string{"a"}}
				var told []string
				var running sync.WaitGroup
				p := &plugged{
					run: func(watch func(context.Context) error) {
						running.Go(func() { // ended by the end of the last listener
							if err := watch(t.Context()); err != nil {
								t.Error(err)
							}
						})
					},
					open: func(context.Context) (sound.Backend, error) { return j, nil },
					note: func(_ context.Context, kind string, device *sound.Device) { told = append(told, kind+" "+device.Name) },
					log:  slog.New(slog.DiscardHandler), every: time.Second,
				}
				asked := func() int {
					j.mu.Lock()
					defer j.mu.Unlock()
					return j.asks
				}
				then := func() {
					time.Sleep(3 * time.Second)
					synctest.Wait()
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
				running.Wait()
				before := asked()
				then()
				if want := []string{"device.added Device b", "device.removed Device a"}; !slices.Equal(told, want) {
					t.Errorf("%q, want %q", told, want)
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
				running.Wait()
			})
		})
	}
}

// A sound system that comes after the listener is watched too, and what another one has instead is not told as changes.
func TestASoundSystemThatComesLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := &jacks{name: "first", mute: true, ids: []string{"a"}}
		second := &jacks{name: "second", changes: make(chan sound.System), ids: []string{"b"}}
		var mu sync.Mutex
		var up sound.Backend
		var told []string
		var running sync.WaitGroup
		p := &plugged{
			run: func(watch func(context.Context) error) {
				running.Go(func() { // ended by the end of the last listener
					if err := watch(t.Context()); err != nil {
						t.Error(err)
					}
				})
			},
			open: func(context.Context) (sound.Backend, error) {
				mu.Lock()
				defer mu.Unlock()
				if up == nil {
					return nil, errors.New("no sound system")
				}
				return up, nil
			},
			note: func(_ context.Context, kind string, device *sound.Device) { told = append(told, kind+" "+device.Name) },
			log:  slog.New(slog.DiscardHandler), every: time.Second,
		}
		becomes := func(b sound.Backend) {
			mu.Lock()
			up = b
			mu.Unlock()
			time.Sleep(3 * time.Second)
			synctest.Wait()
		}
		end := p.listen()
		becomes(nil)
		becomes(first)
		first.set(false, "a", "c")
		becomes(first)
		becomes(second)
		second.set(false)
		time.Sleep(time.Second)
		synctest.Wait()
		end()
		running.Wait()
		if want := []string{"device.added Device c", "device.removed Device b"}; !slices.Equal(told, want) {
			t.Errorf("%q, want %q", told, want)
		}
	})
}
