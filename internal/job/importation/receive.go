package importation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite/original"
)

// Log events, listed in docs/formats/log-events.md. Their names never change.
const (
	eventReceived = "import_received"
	eventFinished = "import_finished"
	// eventAudioMissing is a text whose audio could not be taken over.
	eventAudioMissing = "import_audio_missing"
	// eventNotSwept is a database that is past its time and could not be removed.
	eventNotSwept = "import_not_swept"
)

// Labels of the metrics.
const (
	outcomeImported = "imported"
	outcomeAlready  = "already"
	outcomeMissing  = "missing"
)

type metrics struct{ texts, audio *metric.CounterVec }

func newMetrics(scope observe.Scope, w *Worker) *metrics {
	m := &metrics{
		texts: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_import_texts_total", Help: "Texts of the original Scout that an import has come to, by outcome: imported, already there.",
		}, []string{"outcome"})),
		audio: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_import_audio_total", Help: "Audio of the original Scout that an import was to take over, by outcome: imported, missing.",
		}, []string{"outcome"})),
	}
	for _, outcome := range []string{outcomeImported, outcomeAlready} {
		m.texts.WithLabelValues(outcome)
	}
	for _, outcome := range []string{outcomeImported, outcomeMissing} {
		m.audio.WithLabelValues(outcome)
	}
	observe.Register(scope, &kept{w, metric.NewGauge(metric.Opts{
		Name: "scout_import_kept_bytes", Help: "Bytes of databases that wait for their import, or were left by one that failed, in the data folder.",
	})})
	return m
}

// kept is the gauge of what was received, counted when somebody asks.
type kept struct {
	worker *Worker
	*metric.Gauge
}

// Collect implements metric.Collector.
func (k *kept) Collect() []metric.Family {
	var n int64
	files, _ := os.ReadDir(k.worker.dir) // what cannot be read counts as nothing
	for _, file := range files {
		if info, err := file.Info(); err == nil {
			n += info.Size()
		}
	}
	k.Set(float64(n))
	return k.Gauge.Collect()
}

// Names of files: an id and one of these.
const (
	databaseSuffix = ".sqlite"
	partSuffix     = ".part"
)

const (
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

func (w *Worker) path(file string) string {
	return filepath.Join(w.dir, filepath.Base(file)+databaseSuffix)
}

// MostBytes is the size of the largest database that is taken.
func (w *Worker) MostBytes() int64 { return w.options.MostBytes }

// Received is a database that was received and is no job yet. Its holder calls Close.
type Received struct {
	Request

	worker *Worker
	keep   bool
}

// Keep says that a job has the database.
func (r *Received) Keep() { r.keep = true }

// Close ends the work with it; without Keep the file is removed.
func (r *Received) Close() {
	w := r.worker
	if !r.keep {
		_ = removed(w.path(r.File)) // Run does it later
	}
	w.mu.Lock()
	delete(w.receiving, r.File)
	w.mu.Unlock()
	w.hurry()
}

// Receive writes a database down. When it returns, the bytes are synced. What is clearly no database of SQLite is refused at once, and what is
// refused leaves nothing behind.
//
//	scout.CodeImportForeign     it is no database
//	scout.CodeRequestTooLarge   it has more than Options.MostBytes
//	scout.CodeDiskLow           there is no room
func (w *Worker) Receive(ctx context.Context, r io.Reader) (*Received, error) {
	began := time.Now()
	received := &Received{worker: w, Request: Request{File: "imp_" + strings.ToLower(ulid.Make().String())}}
	w.mu.Lock()
	w.receiving[received.File] = true
	w.mu.Unlock()
	head := make([]byte, original.HeadBytes)
	n, err := io.ReadFull(r, head)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		received.Close()
		return nil, err
	case !original.IsDatabase(head[:n]):
		received.Close()
		return nil, original.Foreign("it is no database of SQLite")
	}
	received.SHA256, received.Bytes, err = w.keep(ctx, w.path(received.File), io.LimitReader(io.MultiReader(bytes.NewReader(head), r), w.options.MostBytes+1))
	if err == nil && received.Bytes > w.options.MostBytes {
		err = scout.Errorf(scout.CodeRequestTooLarge, "the file is larger than %d bytes", w.options.MostBytes).WithHint("the setting limits.upload_bytes allows more")
	}
	if err != nil {
		received.Close()
		return nil, err
	}
	w.log.Info(eventReceived, slog.Int64("bytes", received.Bytes), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
	return received, nil
}

const (
	blockBytes = 64 << 10
	// syncEvery is as in package upload: a sync of everything at once would hold up the recorder's own.
	syncEvery = 16 << 20
)

// keep writes what r yields into a new file, within the budget, and syncs it.
func (w *Worker) keep(ctx context.Context, path string, r io.Reader) (sum string, n int64, err error) {
	// Not by atomicfile: until somebody has noted its name, Run removes it.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return "", 0, scout.FileError(scout.CodeWriteFailed, "keep a file", err)
	}
	defer func() { err = errors.Join(err, scout.FileError(scout.CodeWriteFailed, "keep a file", file.Close())) }()
	grant := w.options.Budget.New()
	defer grant.Close()
	hash, block, synced := sha256.New(), make([]byte, blockBytes), int64(0)
	for {
		if err := context.Cause(ctx); err != nil {
			return "", n, err
		}
		read, readErr := r.Read(block)
		if read > 0 {
			if err := grant.Room(int64(read), w.options.MostBytes+blockBytes-n); err != nil {
				return "", n, err
			}
			written, err := file.Write(block[:read])
			grant.Wrote(int64(written))
			n += int64(written)
			if err != nil {
				return "", n, scout.FileError(scout.CodeWriteFailed, "keep a file", err)
			}
			_, _ = hash.Write(block[:read]) // a hash takes everything
		}
		ended := errors.Is(readErr, io.EOF)
		if readErr != nil && !ended {
			return "", n, readErr
		}
		if ended || n-synced >= syncEvery {
			if err := file.Sync(); err != nil {
				return "", n, scout.FileError(scout.CodeWriteFailed, "keep a file", err)
			}
			synced = n
		}
		if ended {
			return hex.EncodeToString(hash.Sum(nil)), n, nil
		}
	}
}

// hurry has Run look again.
func (w *Worker) hurry() {
	select {
	case w.wake <- struct{}{}:
	default: // it will
	}
}

// lookEvery is how often Run looks while there are files.
const lookEvery = time.Hour

// Run removes the files that no job needs any more, until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	w.sweep(ctx)
	for {
		timer := time.NewTimer(lookEvery)
		later := timer.C
		if files, err := os.ReadDir(w.dir); err == nil && len(files) == 0 {
			later = nil // whoever makes one wakes
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-later:
		case <-w.wake:
		}
		timer.Stop()
		w.sweep(ctx)
	}
}

// sweep removes the databases that no job needs.
func (w *Worker) sweep(ctx context.Context) {
	// In this order: a file that is a job's by now was still being received when its job was not looked for yet.
	files, _ := os.ReadDir(w.dir) // as in Run
	w.mu.Lock()
	receiving := maps.Clone(w.receiving)
	w.mu.Unlock()
	needed, err := w.needed(ctx)
	if err != nil {
		return // without a store nobody knows; the next time
	}
	for _, file := range files {
		name, isDatabase := strings.CutSuffix(file.Name(), databaseSuffix)
		if !isDatabase { // an import is at it
			continue
		}
		if receiving[name] || needed[name].After(w.options.Now()) {
			continue
		}
		if err := removed(filepath.Join(w.dir, file.Name())); err != nil {
			w.log.Warn(eventNotSwept, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
	}
}

// needed is until when each database is needed.
func (w *Worker) needed(ctx context.Context) (map[string]time.Time, error) {
	until := make(map[string]time.Time)
	forEver := w.options.Now().Add(lookEvery * 1000)
	page := store.Page{Limit: 200}
	for {
		list, err := w.options.Store.Jobs(ctx, store.JobFilter{Kind: job.KindImport}, page)
		if err != nil {
			return nil, err
		}
		for i := range list.Data {
			j := &list.Data[i]
			var request Request
			if json.Unmarshal(j.Options, &request) != nil {
				continue // a defect; the job says so
			}
			switch {
			case !j.State.Ended():
				until[request.File] = forEver
			case j.State != store.JobSucceeded:
				until[request.File] = j.FinishedAt.Add(w.options.Keep)
			}
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			return until, nil
		}
	}
}
