package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
)

// EventUploaded is the type of the event about an upload that became a recording. It is part of the public contract.
const EventUploaded = "upload.finished"

// lengthWithin bounds the look at the headers of a file.
const lengthWithin = 5 * time.Second

// Finish makes a recording of an upload whose last byte is there, with the job that makes its text, in one transaction. Repeating it does no
// harm. Where the queue is full, or the database cannot be written, there is no recording, the file stays, and Run tries again.
func (w *Writing) Finish(ctx context.Context) (Status, error) {
	u := w.uploads
	s := w.Status()
	if s.State == Done || s.State == Receiving && s.Offset != s.Length {
		return s, nil
	}
	var err error
	if s.State == Receiving {
		err = w.complete()
	}
	if err == nil {
		err = u.become(ctx, w)
	}
	u.mu.Lock()
	w.entry.failed = err
	u.mu.Unlock()
	if err != nil {
		u.hurry()
		u.log.Warn(eventNotFinished, slog.String("upload", s.ID), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		return w.Status(), err
	}
	u.metrics.outcomes.WithLabelValues(outcomeFinished).Inc()
	s = w.Status()
	u.log.Info(eventFinished, slog.String("upload", s.ID), slog.String(recording.KeyRecording, s.Recording), slog.Int64("bytes", s.Length),
		slog.Int64(observe.KeyDurationMS, s.EndedAt.Sub(s.CreatedAt).Milliseconds()))
	return s, nil
}

// become makes the recording.
func (u *Uploads) become(ctx context.Context, w *Writing) error {
	info, folder := w.Status().Info, u.options.Folder
	id, bytes := recording.ID(info.Recording), u.bytesPath(info.ID)
	if missing(bytes) && missing(folder.AudioPath(id)) { // it was a recording, and was deleted
		return w.Change(func(i *Info) { i.State, i.EndedAt, i.Webhook = Done, u.now(), nil })
	}
	here := !missing(bytes) // else an earlier attempt has moved them, and may have been committed
	err := folder.Import(recording.Manifest{
		ID: id, StartedAt: info.CreatedAt, EndedAt: u.now(), SHA256: info.SHA256,
		Upload: &recording.Upload{MediaType: info.MediaType, Bytes: info.Length, Title: info.title(), Tags: info.Tags, Client: info.Client, Source: info.Source},
	}, bytes)
	if err != nil {
		return err
	}
	var made string
	if err = u.commit(ctx, &info, &made); err != nil && here {
		err = errors.Join(err, folder.Withdraw(id, bytes))
	}
	if err != nil {
		return err
	}
	return w.Change(func(i *Info) { i.State, i.EndedAt, i.Job, i.Webhook = Done, u.now(), made, nil })
}

// title is that of the recording: the one that the client gave, or the name of the file.
func (i *Info) title() string {
	if i.Title != "" {
		return i.Title
	}
	return i.Name
}

// commit notes the recording and its job in one transaction. made is the id of the job, where one is wanted.
func (u *Uploads) commit(ctx context.Context, info *Info, made *string) error {
	found, err := ondisk.Folders{{Folder: u.options.Folder, Source: store.SourceUpload}}.Read(ctx, info.Recording)
	if err != nil {
		return err
	}
	note := func(tx store.Tx, id string) error {
		put, err := tx.PutRecording(found)
		if err != nil || !put.New {
			return err
		}
		data, err := json.Marshal(map[string]any{"id": info.Recording, "upload_id": info.ID, "job_id": id, "size_bytes": info.Length})
		if err != nil {
			return fmt.Errorf("event of an upload: %w", err)
		}
		_, err = tx.Append(store.EventStream, store.NewEvent{Type: EventUploaded, Recording: info.Recording, Client: info.Client, Data: data})
		return err
	}
	if !info.Transcribe {
		return u.options.History.Store().Update(ctx, func(tx store.Tx) error { return note(tx, "") })
	}
	var request transcription.Request
	if err := json.Unmarshal(info.Options, &request); err != nil {
		return fmt.Errorf("the options of an upload: %w", err)
	}
	key, err := request.Key(recording.ID(info.Recording))
	if err != nil {
		return err
	}
	_, _, err = u.options.Jobs.Submit(ctx, job.Order{
		Kind: job.KindTranscribe, Recording: info.Recording, Client: info.Client, Priority: info.Priority, Options: info.Options, Key: key,
		Length: u.length(ctx, recording.ID(info.Recording)), Traceparent: info.Traceparent,
		Also: func(tx store.Tx, j *store.Job, _ bool) error {
			*made = j.ID
			if info.Webhook != nil {
				if err := info.Webhook.Attach(tx, j); err != nil {
					return err
				}
			}
			return note(tx, j.ID)
		},
	})
	return err
}

// length is how long the audio is, as far as its headers tell.
func (u *Uploads) length(ctx context.Context, id recording.ID) time.Duration {
	if u.options.Length == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, lengthWithin)
	defer cancel()
	return u.options.Length(ctx, u.options.Folder.AudioPath(id))
}

// Pauses of Run.
const (
	againAfter = 30 * time.Second // after a complete file could not become a recording, or a description could not be read
	mostAsleep = time.Hour        // a clock may leap
)

// Run makes recordings of complete files that are none, lets uploads expire, forgets those that ended long ago, and takes up those whose
// description was mended, until ctx ends.
func (u *Uploads) Run(ctx context.Context) error {
	timer, due := time.NewTimer(0), time.Now()
	defer timer.Stop()
	for {
		swept := false
		select {
		case <-ctx.Done():
			return nil
		case <-u.wake:
		case <-timer.C:
			u.sweep(ctx)
			swept = true
		}
		if next := time.Now().Add(u.next()); swept || next.Before(due) { // being woken puts nothing off
			due = next
			timer.Reset(time.Until(due))
		}
	}
}

// next is how long Run may sleep.
func (u *Uploads) next() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	pause, now := mostAsleep, u.now()
	if len(u.unread) > 0 {
		pause = againAfter
	}
	for _, e := range u.entries {
		if e.info.State == Complete || e.info.State == Receiving && e.offset == e.info.Length {
			pause = min(pause, againAfter)
		}
		pause = min(pause, max(time.Second, u.expires(e).Sub(now)))
	}
	return pause
}

// sweep does what is due.
func (u *Uploads) sweep(ctx context.Context) {
	u.readAgain()
	u.mu.Lock()
	var due []string
	now := u.now()
	for id, e := range u.entries {
		if e.writing == nil && e.begun == nil && (e.info.State == Complete || e.info.State == Receiving && e.offset == e.info.Length || !now.Before(u.expires(e))) {
			due = append(due, id)
		}
	}
	u.mu.Unlock()
	for _, id := range due {
		if ctx.Err() != nil {
			return
		}
		if err := u.settle(ctx, id); err != nil {
			u.log.Warn(eventNotSwept, slog.String("upload", id), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
	}
}

// settle does what is due with one upload.
func (u *Uploads) settle(ctx context.Context, id string) error {
	u.mu.Lock()
	e, found := u.entries[id]
	if !found || e.writing != nil { // somebody has come back to it
		u.mu.Unlock()
		return nil
	}
	w := &Writing{uploads: u, entry: e}
	e.writing, e.free = w, make(chan struct{})
	old := !u.now().Before(u.expires(e))
	u.mu.Unlock()
	defer w.Close()
	s := w.Status()
	switch {
	case s.State == Complete, s.State == Receiving && s.Offset == s.Length:
		_, _ = w.Finish(ctx) // it logs, and is tried again
		return nil
	case !old:
		return nil
	case s.State == Receiving:
		return w.expire()
	}
	if err := u.forget(id); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.entries, id)
	return nil
}

// expire removes the bytes of an upload that nobody completed. What remains says that there was one.
func (w *Writing) expire() error {
	u, s := w.uploads, w.Status()
	if err := w.Change(func(i *Info) { i.State, i.EndedAt, i.Webhook = Expired, u.now(), nil }); err != nil {
		return err
	}
	if err := os.Remove(u.bytesPath(s.ID)); err != nil && !missing(u.bytesPath(s.ID)) {
		return scout.FileError(scout.CodeWriteFailed, "remove an upload", err)
	}
	u.metrics.outcomes.WithLabelValues(outcomeExpired).Inc()
	u.log.Info(eventExpired, slog.String("upload", s.ID), slog.Int64("bytes", s.Offset), slog.Int64(observe.KeyDurationMS, u.now().Sub(s.CreatedAt).Milliseconds()))
	return nil
}
