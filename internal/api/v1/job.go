package v1

import "encoding/json"

// Job is durable work.
type Job struct {
	ID            string          `json:"id"`
	Kind          string          `json:"kind" enum:"transcribe,model_pull,import,export"`
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
	DoneItems        *int     `json:"done_items,omitempty" doc:"Texts of an import, or recordings of an export. An export that was interrupted begins anew"`
	TotalItems       *int     `json:"total_items,omitempty"`
}

// JobResult is what a job made: a text, a model that is installed, what was imported, or where the file of an export is.
type JobResult struct {
	RecordingID string `json:"recording_id,omitempty"`
	Version     int    `json:"version,omitempty" doc:"Of the transcript"`
	// TranscriptID is that of the recording, or of another transcript of it.
	TranscriptID string `json:"transcript_id,omitempty" doc:"The transcript: a translation is another one than the text in the language that was spoken"`
	Model        string `json:"model,omitempty" doc:"The model that is installed"`

	URL       string    `json:"url,omitempty" doc:"Where the file of an export is, until expires_at; the path of the URL"`
	ExpiresAt *Time     `json:"expires_at,omitempty" format:"date-time"`
	SizeBytes int64     `json:"size_bytes,omitempty" doc:"The size of that file"`
	Exported  *Exported `json:"exported,omitempty"`

	Imported *Imported `json:"imported,omitempty"`
}

// Exported is what the file of an export has.
type Exported struct {
	Recordings int `json:"recordings" doc:"Recordings of which it has something"`
	Files      int `json:"files" doc:"Its files, without index.json"`
	Problems   int `json:"problems" doc:"Files that are not there, for example because the text was not made; index.json says why"`
}

// Imported is what was taken over from the original Scout.
type Imported struct {
	Recordings   int            `json:"recordings" doc:"New recordings, each with its text"`
	Already      int            `json:"already" doc:"Texts that were imported before; those that were deleted since stay so"`
	Audio        int            `json:"audio" doc:"Recordings that got their audio, new or not"`
	AudioMissing int            `json:"audio_missing" doc:"Recordings whose audio could not be taken over"`
	Undated      int            `json:"undated" doc:"Texts without a time that can be read; they begin on 1970-01-01"`
	LeftOut      map[string]int `json:"left_out,omitempty" doc:"Rows of the tables that have no place in Scout"`
}

// NewJob is the body of POST /jobs: a text with recording_id, or an export with formats and either recording_ids or all.
type NewJob struct {
	Kind         string   `json:"kind" enum:"transcribe,export"`
	RecordingID  string   `json:"recording_id,omitempty" minLength:"1" doc:"The recording of which a text is made, or the beginning or end of its id; the kind transcribe needs it"`
	RecordingIDs []string `json:"recording_ids,omitempty" minItems:"1" maxItems:"1000" doc:"The recordings to export, each its id, or the beginning or end of it"`
	All          bool     `json:"all,omitempty" doc:"Export all recordings that are not in the trash"`
	Formats      []string `json:"formats,omitempty" minItems:"1" enum:"txt,md,json,srt,vtt,tsv,audio" doc:"What of each recording is exported; the kind export needs it"`
	NewText
}

// NewText is the body of POST /recordings/{id}/transcribe.
type NewText struct {
	Priority string `json:"priority,omitempty" enum:"interactive,normal,low" doc:"normal, if it is left out"`
	Force    bool   `json:"force,omitempty" doc:"Do it again, although a job with the same recording, model and options exists"`
	Task     string `json:"task,omitempty" enum:"transcribe,translate" doc:"translate makes a text in English, whatever is spoken, as a transcript of its own; transcribe, if it is left out"`
	// Progressive is nil for what the setting transcribe.progressive says.
	Progressive *bool       `json:"progressive,omitempty" doc:"Make the text of the fast model first, as version 1 where the recording has no text yet, and then that of the accurate one; the setting transcribe.progressive, if it is left out. A translation has no first text"`
	Webhook     *JobWebhook `json:"webhook,omitempty" doc:"Who is told when the job has succeeded, is dead, or was cancelled. Nobody is, if the answer says that it has ended already"`
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
