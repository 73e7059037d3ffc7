// Package browsertest is shared by tests of sound that clients send: what stands beside it, a recorder and the promises of texts.
package browsertest

import (
	"context"
	"errors"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
)

// Recorder records nothing: all sound is sent.
type Recorder struct{ Nowhere *recording.Folder }

// Folder implements dictate.Recorder.
func (r Recorder) Folder() *recording.Folder { return r.Nowhere }

// Status implements dictate.Recorder.
func (Recorder) Status(context.Context) (recording.Status, error) { return recording.Status{}, nil }

// Start implements dictate.Recorder.
func (Recorder) Start(context.Context, recording.Order, func(recording.ID)) (recording.Started, error) {
	return recording.Started{}, errors.New("there is no microphone")
}

// Stop implements dictate.Recorder.
func (Recorder) Stop(context.Context, recording.ID) (record.Stopped, error) {
	return record.Stopped{}, scout.Errorf(scout.CodeNotRecording, "nothing is recorded")
}

// Promises notes what became of promised texts, and makes none.
type Promises struct {
	mu  sync.Mutex
	all map[recording.ID]string
}

func (p *Promises) note(id recording.ID, state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[recording.ID]string)
	}
	p.all[id] = state
}

// Of is what became of the promise for a recording: promised, ended or withdrawn; empty for none.
func (p *Promises) Of(id recording.ID) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[id]
}

// Promise implements browser.Promises.
func (p *Promises) Promise(_ context.Context, id recording.ID, _ backlog.Order) error {
	p.note(id, "promised")
	return nil
}

// Ended implements browser.Promises.
func (p *Promises) Ended(id recording.ID) { p.note(id, "ended") }

// Withdraw implements browser.Promises.
func (p *Promises) Withdraw(_ context.Context, id recording.ID) error {
	p.note(id, "withdrawn")
	return nil
}
