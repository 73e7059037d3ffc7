package store

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/scout-speech/scout"
)

// JobState says what becomes of a job.
type JobState string

// The states. The last three are ends.
const (
	// JobQueued: it waits for its turn.
	JobQueued JobState = "queued"
	// JobRunning: it is being done.
	JobRunning JobState = "running"
	// JobRetrying: it failed, and is tried again.
	JobRetrying JobState = "retrying"
	// JobPaused: a person holds it back.
	JobPaused JobState = "paused"
	// JobSucceeded: its result is in the store.
	JobSucceeded JobState = "succeeded"
	// JobDead: it is given up, with the reason.
	JobDead JobState = "dead"
	// JobCancelled: nobody wants it any more.
	JobCancelled JobState = "cancelled"
)

// JobStates returns all states.
func JobStates() []JobState {
	return []JobState{JobQueued, JobRunning, JobRetrying, JobPaused, JobSucceeded, JobDead, JobCancelled}
}

// Ended reports whether nothing more happens to the job by itself.
func (s JobState) Ended() bool { return s == JobSucceeded || s == JobDead || s == JobCancelled }

// Waiting reports whether the job is begun as soon as it is its turn.
func (s JobState) Waiting() bool { return s == JobQueued || s == JobRetrying }

// Job is durable work. The rules by which it moves from state to state are those of package job; the store keeps it.
type Job struct {
	ID    string
	Kind  string
	State JobState
	// Class says how urgent it is: a lower one goes first.
	Class int
	// Client is whoever asked for it; empty for the owner.
	Client string
	// Recording is what it is about; empty for none. Purge removes the jobs of a recording, and tells of those that had not ended.
	Recording string
	// Key is the work itself: of each kind one job has it. It is empty where the work has no such name.
	Key     string
	Options json.RawMessage
	// Length is that of the audio.
	Length time.Duration
	// Traceparent is the W3C Trace Context of the request that asked for it.
	Traceparent string

	Attempt, MaxAttempts int
	// Run is how often it was begun. It never falls, so that whoever began it can tell whether it is still theirs.
	Run int64
	// Ends is how often the process ended while the job was running, since its checkpoint moved.
	Ends int
	// Alone is true for a job that runs when no other one does.
	Alone bool
	// Fresh is true while it runs and has just been begun.
	Fresh bool
	// Place is where it stands among the jobs of its client. A lower one goes first.
	Place int64
	// Since is when it began to wait for its turn.
	Since time.Time
	// NextAt is when it may be begun at the earliest; zero for now.
	NextAt                           time.Time
	CreatedAt, StartedAt, FinishedAt time.Time
	// Done is how much of Length is done.
	Done time.Duration
	// Error is why it is dead or tried again.
	Error *JobError
	// Version is the version of the transcript that it made.
	Version int
	// Checkpoint is where it continues, without the parts of AddJobParts. Of one that has succeeded it is what is to be told of the work.
	Checkpoint json.RawMessage
}

// Makes reports whether the job, which is about a recording, makes or renews that transcript: the task of its options says so. Of options that
// cannot be read it may be any.
func (j *Job) Makes(key Key) bool {
	var options struct {
		Task string `json:"task"`
	}
	if err := json.Unmarshal(j.Options, &options); err != nil {
		return j.Recording == key.Recording
	}
	return key == Key{j.Recording, TrackMix, cmp.Or(options.Task, TaskTranscribe)}
}

// JobError is a failure that is kept.
type JobError struct {
	Code    scout.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// Err returns the error that was kept.
func (e *JobError) Err() error {
	err := scout.Errorf(e.Code, "%s", e.Message)
	if e.Hint != "" {
		return err.WithHint("%s", e.Hint)
	}
	return err
}

// JobErrorOf is an error as it is kept.
func JobErrorOf(err error) *JobError {
	return &JobError{Code: scout.CodeOf(err), Message: scout.Plain(err), Hint: scout.HintOf(err)}
}

// JobFilter selects jobs. A field that is empty selects all.
type JobFilter struct {
	State     JobState
	Kind      string
	Client    string
	Recording string
	// Owner selects those about the recordings of this client, and its exports.
	Owner string
}

// Check completes and checks a page of jobs, as Page.Check does.
func (f JobFilter) Check(page Page) (Plan, error) {
	return page.Check("jobs", Filter{State: string(f.State), Source: Source(f.Kind), Client: f.Client, ID: f.Recording, Device: f.Owner})
}

// DueJobs are the waiting jobs that may be begun: those whose NextAt is not after Now, or after Latest. No job is given a time that far ahead: the
// clock was set back.
type DueJobs struct{ Now, Latest time.Time }

// JobCount is how many jobs of a kind and a client are in a state, and run alone or not.
type JobCount struct {
	Kind   string
	State  JobState
	Client string
	Alone  bool
	N      int
	// Oldest is since when the first of them has waited.
	Oldest time.Time
	// Ready is since when the first of them may be begun.
	Ready time.Time
	// Length is the length of their audio that is not done yet.
	Length time.Duration
}

// JobTx is what a transaction does with jobs.
type JobTx interface {
	// PutJob adds a job, or replaces the one with its id. A second job of a kind with the same key gives scout.CodeConflict.
	PutJob(job *Job) error
	// Job returns a job; scout.CodeNotFound if there is none.
	Job(id string) (Job, error)
	// JobWithKey returns the job of a kind that has the key; scout.CodeNotFound if there is none.
	JobWithKey(kind, key string) (Job, error)
	// LastPlace is the highest place that any job has; 0 if there is none.
	LastPlace() (int64, error)
	// UnfinishedJobs is how many jobs have not ended, in all and of a client.
	UnfinishedJobs(client string) (all, own int, err error)
	// RunningJobs returns all jobs that run.
	RunningJobs() ([]Job, error)
	// FirstJobs returns, for each client and class, the first of the waiting jobs that may be begun; those that run alone are left out.
	FirstJobs(due DueJobs) ([]Job, error)
	// LoneJob returns the job that runs alone and was ended least often; found is false if there is none, or if other jobs still wait,
	// at whatever time.
	LoneJob(due DueJobs) (job Job, found bool, err error)
	// JobsWithState returns the ids of all jobs in a state, with that code of their error; empty for any.
	JobsWithState(state JobState, code scout.Code) ([]string, error)
	// AddJobParts keeps parts of the result of a job, behind those that are there.
	AddJobParts(id string, parts ...json.RawMessage) error
	// DropJobParts removes all parts of a job.
	DropJobParts(id string) error
	// RemoveJob forgets a job.
	RemoveJob(id string) error
	// QueuePaused reports whether no job is begun. PauseQueue changes that.
	QueuePaused() (bool, error)
	PauseQueue(paused bool) error
}

// JobEvent is the data of the events about a job.
type JobEvent struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	State     JobState `json:"state"`
	Recording string   `json:"recording,omitempty"`
	Attempt   int      `json:"attempt,omitempty"`
	// Code is why it is dead or tried again.
	Code scout.Code `json:"code,omitempty"`
	// DoneSeconds and TotalSeconds are the progress, in the event job.progress.
	DoneSeconds  float64 `json:"done_seconds,omitempty"`
	TotalSeconds float64 `json:"total_seconds,omitempty"`
	// DoneBytes and TotalBytes are that of a job that moves bytes.
	DoneBytes  int64 `json:"done_bytes,omitempty"`
	TotalBytes int64 `json:"total_bytes,omitempty"`
	// DoneItems and TotalItems are that of one that takes one thing after the other.
	DoneItems  int `json:"done_items,omitempty"`
	TotalItems int `json:"total_items,omitempty"`
	// Version is that of the transcript, if it succeeded, and Transcript the id of a transcript that is not the main one of the recording.
	Version    int    `json:"version,omitempty"`
	Transcript string `json:"transcript,omitempty"`
}

// QueueStream has no events. Who listens to it is woken when jobs were removed or changed otherwise than by the queue: with their recording,
// or with its text.
const QueueStream = "queue"

// Types of the events about jobs. They are part of the public contract.
const (
	EventJobQueued    = "job.queued"
	EventJobStarted   = "job.started"
	EventJobProgress  = "job.progress"
	EventJobRetrying  = "job.retrying"
	EventJobPaused    = "job.paused"
	EventJobSucceeded = "job.succeeded"
	EventJobDead      = "job.dead"
	EventJobCancelled = "job.cancelled"
)
