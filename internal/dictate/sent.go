package dictate

import (
	"context"

	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
)

// Sent is the sound that clients send while it is made; browser.Sessions is one.
type Sent interface {
	// Listen gives its frames while they come.
	recording.Live
	Folder() *recording.Folder
	// Recovered returns when the files are as they are gone on with that an earlier process left.
	Recovered(ctx context.Context) error
	// Stop ends a recording, and returns when its file is final.
	Stop(ctx context.Context, id recording.ID) (record.Stopped, error)
}

// origin is where the frames of a recording come from.
type origin struct {
	folder *recording.Folder
	live   recording.Live // nil for the file alone
	stop   func(ctx context.Context, id recording.ID) (record.Stopped, error)
}

// originOf is that of a recording. One that is about to begin is that of the recorder.
func (d *Dictations) originOf(id recording.ID) (from origin, sent bool) {
	if sender := d.options.Sent; sender != nil {
		if _, err := sender.Folder().Sight(id); err == nil {
			return origin{sender.Folder(), sender, sender.Stop}, true
		}
	}
	return origin{d.options.Recorder.Folder(), d.options.Live, d.options.Recorder.Stop}, false
}

// Follow makes text of a recording of Options.Sent that has begun, until Happened tells that it has stopped, however long that takes: a word
// that was sent before the end is in the text.
func (d *Dictations) Follow(ctx context.Context, id recording.ID, request Request) error {
	s, err := d.begin(context.WithoutCancel(ctx), id, &request)
	if err != nil {
		return err
	}
	m, err := s.from.folder.Manifest(id)
	if err != nil {
		s.notRecorded(err)
		return err
	}
	s.recorded(&recording.Started{ID: id, StartedAt: m.StartedAt, Format: m.Format})
	return nil
}

// Resumed returns when everything that an earlier process left open, and that could be read, is open again: it hears what happens then.
func (d *Dictations) Resumed(ctx context.Context) error {
	select {
	case <-d.resumed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
