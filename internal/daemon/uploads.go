package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/upload"
)

// openUploads finds the uploads of an earlier daemon.
func (d *daemon) openUploads(folder *recording.Folder) (err error) {
	s := d.options.Settings
	d.uploads, err = upload.Open(upload.Options{
		Folder: folder, History: d.history, Jobs: d.jobs, Budget: d.budget,
		MostBytes: int64(s.Limits.UploadBytes), MostAudio: time.Duration(s.Limits.AudioSeconds) * time.Second, Keep: s.Uploads.Keep,
		Length: d.lengthOf, Refusal: d.strain.refusal, Scope: d.options.Scope,
	})
	return err
}

// openBrowser makes the sessions of sound that clients send.
func (d *daemon) openBrowser(folder *recording.Folder) {
	s := d.options.Settings
	d.browser = browser.New(browser.Options{
		Folder: folder, Promises: d.backlog, See: d.history.See, Budget: d.budget, MostAudio: time.Duration(s.Limits.AudioSeconds) * time.Second,
		Note:   func(ctx context.Context, kind, id string, data any) { d.history.Note(ctx, kind, id, data) },
		Resume: time.Duration(s.Live.ResumeSeconds) * time.Second, Most: s.Limits.LiveSessions, MostPerClient: max(1, s.Limits.LiveSessions/4),
		Scope: d.options.Scope, Failures: d.options.Failures, Begin: d.activity.work.Begin,
	})
}

// heard notes the length of a file that was decoded, where it is kept as it came.
func (d *daemon) heard(id recording.ID, length time.Duration) {
	if folder := d.folders.Of(id); folder.Source() == recording.SourceUpload || folder.Source() == recording.SourceImport {
		_ = folder.Heard(id, length) // its text says so, too
	}
}

// lengthOf is how long the audio of a file is, by its headers. It starts no other program.
func (d *daemon) lengthOf(ctx context.Context, path string) time.Duration {
	reader, err := file.Open(ctx, path, file.Options{FFmpeg: file.NoFFmpeg, Panicked: func(decoder string, value any) { d.options.Failures.Panicked("audio/"+decoder, value) }})
	if err != nil {
		return 0 // the job tells what is wrong with it
	}
	defer func() { _ = reader.Close() }() // it was only read
	return reader.Info().Duration
}

// reserved is how long a recording must find room for. reservedBesides is for what asks for no room: the database and the descriptions of
// uploads took 1.7 MB of the hour of a recording while 19 files came (docs/adr/0093).
const (
	reserved        = time.Hour
	reservedBesides = 16 << 20
)

// A look at the recorder.
const (
	reserveWithin = 250 * time.Millisecond
	reserveKept   = 5 * time.Second
)

// newReserve returns what must stay free for the recorder: an hour of the recording under way, or of the next one.
func (d *daemon) newReserve() func() int64 {
	hour := func(f scout.Format) int64 {
		return int64(f.SampleRateHz) * int64(f.FrameBytes()) * int64(reserved/time.Second)
	}
	var mu sync.Mutex
	var looked time.Time
	var running int64
	return func() int64 {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(looked) > reserveKept {
			ctx, cancel := context.WithTimeout(d.living, reserveWithin)
			defer cancel()
			if status, err := d.recorder.Status(ctx); err == nil {
				running = 0
				if status.Recording != nil {
					running = hour(status.Recording.Format)
				}
			}
			looked = time.Now()
		}
		return reservedBesides + max(running, hour(d.current.order().Format))
	}
}
