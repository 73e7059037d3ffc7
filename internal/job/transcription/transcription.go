// Package transcription does the jobs that make texts of recordings. What is settled of a text is kept with its job, so that a long
// one continues where an earlier process left it.
package transcription

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// Log events of this package, listed in docs/formats/log-events.md.
const (
	// eventIncomplete is a text of which a part is missing; its warnings say which.
	eventIncomplete = "job_incomplete"
	// eventNotSaved is work that could not be saved: after an end of the process more of it is done again.
	eventNotSaved = "job_not_saved"
	// eventWordsIgnored is a text that was made without the words it should have preferred.
	eventWordsIgnored = "job_keywords_ignored"
)

// Request says how a text is to be made; it is the options of a job. The zero value means the settings' defaults.
type Request struct {
	// Model is an id; empty for the default model of the time at which the text is made.
	Model string `json:"model,omitempty"`
	// Language is as a person writes it; empty for the model's own.
	Language string `json:"language,omitempty"`
	// Effort is one of speech.Efforts.
	Effort   string   `json:"effort,omitempty"`
	HotWords []string `json:"keywords,omitempty"`
	// Task is store.TaskTranslate for a text in English, whatever is spoken; else empty.
	Task string `json:"task,omitempty"`
	// Progressive has the fast model make a text first, where the recording has none; nil is as the settings say.
	Progressive *bool `json:"progressive,omitempty"`
	// Improves, if it is not 0, is the version of the text that this one is to improve by itself: if another one is current when it is
	// there, it is dropped.
	Improves int `json:"improves,omitempty"`
}

// Transcript is the transcript of a recording that the work makes or renews.
func (r *Request) Transcript(id recording.ID) store.Key {
	key := store.MainKey(string(id))
	if r.translates() {
		key.Task = store.TaskTranslate
	}
	return key
}

func (r *Request) translates() bool { return r.Task == store.TaskTranslate }

// RequestOf returns what a job was asked for.
func RequestOf(j *store.Job) (Request, error) { return job.OptionsOf[Request](j) }

// Key names the work: a recording, a model and options.
func (r *Request) Key(id recording.ID) (string, error) {
	data, err := json.Marshal(struct {
		Recording recording.ID `json:"recording"`
		Request   *Request     `json:"request"`
	}{id, r})
	if err != nil {
		return "", fmt.Errorf("name a job: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// Lender lends recognizers; *recognize.Engines is one.
type Lender interface {
	BorrowFor(ctx context.Context, model string, role recognize.Role, language string) (r *recognize.Recognizer, release func(), err error)
	BorrowTranslator(ctx context.Context, model, language string) (r *recognize.Recognizer, release func(), err error)
}

// borrow lends what makes the text of a request.
func (w *Worker) borrow(ctx context.Context, request *Request) (r *recognize.Recognizer, release func(), err error) {
	if request.translates() {
		return w.options.Engines.BorrowTranslator(ctx, request.Model, request.Language)
	}
	return w.options.Engines.BorrowFor(ctx, request.Model, recognize.Accurate, request.Language)
}

// Folder has the recordings; *recording.Folder and recording.Folders are some.
type Folder interface {
	Manifest(id recording.ID) (recording.Manifest, error)
	AudioPath(id recording.ID) string
}

// Options configure a Worker.
type Options struct {
	Folder  Folder
	Engines Lender
	History *history.History
	// Effort is that of requests that name none.
	Effort speech.Effort
	// Vote lets words of the fast model win in thorough texts, and Progressive is that of requests that say nothing about it: see
	// transcribe.Pair.
	Vote, Progressive bool
	// MostAudio bounds the audio of an upload, as it is decoded: a small file can hold days of it. 0 is no bound.
	MostAudio time.Duration
	// Heard is called with the length of an upload once it was decoded to its end; nil for nobody.
	Heard func(id recording.ID, length time.Duration)
	// SavedEvery is how much work an end of the process may cost, besides the piece that is decoded; default 1 s. Each save is
	// written to the disk.
	SavedEvery time.Duration
	Scope      observe.Scope
	Failures   *observe.Failures
}

const savedEvery = time.Second

// Worker makes texts. It is safe for concurrent use.
type Worker struct {
	options Options
	log     *slog.Logger
}

// New returns a worker.
func New(o Options) *Worker { return &Worker{options: o, log: o.Scope.Component("job").Log()} }

// Do makes the text of a job. It is a job.Work.
func (w *Worker) Do(ctx context.Context, c *job.Claimed) error {
	request, err := RequestOf(&c.Job)
	if err != nil {
		return err
	}
	id := recording.ID(c.Job.Recording)
	if key := request.Transcript(id); key != store.MainKey(string(id)) {
		if c.Outcome, err = json.Marshal(job.Made{Transcript: key.String()}); err != nil {
			return fmt.Errorf("name a transcript: %w", err)
		}
	}
	m, err := w.options.Folder.Manifest(id)
	switch {
	case err != nil:
		return err
	case m.State == recording.StateRecording:
		return scout.Errorf(scout.CodeRecordingInUse, "recording %s has not ended", id)
	}
	if err := w.visible(ctx, request.Transcript(id)); err != nil {
		return err
	}
	r, release, err := w.borrow(ctx, &request)
	if err != nil {
		return err
	}
	defer release()
	o := transcribe.Options{
		Class: classOf(&c.Job, &request), Client: c.Job.Client, HotWords: request.HotWords, Effort: w.options.Effort, Translate: request.translates(),
	}
	if err := r.CheckTranslation(ctx, o.Translate); err != nil {
		return err
	}
	if o.Language, err = r.Language(request.Language); err != nil {
		return err
	}
	if request.Effort != "" {
		if o.Effort, err = speech.ParseEffort(request.Effort); err != nil {
			return scout.Errorf(scout.CodeInvalidArgument, "%w", err)
		}
	}
	pair, releasePair, err := w.pair(ctx, c, &request, r, o.Effort)
	if err != nil {
		return err
	}
	defer releasePair()
	o.Pair = pair
	return w.make(ctx, c, r, o, &request, m.Upload != nil)
}

// visible refuses a text that went to the trash while the job waited, before anything is decoded. One that is not there yet is to be made.
func (w *Worker) visible(ctx context.Context, key store.Key) error {
	text, err := w.options.History.Store().Transcript(ctx, key, 0)
	if scout.CodeOf(err) == scout.CodeNotFound {
		return nil
	} else if err != nil {
		return err
	}
	return text.InTrash()
}

// classOf is how urgent a job is for the engine. None of them is waited for as a dictation is.
func classOf(j *store.Job, request *Request) schedule.Class {
	if request.Improves != 0 {
		return schedule.SecondPass
	}
	if job.PriorityOf(j) == job.Interactive {
		return schedule.Interactive
	}
	return schedule.Batch
}

// make makes and commits the text. What was uploaded is bounded; what was recorded is transcribed however long it is.
func (w *Worker) make(ctx context.Context, c *job.Claimed, r *recognize.Recognizer, o transcribe.Options, request *Request, uploaded bool) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p, err := w.resume(ctx, c, r, &o)
	if err != nil {
		return err
	}
	o.Saved = func(at speech.Checkpoint) {
		if err := p.save(ctx, at); err != nil {
			stop(err)
		}
	}
	watch, sink := transcribe.Watch{}, &commit{history: w.options.History, claimed: c, improves: request.Improves}
	if request.Improves != 0 || w.progressive(request) && o.Pair != nil && o.Pair.First != nil {
		sink.kind = store.KindSecondPass
	}
	if uploaded {
		watch, sink.heard = bounded(w.options.MostAudio, stop), w.options.Heard
	}
	in := transcribe.Input{Path: w.options.Folder.AudioPath(recording.ID(c.Job.Recording))}
	t := transcribe.New(w.options.Scope, w.options.Failures, r)
	err = t.Continue(ctx, in, o, sink, watch, transcribe.Leftover{
		Drop: p.restart, Committed: func() bool { return sink.committed },
		Ignored: func(err error) {
			w.log.Warn(eventWordsIgnored, slog.String("job", c.Job.ID), slog.String(observe.KeyError, scout.Plain(err)))
		},
	})
	if scout.CodeOf(err) == scout.CodeFileNotFound { // the recording may have been deleted meanwhile
		if _, gone := w.options.Folder.Manifest(recording.ID(c.Job.Recording)); scout.CodeOf(gone) == scout.CodeRecordingNotFound {
			err = gone
		}
	}
	if sink.committed { // what is missing in it is told by its warnings
		if err != nil {
			w.log.Warn(eventIncomplete, slog.String("job", c.Job.ID), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
		return nil
	}
	return recording.Unplaced(err, in.Path, "recording "+c.Job.Recording)
}

// bounded watches for audio that is longer than most: by its headers, and as it is decoded. 0 is no bound.
func bounded(most time.Duration, stop func(cause error)) transcribe.Watch {
	check := func(length time.Duration) {
		if most > 0 && length > most {
			stop(scout.Errorf(scout.CodeAudioTooLong, "the audio is longer than %s", most).WithHint("the setting limits.audio_seconds allows more"))
		}
	}
	return transcribe.Watch{
		Opened:   func(_ int, info file.Info) { check(info.Duration) },
		Progress: func(_ int, p speech.Progress) { check(p.Done) },
	}
}

// kept is the checkpoint of a job.
type kept struct {
	transcribe.Making
	Checkpoint speech.Checkpoint `json:"checkpoint"` // without its segments, which are parts of the job
}

// progress is what is known of a text that is being made.
type progress struct {
	worker  *Worker
	claimed *job.Claimed
	made    transcribe.Making
	saved   int       // segments that are in the store
	at      time.Time // of the last save
	failing bool      // the last save failed
}

// resume finds what an earlier attempt has left. What cannot be continued is removed.
func (w *Worker) resume(ctx context.Context, c *job.Claimed, r *recognize.Recognizer, o *transcribe.Options) (*progress, error) {
	made := transcribe.MakingOf(r, o)
	p := &progress{worker: w, claimed: c, made: made, at: time.Now()}
	if c.Job.Checkpoint == nil {
		return p, nil
	}
	parts, err := c.Parts(ctx)
	if err != nil && !errors.Is(err, job.ErrCleared) {
		return nil, err
	}
	from, usable := continued(c.Job.Checkpoint, parts, &made)
	if err != nil || !usable {
		err := p.restart(ctx)
		return p, err
	}
	o.From, p.saved = from, len(from.Segments)
	return p, nil
}

// continued puts a checkpoint together from what was kept.
func continued(checkpoint json.RawMessage, parts []json.RawMessage, made *transcribe.Making) (*speech.Checkpoint, bool) {
	var k kept
	if json.Unmarshal(checkpoint, &k) != nil || !k.Same(made) {
		return nil, false
	}
	for _, part := range parts {
		var segments []scout.Segment
		if json.Unmarshal(part, &segments) != nil {
			return nil, false
		}
		k.Checkpoint.Segments = append(k.Checkpoint.Segments, segments...)
	}
	return &k.Checkpoint, true
}

// restart begins anew.
func (p *progress) restart(ctx context.Context) error {
	p.saved = 0
	return p.claimed.Restart(ctx)
}

// save keeps what is known, unless that was done a moment ago. Its error ends the work: the job is held back, or is not this attempt's
// any more. A store that cannot be written costs time after an end of the process, and nothing else.
func (p *progress) save(ctx context.Context, c speech.Checkpoint) error {
	if time.Since(p.at) < cmp.Or(p.worker.options.SavedEvery, savedEvery) && !p.claimed.Held() {
		return nil
	}
	p.at = time.Now()
	err := p.keep(ctx, c)
	if errors.Is(err, job.ErrCleared) { // all of it once more
		if err = p.restart(ctx); err == nil {
			err = p.keep(ctx, c)
		}
	}
	switch {
	case errors.Is(err, job.ErrPaused), errors.Is(err, job.ErrLost):
		return err
	case err == nil:
	case !p.failing && ctx.Err() == nil:
		p.worker.log.Warn(eventNotSaved, slog.String("job", p.claimed.Job.ID), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	p.failing = err != nil
	return nil
}

// keep writes what is known, with the segments that are not in the store yet.
func (p *progress) keep(ctx context.Context, c speech.Checkpoint) error {
	settled := c.Segments
	c.Segments = nil
	data, err := json.Marshal(kept{p.made, c})
	if err != nil {
		return err
	}
	var parts []json.RawMessage
	if len(settled) > p.saved {
		part, err := json.Marshal(settled[p.saved:])
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	err = p.claimed.Save(ctx, data, segment.Duration(c.Next.Start), parts...)
	if err == nil || errors.Is(err, job.ErrPaused) {
		p.saved = len(settled)
	}
	return err
}

// commit is a sink that puts the complete text into the history, in the transaction that ends the job.
type commit struct {
	history   *history.History
	claimed   *job.Claimed
	heard     func(recording.ID, time.Duration)
	kind      store.Kind
	improves  int
	committed bool
}

// Settled implements transcribe.Sink: what is settled is kept by the checkpoint.
func (*commit) Settled(context.Context, int, text.Document) error { return nil }

// Finish implements transcribe.Sink.
func (s *commit) Finish(ctx context.Context, _ int, doc text.Document) error {
	j := &s.claimed.Job
	if s.heard != nil {
		s.heard(recording.ID(j.Recording), doc.Transcript.Duration)
	}
	s.claimed.Heard(doc.Transcript.Duration)
	_, _, err := s.history.Keep(ctx, history.Text{
		Recording: j.Recording, Transcript: doc.Transcript, Client: j.Client, Once: "job " + j.ID, Kind: s.kind, IfVersion: s.improves,
		Also: func(tx store.Tx, key store.Key, v store.Version) error {
			text, err := tx.Transcript(key, 0)
			if err := errors.Join(err, text.InTrash()); err != nil { // it went there while the text was made: what was decoded stays with the job
				return err
			}
			return s.claimed.Finish(tx, v.Version)
		},
	})
	s.committed = err == nil
	return err
}

// Abandon implements transcribe.Sink: the next attempt continues from the checkpoint.
func (*commit) Abandon(context.Context, int, text.Document) (string, error) { return "", nil }

// Close implements transcribe.Sink.
func (*commit) Close(context.Context) error { return nil }

// Acceptable returns what is wrong with a request, so that no job is made that cannot succeed: an unknown effort, task or language, a model
// that is not there, does not know the language or cannot translate.
func (w *Worker) Acceptable(ctx context.Context, request Request) error {
	if request.Task != "" && !request.translates() {
		return scout.Errorf(scout.CodeInvalidArgument, "task %q: want %s, or none", request.Task, store.TaskTranslate)
	}
	if request.Effort != "" {
		if _, err := speech.ParseEffort(request.Effort); err != nil {
			return scout.Errorf(scout.CodeInvalidArgument, "%w", err)
		}
	}
	if _, err := recognize.ParseLanguage(request.Language); err != nil {
		return err
	}
	r, release, err := w.borrow(ctx, &request)
	if err != nil {
		return err
	}
	defer release()
	_, err = r.Language(request.Language)
	return err
}
