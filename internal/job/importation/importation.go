// Package importation does the jobs that take over what the original Scout kept. docs/adr/0104-import.md says how its texts become
// recordings, and why nothing is there twice however often a file is imported.
package importation

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite/original"
)

// Request says what is imported; it is the options of a job.
type Request struct {
	// File is under which the database was received, and SHA256 its checksum.
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"size_bytes"`
	// Audio is whether the audio is taken over, too: the database has paths on the machine of its program.
	Audio bool `json:"audio"`
}

// Key names the work: of each file there is one job at a time.
func (r *Request) Key() string {
	if r.Audio {
		return r.SHA256 + " with audio"
	}
	return r.SHA256
}

// Done is how far an import is. It is the checkpoint of the job, and stays when the job has succeeded.
type Done struct {
	job.Moved
	// After is the row of the last text; nil before the first.
	After *int64 `json:"after,omitempty"`
	// Recordings are new, and Already were there before. Audio is how many have got their sound, AudioMissing those whose sound could
	// not be taken over. Undated have no time.
	Recordings   int `json:"recordings"`
	Already      int `json:"already"`
	Audio        int `json:"audio"`
	AudioMissing int `json:"audio_missing"`
	Undated      int `json:"undated"`
	// LeftOut is how many rows there are of what has no place in Scout, by table; see original.Database.LeftOut.
	LeftOut map[string]int `json:"left_out,omitempty"`
}

// DoneOf returns how far a job is; found is false for others, and before anything is known.
func DoneOf(j *store.Job) (d Done, found bool) {
	if j.Kind != job.KindImport || len(j.Checkpoint) == 0 || json.Unmarshal(j.Checkpoint, &d) != nil {
		return Done{}, false
	}
	return d, true
}

// Options configure a Worker.
type Options struct {
	// Folder gets the audio. What is received lies in a folder of it.
	Folder *recording.Folder
	Store  store.Store
	Budget *freespace.Budget
	// MostBytes bounds a database, and the audio of a text.
	MostBytes int64
	// Keep is how long a database stays whose import is dead or was cancelled, so that it can be tried again.
	Keep  time.Duration
	Now   func() time.Time // default time.Now
	Scope observe.Scope
}

// Worker does one import after the other. It is safe for concurrent use.
type Worker struct {
	options Options
	dir     string
	log     *slog.Logger
	metrics *metrics
	turn    job.Turn      // of imports
	wake    chan struct{} // has a token when Run is to look again

	mu        sync.Mutex
	receiving map[string]bool // files of requests, and of what is not a job yet
}

// incomingName is the folder of what is received in the folder of recordings, which knows it as none of them.
const incomingName = ".incoming"

// New returns a worker.
func New(o Options) (*Worker, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	scope := o.Scope.Component("import")
	w := &Worker{
		options: o, dir: filepath.Join(o.Folder.Dir(), incomingName), log: scope.Log(), turn: job.NewTurn(), wake: make(chan struct{}, 1), receiving: make(map[string]bool),
	}
	w.metrics = newMetrics(scope, w)
	if err := os.MkdirAll(w.dir, folderMode); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make the folder of imports", err)
	}
	copies, err := filepath.Glob(filepath.Join(w.dir, "*"+partSuffix)) // of a process before, which a crash has ended
	for _, path := range copies {
		err = errors.Join(err, removed(path))
	}
	if err != nil {
		w.log.Warn(eventNotSwept, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	return w, nil
}

// perTransaction is how many texts are committed at once, so that others can write in between.
const perTransaction = 20

// Do imports a database. It is a job.Work. A job that was interrupted continues behind the last text that was committed.
func (w *Worker) Do(ctx context.Context, c *job.Claimed) error {
	request, err := job.OptionsOf[Request](&c.Job)
	if err != nil {
		return err
	}
	over, err := w.turn.Take(ctx)
	if err != nil {
		return err
	}
	defer over()
	began := time.Now()
	path := w.path(request.File)
	if missing(path) {
		return scout.Errorf(scout.CodeGone, "the database of this import is not kept any more").WithHint("import the file again: scout import FILE")
	}
	database, err := original.Open(ctx, path)
	if err != nil {
		return err
	}
	done, err := w.takeAll(ctx, c, &request, database)
	if err := errors.Join(err, database.Close()); err != nil {
		return err
	}
	if c.Outcome, err = json.Marshal(done); err != nil {
		return err
	}
	if err := w.options.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return c.Finish(tx, 0) }); err != nil {
		return err
	}
	w.log.Info(eventFinished, slog.String("job", c.Job.ID), slog.Int("recordings", done.Recordings), slog.Int("already", done.Already), slog.Int("audio", done.Audio),
		slog.Int("audio_missing", done.AudioMissing), slog.Int("undated", done.Undated), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
	w.hurry() // the file goes
	return nil
}

// takeAll takes over every text that is not committed yet.
func (w *Worker) takeAll(ctx context.Context, c *job.Claimed, request *Request, database *original.Database) (Done, error) {
	done, _ := DoneOf(&c.Job) // from the beginning where there is none
	done.TotalItems, done.LeftOut = database.Total(), database.LeftOut()
	for {
		page, err := database.After(ctx, done.After, perTransaction)
		if err != nil || len(page) == 0 {
			return done, err
		}
		next, err := w.take(ctx, c, request, done, page)
		if err != nil {
			return done, err
		}
		done = next
	}
}
