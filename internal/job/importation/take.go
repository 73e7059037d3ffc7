package importation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite/original"
	"github.com/scout-speech/scout/internal/upload"
)

// undated is the start of what has no time: the store has none without.
var undated = time.UnixMilli(1).UTC() //nolint:gochecknoglobals // a constant

// startOf is when a text was saved.
func startOf(t *original.Text) time.Time {
	if t.At.IsZero() {
		return undated
	}
	return t.At.Truncate(time.Millisecond)
}

// idOf is the id that a text has, however often it is imported and however its columns are declared then: its time, and a checksum of all that
// makes it this one.
func idOf(t *original.Text) recording.ID {
	created := t.Created
	if !t.At.IsZero() { // the same, in whatever form it is written
		created = strconv.FormatInt(t.At.UnixMilli(), 10)
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "original scout\n%s\n%s\n%d\n%s", t.ID, created, t.Duration.Milliseconds(), t.Text) // a hash takes everything
	stamp := string(recording.NewID(startOf(t)))
	return recording.ID(stamp[:strings.LastIndexByte(stamp, '-')+1] + hex.EncodeToString(sum.Sum(nil)[:6]))
}

// found is a text on its way.
type found struct {
	text      *original.Text
	recording store.Recording
	placed    string // where its audio came from, in case that it has to go back; empty for nowhere
	later     bool   // the recording is there with its text, and only the audio is new
}

// take commits some texts, with how far the import is then. What it has placed of their audio goes back where that fails.
func (w *Worker) take(ctx context.Context, c *job.Claimed, request *Request, done Done, page []original.Text) (Done, error) {
	all := make([]found, 0, len(page))
	withdraw := func(err error) error {
		for i := range all {
			if all[i].placed != "" {
				err = errors.Join(err, w.options.Folder.Withdraw(recording.ID(all[i].recording.ID), all[i].placed), os.Remove(all[i].placed))
			}
		}
		return err
	}
	var bytes int64
	before := done.Recordings
	for i := range page {
		t := &page[i]
		done.After = &t.Row
		done.DoneItems++
		if t.At.IsZero() {
			done.Undated++
		}
		id := string(idOf(t))
		if slices.ContainsFunc(all, func(f found) bool { return f.recording.ID == id }) { // the same row twice
			done.Already++
			continue
		}
		known, err := w.options.Store.Recording(ctx, id)
		switch {
		case scout.CodeOf(err) == scout.CodeRecordingNotFound:
		case err != nil:
			return done, withdraw(err)
		case !known.DeletedAt.IsZero() || known.Source != store.SourceImport:
			done.Already++
			continue
		case known.Transcript != nil:
			done.Already++
			if !request.Audio || t.AudioPath == "" || known.Audio == store.AudioPresent || len(known.Manifest) > 0 { // audio that was there and was removed stays away
				continue
			}
			f := found{text: t, recording: known, later: true}
			if err := w.place(ctx, request, &f, &done); err != nil {
				return done, withdraw(err)
			}
			if f.recording.Audio == store.AudioPresent {
				bytes += f.recording.Bytes
				all = append(all, f)
			}
			continue
		}
		f := found{text: t, recording: known}
		switch {
		case err != nil:
			if err := w.place(ctx, request, &f, &done); err != nil {
				return done, withdraw(err)
			}
		case known.Audio == store.AudioPresent: // the folder of an attempt before was read meanwhile
			done.Audio++
		}
		bytes += f.recording.Bytes
		all = append(all, f)
		done.Recordings++
	}
	done.DoneBytes += bytes
	checkpoint, err := json.Marshal(done)
	if err != nil {
		return done, withdraw(err)
	}
	var paused bool
	err = w.options.Store.Update(ctx, func(tx store.Tx) error {
		for i := range all {
			if err := all[i].put(tx); err != nil {
				return err
			}
		}
		paused, err = c.Note(tx, checkpoint)
		return err
	})
	if err != nil {
		return done, withdraw(err)
	}
	c.Noted(checkpoint)
	made := done.Recordings - before
	w.metrics.texts.WithLabelValues(outcomeImported).Add(float64(made))
	w.metrics.texts.WithLabelValues(outcomeAlready).Add(float64(len(page) - made))
	if paused {
		return done, job.ErrPaused
	}
	return done, nil
}

// mostSegmentBytes is where a text is parted that is longer than a segment of the store can be.
const mostSegmentBytes = 512 << 10

// put adds the recording and its text.
func (f *found) put(tx store.Tx) error {
	if _, err := tx.PutRecording(f.recording); err != nil || f.later {
		return err
	}
	made := scout.Transcript{Model: f.text.Model, Duration: f.text.Duration}
	start := time.Duration(0)
	for rest := strings.TrimSpace(f.text.Text); rest != ""; start = f.text.Duration { // when it was said within the audio is not known
		part := rest
		if len(part) > mostSegmentBytes {
			part = strings.ToValidUTF8(part[:mostSegmentBytes], "") // a character is not parted
			if at := strings.LastIndexAny(part, " \n"); at > 0 {
				part = part[:at]
			}
		}
		rest = strings.TrimSpace(rest[len(part):])
		made.Segments = append(made.Segments, scout.Segment{Start: start, End: f.text.Duration, Text: strings.TrimSpace(part)})
	}
	_, err := tx.PutTranscript(store.Put{Key: store.MainKey(f.recording.ID), Kind: store.KindFirst, Transcript: made, Once: "import"})
	return err
}

// place completes what is found: as a recording with its audio where that can be had, else without.
func (w *Worker) place(ctx context.Context, request *Request, f *found, done *Done) error {
	id, t := idOf(f.text), f.text
	f.recording = store.Recording{
		ID: string(id), Source: store.SourceImport, State: string(recording.StateFinished), Device: t.Device, StartedAt: startOf(t), Duration: t.Duration,
		Audio: store.AudioRemoved, Title: t.Title,
	}
	if t.AudioPath == "" {
		return nil
	}
	if !request.Audio {
		done.AudioMissing++
		return nil
	}
	part, err := w.fetch(ctx, f.text, id)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case scout.CodeOf(err) == scout.CodeDiskLow, scout.CodeOf(err) == scout.CodeDiskFull, scout.CodeOf(err) == scout.CodeWriteFailed:
		return err // with room, the import goes on
	default:
		done.AudioMissing++
		w.metrics.audio.WithLabelValues(outcomeMissing).Inc()
		w.log.Warn(eventAudioMissing, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(recording.Unplaced(err, t.AudioPath, "the file"))))
		return nil
	}
	if part.media != "" { // else it is there
		err = w.options.Folder.Import(recording.Manifest{
			ID: id, StartedAt: startOf(t), SHA256: part.sum, Device: recording.Device{Name: t.Device}, Frames: recording.UploadFormat().Frames(t.Duration),
			Upload: &recording.Upload{MediaType: part.media, Bytes: part.bytes, Title: t.Title},
		}, part.path)
		if err != nil {
			return errors.Join(err, removed(part.path))
		}
		f.placed = part.path
	}
	if f.recording, err = (ondisk.Folders{{Folder: w.options.Folder, Source: store.SourceImport}}).Read(ctx, string(id)); err != nil {
		return err
	}
	done.Audio++
	w.metrics.audio.WithLabelValues(outcomeImported).Inc()
	return nil
}

// part is a copy of a file. Its media is empty where the folder has it as a recording already.
type part struct {
	path, sum, media string
	bytes            int64
}

// sniffed is how much of a file tells what it is. Source: net/http, DetectContentType.
const sniffed = 512

// fetch copies the audio of a text. What is no audio stays where it is: the path comes from a file that anybody may have written.
func (w *Worker) fetch(ctx context.Context, t *original.Text, id recording.ID) (p part, err error) {
	if !missing(w.options.Folder.AudioPath(id)) {
		return part{}, nil // an attempt before has placed it
	}
	if !filepath.IsAbs(t.AudioPath) {
		return p, scout.Errorf(scout.CodeFileNotFound, "its path is not a whole one")
	}
	const doing = "read the audio of a text"
	// Not by atomicfile: it is read; a pipe must not wait for its other end.
	file, err := os.OpenFile(t.AudioPath, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return p, scout.FileError(scout.CodeReadFailed, doing, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	switch {
	case err != nil:
		return p, scout.FileError(scout.CodeReadFailed, doing, err)
	case !info.Mode().IsRegular():
		return p, scout.Errorf(scout.CodeAudioUnsupported, "it is not a file")
	case info.Size() > w.options.MostBytes:
		return p, scout.Errorf(scout.CodeRequestTooLarge, "it has %d bytes", info.Size())
	}
	head := make([]byte, sniffed)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return p, scout.FileError(scout.CodeReadFailed, doing, err)
	}
	p = part{path: filepath.Join(w.dir, string(id)+partSuffix), media: upload.MediaType(head[:n])}
	if !strings.HasPrefix(p.media, "audio/") && !strings.HasPrefix(p.media, "video/") {
		return p, scout.Errorf(scout.CodeAudioUnsupported, "it is no audio")
	}
	p.sum, p.bytes, err = w.keep(ctx, p.path, io.LimitReader(file, w.options.MostBytes))
	if err == nil && p.bytes == 0 {
		err = scout.Errorf(scout.CodeAudioEmpty, "it has 0 bytes")
	}
	if err != nil {
		err = errors.Join(err, removed(p.path))
	}
	return p, err
}

// missing reports whether there is no file at a path.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// removed removes a file that may be there.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return scout.FileError(scout.CodeWriteFailed, "remove a copy", err)
	}
	return nil
}
