// Package job is the queue: durable work that is done once. It says who goes first, what follows a failure or the end of the
// process, and that a result is committed once. The store keeps the jobs; a job ends in the transaction of its result.
// docs/adr/0080-queue.md says why the order is in a table of Scout's own. Package jobtest holds the tests that the queue must pass
// on each store.
package job

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// Priority is the class of a job.
type Priority string

// The priorities, the most urgent first.
const (
	Interactive Priority = "interactive"
	Normal      Priority = "normal"
	Low         Priority = "low"
)

// Priorities returns all priorities, the most urgent first.
func Priorities() []Priority { return []Priority{Interactive, Normal, Low} }

// class returns the class in the store.
func (p Priority) class() (int, error) {
	for i, known := range Priorities() {
		if p == known {
			return i, nil
		}
	}
	return 0, scout.Errorf(scout.CodeInvalidArgument, "there is no priority %q: want interactive, normal or low", p)
}

// PriorityOf returns the priority of a job.
func PriorityOf(j *store.Job) Priority {
	all := Priorities()
	return all[min(max(j.Class, 0), len(all)-1)]
}

// KindTranscribe is a job that makes the text of a recording.
const KindTranscribe = "transcribe"

// KindModelPull is a job that installs a model. It waits for a network or a disk and not for the processor: once it runs, it takes no slot
// from the texts, and its client pays for no audio.
const KindModelPull = "model_pull"

// KindImport is a job that takes over the texts of the original Scout, and KindExport one that writes recordings and texts into one file. They
// wait for the disk.
const (
	KindImport = "import"
	KindExport = "export"
)

// besides reports whether a job runs beside those that share the slots.
func besides(j *store.Job) bool {
	return j.Kind == KindModelPull || j.Kind == KindImport || j.Kind == KindExport
}

// Moved is how far a job is that moves bytes, or takes one thing after the other. It is the checkpoint of such a job, or a part of it, and
// stays when the job has succeeded.
type Moved struct {
	DoneBytes  int64 `json:"done_bytes"`
	TotalBytes int64 `json:"total_bytes"`
	DoneItems  int   `json:"done_items,omitempty"`
	TotalItems int   `json:"total_items,omitempty"`
}

// MovedOf returns how far a job is that moves something; found is false for others, and before anything is known.
func MovedOf(j *store.Job) (m Moved, found bool) {
	if !besides(j) || len(j.Checkpoint) == 0 || json.Unmarshal(j.Checkpoint, &m) != nil {
		return Moved{}, false
	}
	return m, m.TotalBytes > 0 || m.TotalItems > 0
}

// Fraction is how much of it is done, 0 to 1.
func (m Moved) Fraction() float64 {
	switch {
	case m.TotalItems > 0:
		return min(1, float64(m.DoneItems)/float64(m.TotalItems))
	case m.TotalBytes > 0:
		return min(1, float64(m.DoneBytes)/float64(m.TotalBytes))
	}
	return 0
}

// Made is what is to be told of a job that made a text, besides its version. It is the checkpoint of such a job once it has succeeded; none
// for the main text of a recording.
type Made struct {
	// Transcript is the id of the transcript.
	Transcript string `json:"transcript"`
}

// TranscriptOf returns the id of the transcript that a job has made; empty for none.
func TranscriptOf(j *store.Job) string {
	var made Made
	switch {
	case j.Kind != KindTranscribe || j.State != store.JobSucceeded || j.Version == 0:
		return ""
	case len(j.Checkpoint) == 0 || json.Unmarshal(j.Checkpoint, &made) != nil || made.Transcript == "":
		return j.Recording
	}
	return made.Transcript
}

// Order asks for a job.
type Order struct {
	Kind      string
	Recording string
	// Client is whoever asks; empty for the owner.
	Client string
	// Priority is Normal where it is empty.
	Priority Priority
	Options  json.RawMessage
	// Length is that of the audio, for which the client is charged; 0 where it is not known. Of clients that were served the same the one with the
	// shorter job goes first.
	Length      time.Duration
	Traceparent string
	// Key names the work: the same key again is the same job. Empty for work that is always new.
	Key string
	// Force makes a new job nevertheless, which takes over the key; Renew does so where the one with the key has ended.
	Force, Renew bool
	// Also, if it is not nil, is called in the transaction that adds the job, or finds it. Its error undoes everything.
	Also func(tx store.Tx, job *store.Job, made bool) error
}

// newID returns an id that no other job has.
func newID() string { return "job_" + strings.ToLower(ulid.Make().String()) }

// FullError refuses a job because too many have not ended.
type FullError struct {
	// After is how long it may take until there is room.
	After time.Duration
	// All is true where nobody's job fits, and false where only this client has too many.
	All    bool
	client string
	jobs   int // that have not ended
	err    *scout.Error
}

func (e *FullError) Error() string { return e.err.Error() }

// Unwrap returns the error with its code.
func (e *FullError) Unwrap() error {
	if e.err == nil {
		return nil // and not a pointer to no error
	}
	return e.err
}

// Reasons for which an attempt ends that is no failure of the job.
var (
	// ErrLost ends an attempt whose job is no longer its own: it was cancelled, begun again or forgotten.
	ErrLost = scout.Errorf(scout.CodeConflict, "the job is not this attempt's any more")
	// ErrCleared is that of Save and Parts where what was kept of the work was removed meanwhile: the text of its recording was purged.
	ErrCleared = scout.Errorf(scout.CodeConflict, "what was kept of the job was removed")
	// ErrPaused ends an attempt because a person holds the job back.
	ErrPaused = scout.Errorf(scout.CodeCancelled, "the job is paused")
	// errCancelled ends an attempt because nobody wants the job any more.
	errCancelled = scout.Errorf(scout.CodeCancelled, "the job was cancelled")
	// errStopping ends an attempt because the process ends.
	errStopping = scout.Errorf(scout.CodeCancelled, "the daemon is ending")
)

// forbidden is a change that the state of a job does not allow.
func forbidden(j *store.Job, what string) error {
	state := "is " + string(j.State)
	if j.State == store.JobSucceeded {
		state = "has succeeded"
	}
	return scout.Errorf(scout.CodeConflict, "job %s %s: it cannot be %s", j.ID, state, what).WithHint("look at it first: scout jobs show %s", j.ID)
}

// eventOf returns the event about a job as it is now.
func eventOf(j *store.Job, kind string) (store.NewEvent, error) {
	e := store.JobEvent{ID: j.ID, Kind: j.Kind, State: j.State, Recording: j.Recording, Attempt: j.Attempt, Version: j.Version}
	if made := TranscriptOf(j); made != j.Recording {
		e.Transcript = made
	}
	if j.Error != nil {
		e.Code = j.Error.Code
	}
	if kind == store.EventJobProgress {
		e.DoneSeconds, e.TotalSeconds = j.Done.Seconds(), j.Length.Seconds()
		if moved, found := MovedOf(j); found {
			e.DoneBytes, e.TotalBytes, e.DoneItems, e.TotalItems = moved.DoneBytes, moved.TotalBytes, moved.DoneItems, moved.TotalItems
		}
	}
	data, err := json.Marshal(e)
	if err != nil {
		return store.NewEvent{}, fmt.Errorf("event of a job: %w", err)
	}
	return store.NewEvent{Type: kind, Recording: j.Recording, Client: j.Client, Job: j.ID, Data: data}, nil
}

// put keeps a job and writes what happened to it into the journal.
func put(tx store.Tx, j *store.Job, kind string) error {
	event, err := eventOf(j, kind)
	if err != nil {
		return err
	}
	if err := tx.PutJob(j); err != nil {
		return err
	}
	_, err = tx.Append(store.EventStream, event)
	return err
}

// settledContext is for a write that must happen although the work was cancelled.
func settledContext(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
