package v1

import "encoding/json"

// Job is durable work.
type Job struct {
	ID            string          `json:"id"`
	Kind          string          `json:"kind" enum:"transcribe,model_pull"`
	State         string          `json:"state" enum:"queued,running,retrying,paused,succeeded,dead,cancelled"`
	Priority      string          `json:"priority" enum:"interactive,normal,low"`
	Client        string          `json:"client,omitempty" doc:"Whoever asked for it; absent for the owner"`
	RecordingID   string          `json:"recording_id,omitempty"`
	Options       json.RawMessage `json:"options,omitempty" doc:"As they were asked for"`
	Attempt       int             `json:"attempt" doc:"How often it was tried; an end of the daemon does not count"`
	MaxAttempts   int             `json:"max_attempts"`
	Position      int             `json:"position,omitempty" doc:"Its place in the line, from 1, while it waits"`
	CreatedAt     Time            `json:"created_at" format:"date-time"`
	StartedAt     *Time           `json:"started_at,omitempty" format:"date-time"`
	FinishedAt    *Time           `json:"finished_at,omitempty" format:"date-time"`
	NextAttemptAt *Time           `json:"next_attempt_at,omitempty" format:"date-time"`
	Progress      *JobProgress    `json:"progress,omitempty"`
	Error         *Error          `json:"error,omitempty" doc:"Why it is dead, tried again, or was cancelled because its recording is gone"`
	Result        *JobResult      `json:"result,omitempty"`
}

// JobProgress is how far a job is: in seconds of audio or, of one that installs a model, in bytes.
type JobProgress struct {
	Fraction         float64  `json:"fraction"`
	DoneSeconds      *float64 `json:"done_seconds,omitempty"`
	TotalSeconds     *float64 `json:"total_seconds,omitempty"`
	RemainingSeconds float64  `json:"remaining_seconds,omitempty" doc:"An estimate from the jobs before; absent before one was done"`
	DoneBytes        *int64   `json:"done_bytes,omitempty" doc:"Begins with what an earlier attempt left, and falls where a file must be fetched again"`
	TotalBytes       *int64   `json:"total_bytes,omitempty"`
}

// JobResult is what a job made: a text or, of one that installs a model, that.
type JobResult struct {
	RecordingID string `json:"recording_id,omitempty"`
	Version     int    `json:"version,omitempty" doc:"Of the transcript"`
	// TranscriptID is that of the recording, or of another transcript of it.
	TranscriptID string `json:"transcript_id,omitempty" doc:"The transcript: a translation is another one than the text in the language that was spoken"`
	Model        string `json:"model,omitempty" doc:"The model that is installed"`
}

// NewJob is the body of POST /jobs.
type NewJob struct {
	Kind        string `json:"kind" enum:"transcribe"`
	RecordingID string `json:"recording_id" minLength:"1" doc:"The recording, or the beginning or end of its id"`
	NewText
}

// NewText is the body of POST /recordings/{id}/transcribe.
type NewText struct {
	Priority string      `json:"priority,omitempty" enum:"interactive,normal,low" doc:"normal, if it is left out"`
	Force    bool        `json:"force,omitempty" doc:"Do it again, although a job with the same recording, model and options exists"`
	Task     string      `json:"task,omitempty" enum:"transcribe,translate" doc:"translate makes a text in English, whatever is spoken, as a transcript of its own; transcribe, if it is left out"`
	Webhook  *JobWebhook `json:"webhook,omitempty" doc:"Who is told when the job has succeeded, is dead, or was cancelled. Nobody is, if the answer says that it has ended already"`
	TextOptions
}

// JobChange is the body of PATCH /jobs/{id}.
type JobChange struct {
	Priority string `json:"priority" enum:"interactive,normal,low"`
}

// RetryJobs is the body of POST /jobs/retry.
type RetryJobs struct {
	State string `json:"state" enum:"dead,cancelled"`
	Code  string `json:"code,omitempty" doc:"Only those with this code of their error"`
}

// Retried is the answer to POST /jobs/retry.
type Retried struct {
	Count int `json:"count" doc:"How many begin again"`
	Left  int `json:"left" doc:"How many stay as they are, because the queue is full"`
}

// Queue is the queue as a whole.
type Queue struct {
	Paused        bool           `json:"paused" doc:"No job is begun"`
	Counts        map[string]int `json:"counts" doc:"How many jobs are in each state"`
	OldestSeconds float64        `json:"oldest_seconds" doc:"How long the job has waited that waits longest"`
	WaitSeconds   *float64       `json:"wait_seconds,omitempty" doc:"How long a new job may have to wait; an estimate from the jobs before, absent before one was done"`
	Slots         int            `json:"slots" doc:"How many jobs run at the same time; as many again may, of clients that have none running"`
	Degradation   int            `json:"degradation" minimum:"0" maximum:"4"`
}
