package wire

import (
	"errors"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
)

// StartCancelled is the text of the error that a stop gets, with scout.CodeNotRecording, when it cancelled a start, and
// that the start gets, with scout.CodeCancelled. The text is part of the protocol: it tells a client that there is
// nothing more to stop.
const StartCancelled = "the recording was cancelled before it began"

// Hello is the first message of a client.
type Hello struct {
	Protocol int `json:"protocol"`
	// Probe marks a client that is not counted: it keeps no recorder alive and is not logged.
	Probe bool   `json:"probe,omitempty"`
	Name  string `json:"name,omitempty"` // of the program, for logs
}

// Welcome is the answer to a Hello.
type Welcome struct {
	Protocol int `json:"protocol"`
	PID      int `json:"pid"`
	// Parent is the process that starts the recorder again when it dies; 0 without one.
	Parent    int       `json:"parent,omitempty"`
	Version   string    `json:"version,omitempty"` // of the program
	StartedAt time.Time `json:"started_at"`
	// Folder is which folder of recordings it serves: see FolderID.
	Folder string `json:"folder,omitempty"`
}

// Start asks for a recording. The client that started it owns it for as long as the connection lives.
type Start struct {
	recording.Order
	// Resume continues the recording of that id after its recorder ended without finishing it.
	Resume bool `json:"resume,omitempty"`
	// Since is when the recording to resume began. With it, one whose files are gone begins again, with a gap for what was in
	// them; without it that is an error.
	Since time.Time `json:"since,omitzero"`
	// Traceparent names the client's span (W3C Trace Context); empty where traces are off.
	Traceparent string `json:"traceparent,omitempty"`
}

// Adopt makes the client an owner of a current recording.
type Adopt struct {
	// ID of the recording; empty for the current one.
	ID          recording.ID `json:"id,omitempty"`
	Traceparent string       `json:"traceparent,omitempty"`
}

// Adopted is the answer to an Adopt.
type Adopted struct {
	Order   recording.Order   `json:"order"`
	Started recording.Started `json:"started"`
}

// Stop ends a recording. If it has already ended, the answer is the same.
type Stop struct {
	// ID of the recording; empty for the current one.
	ID          recording.ID `json:"id,omitempty"`
	Traceparent string       `json:"traceparent,omitempty"`
}

// Stopped is the answer to a Stop: the file is final.
type Stopped struct {
	Manifest recording.Manifest `json:"manifest"`
	// Failure says what could not be finished; nil in almost all cases.
	Failure *Failure `json:"failure,omitempty"`
}

// Shutdown ends the recorder.
type Shutdown struct {
	// IfIdle refuses, with already_recording, during a recording.
	IfIdle bool `json:"if_idle,omitempty"`
}

// Metrics is the answer to KindMetrics.
type Metrics struct {
	// Metrics are the families that have a metric, sorted by name.
	Metrics []metric.Family `json:"metrics"`
}

// Listen asks for the frames of a current recording.
type Listen struct {
	ID   recording.ID   `json:"id"`
	From scout.Position `json:"from"`
}

// Listening is the answer to a Listen.
type Listening struct {
	Format scout.Format `json:"format"`
}

// WatchLevel asks for the level.
type WatchLevel struct {
	// Every is the time between two levels; default and least 20 ms.
	Every time.Duration `json:"every_ns,omitempty"`
}

// Failure is an error on the wire.
type Failure struct {
	Code scout.Code `json:"code"`
	Text string     `json:"text"`
	Hint string     `json:"hint,omitempty"`
}

// FailureOf converts err for the wire.
func FailureOf(err error) Failure {
	return Failure{Code: scout.CodeOf(err), Text: scout.Plain(err), Hint: scout.HintOf(err)}
}

// Err converts the failure back into an error.
func (f Failure) Err() error {
	if !f.Code.Known() {
		f.Code = scout.CodeInternal
	}
	err := scout.Errorf(f.Code, "%w", errors.New(f.Text))
	if f.Hint != "" {
		err = err.WithHint("%s", f.Hint)
	}
	return err
}
