//go:build linux

package main

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// fault is one way in which the microphone, the server or the recorder goes away.
type fault struct {
	name string
	// named is true if the device is recorded by its name, and false if it is the system's default.
	named bool
	harm  func(*patient)
	heal  func(*patient) // nil where nothing has to come back
	// limit is how soon the recording must continue once the device is back.
	limit time.Duration
	// deviceless is true if there is no device, or nothing that serves it, from harm to heal.
	deviceless bool
	// quiet is true if nothing may play meanwhile. The server would move the player to the other output as well, and an
	// output that plays cannot be woken (capture, wakeMonitor): its monitor delivers nothing for two seconds, which no
	// microphone does.
	quiet bool
	// silent is true if the recorder cannot report the fault, because it is what dies.
	silent bool
	// control is true if parec records beside the recorder. If the server survives, its recording shows which frames
	// the device delivered.
	control bool
}

func faults() []fault {
	return []fault{
		{
			name: "source removed", named: true, limit: time.Second, deviceless: true,
			harm: func(p *patient) { p.booth.mic.Remove() },
			heal: func(p *patient) { p.booth.mic = p.booth.server.AddMicrophone("mic", 48_000, 1) },
		},
		{
			name: "source swapped", limit: time.Second, quiet: true,
			harm: func(p *patient) {
				p.n++
				other := p.booth.server.AddMicrophone(fmt.Sprintf("mic%d", p.n), 48_000, 1)
				p.booth.mic.Remove()
				p.booth.mic = other
			},
		},
		{
			name: "server killed", named: true, limit: 2500 * time.Millisecond, deviceless: true,
			harm: func(p *patient) { p.booth.server.Kill() },
			heal: func(p *patient) {
				p.booth.server.Restart()
				p.booth.mic = p.booth.server.AddMicrophone("mic", 48_000, 1)
			},
		},
		{
			name: "device stalled", named: true, limit: time.Second, deviceless: true, control: true,
			harm: func(p *patient) { p.booth.server.Signal(syscall.SIGSTOP) },
			heal: func(p *patient) { p.booth.server.Signal(syscall.SIGCONT) },
		},
		{
			name: "device suspended", named: true, limit: time.Second, deviceless: true, control: true,
			harm: func(p *patient) { p.booth.mic.Suspend(true) },
			heal: func(p *patient) { p.booth.mic.Suspend(false) },
		},
		{
			name: "recorder killed", named: true, limit: time.Second, silent: true, control: true,
			harm: func(p *patient) {
				if err := syscall.Kill(p.booth.recorderPID(), syscall.SIGKILL); err != nil {
					p.booth.t.Fatal(err)
				}
			},
		},
	}
}

// patient is a recording that suffers the faults.
type patient struct {
	booth  *booth
	id     recording.ID
	client *remote.Client
	events chan recording.Event
	n      int // of microphones
	played int // signals, each with a seed of its own
}

// play plays the next coded signal, long enough for one fault.
func (p *patient) play() *pulsetest.Player {
	p.played++
	return p.booth.mic.PlayCoded(uint64(100+p.played), 48_000, 1, signalLength*time.Second/48_000)
}

// attach connects to the present recorder and listens to its events.
func (p *patient) attach() {
	t := p.booth.t
	t.Helper()
	p.client = nil
	for p.client == nil { // the next recorder announces itself to its keeper alone
		client, err := remote.Dial(t.Context(), p.booth.dir, remote.Options{Name: "chaos"})
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		for {
			state, err := client.Status(t.Context())
			if err != nil {
				_ = client.Close() // it was on its way down
				break
			}
			if state.Recording != nil {
				p.client, p.id = client, state.Recording.ID
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	events, client := make(chan recording.Event, 256), p.client
	p.events = events
	go func() { // ends with the recorder or the test
		_ = client.WatchEvents(t.Context(), func(e recording.Event) bool {
			events <- e
			return true
		})
	}()
}

func (p *patient) state() *recording.Progress {
	p.booth.t.Helper()
	s, err := p.client.Status(p.booth.t.Context())
	if err != nil || s.Recording == nil {
		p.booth.t.Fatalf("state %+v, %v", s, err)
	}
	return s.Recording
}

// clock returns how far the recording is ahead of the time since it began. Blocks may come late, so the largest value
// over a while counts.
func (p *patient) clock() time.Duration {
	var ahead time.Duration
	for i := range 30 {
		s := p.state()
		now := s.Format.Duration(s.Captured) - time.Since(s.StartedAt)
		if i == 0 || now > ahead {
			ahead = now
		}
		time.Sleep(10 * time.Millisecond)
	}
	return ahead
}

// await waits for an event of one of these kinds, at or after a moment.
func (p *patient) await(since time.Time, kinds ...recording.EventKind) recording.Event {
	p.booth.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e := <-p.events:
			if slices.Contains(kinds, e.Kind) && !e.At.Before(since) {
				return e
			}
		case <-timeout:
			p.booth.t.Fatalf("none of %v came", kinds)
		}
	}
}

// heardFrames waits until that many more frames were captured.
func (p *patient) heardFrames(more time.Duration) {
	p.booth.t.Helper()
	s := p.state()
	for want := s.Captured + s.Format.Frames(more); p.state().Captured < want; {
		time.Sleep(5 * time.Millisecond) // as untilFrames
	}
}
