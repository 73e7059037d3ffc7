package export

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// MostRecordings bounds the recordings that one request names.
const MostRecordings = 1000

// Request says what is exported; it is the options of a job.
type Request struct {
	// Recordings are ids. All is every recording that is not in the trash.
	Recordings []string `json:"recording_ids,omitempty"`
	All        bool     `json:"all,omitempty"`
	Formats    []string `json:"formats"`
	// Client bounds All to what is that client's; empty for the owner.
	Client string `json:"client,omitempty"`
}

// Done is how far an export is. It is the checkpoint of the job, and stays when the job has succeeded.
type Done struct {
	job.Moved
	// Recordings are those of which the file has something, Files is how many files it has besides its index, and Problems how many are not
	// there.
	Recordings int `json:"recordings"`
	Files      int `json:"files"`
	Problems   int `json:"problems"`
	// SizeBytes and SHA256 are those of the whole file.
	SizeBytes int64  `json:"size_bytes,omitempty"`
	SHA256    string `json:"sha256,omitempty"`
}

// DoneOf returns how far a job is; found is false for others, and before anything is known.
func DoneOf(j *store.Job) (d Done, found bool) {
	if j.Kind != job.KindExport || len(j.Checkpoint) == 0 || json.Unmarshal(j.Checkpoint, &d) != nil {
		return Done{}, false
	}
	return d, true
}

// Options configure a Worker.
type Options struct {
	Source
	// Dir is where the files are kept, for Keep.
	Dir    string
	Keep   time.Duration
	Budget *freespace.Budget
	// SavedEvery is how often a job saves how far it is; default 1 s.
	SavedEvery time.Duration
	Now        func() time.Time // default time.Now
	Scope      observe.Scope
}

const (
	suffix     = ".zip"
	partSuffix = ".part"
	indexName  = "index.json"

	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700

	savedEvery = time.Second
	// syncEvery is as in package upload: a sync of everything at once would hold up the recorder's own.
	syncEvery = 16 << 20
)

// Worker does one export after the other, and keeps what they made. It is safe for concurrent use.
type Worker struct {
	options Options
	log     *slog.Logger
	metrics *metrics
	turn    job.Turn      // of exports
	wake    chan struct{} // has a token when Run is to look again

	mu     sync.Mutex
	has    map[string]bool // the recordings in the file that is being written; nil for none
	spoilt bool            // one of them was purged meanwhile
}

// NewWorker returns a worker, and removes what a crash has left of files that were not complete.
func NewWorker(o Options) (*Worker, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SavedEvery <= 0 {
		o.SavedEvery = savedEvery
	}
	scope := o.Scope.Component("export")
	w := &Worker{options: o, log: scope.Log(), turn: job.NewTurn(), wake: make(chan struct{}, 1)}
	w.metrics = newMetrics(scope, w)
	if err := os.MkdirAll(o.Dir, folderMode); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make the folder of exports", err)
	}
	parts, err := filepath.Glob(filepath.Join(o.Dir, "*"+partSuffix))
	for _, path := range parts {
		err = errors.Join(err, removed(path))
	}
	w.notSwept(err)
	return w, nil
}

func (w *Worker) path(id string) string {
	return filepath.Join(w.options.Dir, filepath.Base(id)+suffix)
}

// Do makes the file of a job. It is a job.Work. A job that was interrupted or held back begins its file anew.
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
	for {
		done, whole, err := w.make(ctx, c, &request)
		if err != nil {
			return errors.Join(err, removed(w.path(c.Job.ID)+partSuffix))
		}
		if !whole { // a recording was purged meanwhile: no byte of it may stay
			continue
		}
		if c.Outcome, err = json.Marshal(done); err != nil {
			return err
		}
		if err := w.options.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return c.Finish(tx, 0) }); err != nil {
			return errors.Join(err, removed(w.path(c.Job.ID)))
		}
		w.log.Info(eventFinished, slog.String("job", c.Job.ID), slog.Int("recordings", done.Recordings), slog.Int("files", done.Files), slog.Int("problems", done.Problems),
			slog.Int64("bytes", done.SizeBytes), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
		w.hurry() // it goes when its time is over
		return nil
	}
}

// index is what the file says of itself.
type index struct {
	CreatedAt  time.Time `json:"created_at"`
	Formats    []string  `json:"formats"`
	Recordings []indexed `json:"recordings"`
}

// indexed is a recording in the index.
type indexed struct {
	ID        string            `json:"id"`
	Source    string            `json:"source,omitempty"`
	StartedAt time.Time         `json:"started_at,omitzero"`
	Seconds   float64           `json:"duration_seconds,omitempty"`
	Title     string            `json:"title,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Files     []string          `json:"files"`
	Problems  []problem         `json:"problems,omitempty"`
}

// problem is a file that is not there.
type problem struct {
	Format  string     `json:"format,omitempty"`
	Code    scout.Code `json:"code"`
	Message string     `json:"message"`
}

// make writes the whole file. whole is false where a recording was purged meanwhile.
func (w *Worker) make(ctx context.Context, c *job.Claimed, request *Request) (done Done, whole bool, err error) {
	w.mu.Lock()
	w.has, w.spoilt = make(map[string]bool), false
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.has = nil
	}()
	ids := request.Recordings
	if request.All {
		if ids, err = w.all(ctx, request.Client); err != nil {
			return done, false, err
		}
	}
	done.TotalItems = len(ids)
	path := w.path(c.Job.ID)
	// Not by atomicfile: it grows with what is written, within the budget, and gets its name when it is whole.
	file, err := os.OpenFile(path+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return done, false, scout.FileError(scout.CodeWriteFailed, "write an export", err)
	}
	out := &counted{ctx: ctx, worker: w, claimed: c, file: file, grant: w.options.Budget.New(), sum: sha256.New(), done: &done, saved: time.Now()}
	err = w.fill(ctx, out, request, ids)
	if err == nil {
		err = scout.FileError(scout.CodeWriteFailed, "sync an export", file.Sync())
	}
	out.grant.Close()
	if err := errors.Join(err, scout.FileError(scout.CodeWriteFailed, "write an export", file.Close())); err != nil {
		return done, false, err
	}
	done.SizeBytes, done.SHA256, done.DoneBytes, done.TotalBytes = out.written, hex.EncodeToString(out.sum.Sum(nil)), out.written, out.written
	w.mu.Lock()
	defer w.mu.Unlock() // from here on Purged finds the file
	if w.spoilt {
		return done, false, removed(path + partSuffix)
	}
	// Not by atomicfile: the file is complete and synced.
	if err = os.Rename(path+partSuffix, path); err == nil {
		err = atomicfile.OS{}.SyncFolder(w.options.Dir)
	}
	return done, err == nil, scout.FileError(scout.CodeWriteFailed, "keep an export", err)
}

// all are the recordings that are not in the trash, oldest first.
func (w *Worker) all(ctx context.Context, client string) ([]string, error) {
	var ids []string
	for page := (store.Page{Limit: 200, Order: store.Ascending, NoText: true}); ; {
		list, err := w.options.Store.Recordings(ctx, store.Filter{Client: client}, page)
		if err != nil {
			return nil, err
		}
		for i := range list.Data {
			ids = append(ids, list.Data[i].ID)
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			return ids, nil
		}
	}
}

// fill writes all files, and what is missing into the index.
func (w *Worker) fill(ctx context.Context, out *counted, request *Request, ids []string) error {
	z := zip.NewWriter(out)
	about := index{CreatedAt: w.options.Now().UTC().Truncate(time.Millisecond), Formats: request.Formats, Recordings: []indexed{}}
	for _, id := range ids {
		w.mu.Lock()
		w.has[id] = true // before it is read
		w.mu.Unlock()
		one, err := w.one(ctx, z, request, id)
		if err != nil {
			return err
		}
		about.Recordings = append(about.Recordings, one)
		out.done.DoneItems++
		out.done.Files += len(one.Files)
		out.done.Problems += len(one.Problems)
		if len(one.Files) > 0 {
			out.done.Recordings++
		}
	}
	data, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	last := File{Name: indexName, data: append(data, '\n')}
	if err := last.Add(ctx, z, about.CreatedAt); err != nil {
		return err
	}
	return z.Close()
}

// one writes the files of a recording. What cannot be had is noted, and keeps nothing else away.
func (w *Worker) one(ctx context.Context, z *zip.Writer, request *Request, id string) (indexed, error) {
	one := indexed{ID: id, Files: []string{}}
	note := func(format string, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case store.IsAway(err):
			return err
		}
		one.Problems = append(one.Problems, problem{format, scout.CodeOf(err), scout.Plain(recording.Unplaced(err, w.options.Folders.AudioPath(recording.ID(id)), "the file"))})
		return nil
	}
	r, err := w.options.Store.Recording(ctx, id)
	if err != nil {
		return one, note("", err)
	}
	one.Source, one.StartedAt, one.Seconds, one.Title, one.Tags, one.Labels = string(r.Source), r.StartedAt.UTC(), r.Duration.Seconds(), r.Title, r.Tags, r.Labels
	for _, format := range request.Formats {
		file, err := w.options.File(ctx, &r, format, 0)
		if err != nil {
			if err := note(format, err); err != nil {
				return one, err
			}
			continue
		}
		if err := file.Add(ctx, z, r.StartedAt); err != nil {
			return one, err // half of a file is in there: the whole is of no use
		}
		one.Files = append(one.Files, file.Name)
	}
	return one, nil
}

// counted writes within the budget, and saves how far the job is.
type counted struct {
	ctx     context.Context //nolint:containedctx // that of the one export
	worker  *Worker
	claimed *job.Claimed
	file    *os.File
	grant   *freespace.Grant
	sum     hash.Hash
	written int64
	synced  int64
	done    *Done
	saved   time.Time
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	if c.claimed.Held() || time.Since(c.saved) >= c.worker.options.SavedEvery {
		c.saved = time.Now()
		c.done.DoneBytes = c.written
		checkpoint, err := json.Marshal(c.done)
		if err == nil {
			err = c.claimed.Save(c.ctx, checkpoint, 0)
		}
		if err != nil {
			return 0, err
		}
	}
	if err := c.grant.Room(int64(len(p)), max(int64(len(p)), freespace.Step)); err != nil {
		return 0, err
	}
	n, err := c.file.Write(p)
	c.grant.Wrote(int64(n))
	_, _ = c.sum.Write(p[:n]) // a hash takes everything
	c.written += int64(n)
	c.worker.metrics.bytes.Add(float64(n))
	if err == nil && c.written-c.synced >= syncEvery {
		err, c.synced = c.file.Sync(), c.written
	}
	return n, scout.FileError(scout.CodeWriteFailed, "write an export", err)
}

// Kept is the file of an export.
type Kept struct {
	*os.File
	Done

	ExpiresAt, MadeAt time.Time
}

// Open opens the file of a job that has succeeded. The caller closes it.
//
//	scout.CodeConflict  there is none yet, or none will be made
//	scout.CodeGone      it is not kept any more
func (w *Worker) Open(j *store.Job) (*Kept, error) {
	done, found := DoneOf(j)
	switch {
	case j.Kind != job.KindExport:
		return nil, scout.Errorf(scout.CodeNotFound, "job %s exports nothing", j.ID).WithHint("name a job of the kind export: scout jobs list")
	case !j.State.Ended():
		return nil, scout.Errorf(scout.CodeConflict, "job %s has not ended", j.ID).WithHint("wait for it: scout jobs wait %s", j.ID)
	case j.State != store.JobSucceeded || !found:
		return nil, scout.Errorf(scout.CodeConflict, "job %s is %s: it has made no file", j.ID, j.State).WithHint("look at it: scout jobs show %s", j.ID)
	}
	gone := scout.Errorf(scout.CodeGone, "the file of job %s is not kept any more", j.ID).WithHint("export it again")
	file, err := os.Open(w.path(j.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone
	} else if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read an export", err)
	}
	until := w.Expires(j)
	if !w.options.Now().Before(until) {
		return nil, errors.Join(gone, file.Close())
	}
	return &Kept{file, done, until, j.FinishedAt}, nil
}

// Expires is until when the file of a job is kept that has succeeded.
func (w *Worker) Expires(j *store.Job) time.Time { return j.FinishedAt.Add(w.options.Keep) }

// Purged removes every file that has something of recordings that were purged.
func (w *Worker) Purged(recordings ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range recordings {
		w.spoilt = w.spoilt || w.has[id]
	}
	files, _ := filepath.Glob(filepath.Join(w.options.Dir, "*"+suffix)) // of a pattern that is one
	for _, path := range files {
		if holds(path, recordings) {
			w.notSwept(removed(path))
		}
	}
}

// Clear removes every file that is complete, before its time is over. It returns how many there were.
func (w *Worker) Clear() (files int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, _ := filepath.Glob(filepath.Join(w.options.Dir, "*"+suffix)) // of a pattern that is one
	for _, path := range found {
		if removeErr := removed(path); removeErr != nil {
			err = errors.Join(err, removeErr)
			continue
		}
		files++
	}
	return files, err
}

// holds reports whether a file has something of one of the recordings, or cannot be read.
func holds(path string, recordings []string) bool {
	z, err := zip.OpenReader(path)
	if err != nil {
		return true
	}
	defer func() { _ = z.Close() }() // it was only read
	return slices.ContainsFunc(z.File, func(f *zip.File) bool {
		id, _, _ := strings.Cut(f.Name, ".")
		return slices.Contains(recordings, id)
	})
}

// hurry has Run look again.
func (w *Worker) hurry() {
	select {
	case w.wake <- struct{}{}:
	default: // it will
	}
}

// Run removes files whose time is over, until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	for {
		next := w.sweep()
		timer := time.NewTimer(next)
		later := timer.C
		if next <= 0 {
			later = nil // there is none: whoever makes one wakes
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-later:
		case <-w.wake:
		}
		timer.Stop()
	}
}

// sweep removes files whose time is over, and returns in what time it is the next one's; 0 where there is none.
func (w *Worker) sweep() (next time.Duration) {
	files, _ := filepath.Glob(filepath.Join(w.options.Dir, "*"+suffix)) // of a pattern that is one
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		left := info.ModTime().Add(w.options.Keep).Sub(w.options.Now())
		if left <= 0 || left > 2*w.options.Keep { // the clock was set back: nothing is kept for ever
			err := removed(path)
			if w.notSwept(err); err == nil {
				w.log.Info(eventExpired, slog.String("job", strings.TrimSuffix(filepath.Base(path), suffix)), slog.Int64("bytes", info.Size()))
			}
			left = w.options.Keep
		}
		if next == 0 || left < next {
			next = left
		}
	}
	return next
}

// removed removes a file that may be there.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return scout.FileError(scout.CodeWriteFailed, "remove an export", err)
	}
	return nil
}
