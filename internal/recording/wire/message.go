package wire

import (
	"errors"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// Role is what a client is to the recorder.
type Role string

// The roles. As long as an owner is connected, the rule for recordings without owner rests.
const (
	RoleOwner    Role = "owner"
	RoleListener Role = "listener"
)

// Start asks for a recording.
type Start struct {
	recording.Order
	// Resume goes on with the recording of that id after its recorder ended without finishing it.
	Resume bool `json:"resume,omitempty"`
}

// Hello is what a client says first.
type Hello struct {
	Protocol int    `json:"protocol"`
	Role     Role   `json:"role"`
	Name     string `json:"name,omitempty"` // of the program, for logs
}

// Welcome is the answer to a Hello.
type Welcome struct {
	Protocol  int       `json:"protocol"`
	PID       int       `json:"pid"`
	Version   string    `json:"version,omitempty"` // of the program
	StartedAt time.Time `json:"started_at"`
}

// StopRequest ends a recording. Where it ended already the answer is the same.
type StopRequest struct {
	// ID of the recording; empty for the one under way.
	ID recording.ID `json:"id,omitempty"`
}

// Change moves or deletes a recording that ended. Its recorder does it, since that holds the folder's lock.
type Change struct {
	ID   recording.ID         `json:"id"`
	What recording.ChangeKind `json:"what"`
}

// Stopped is the answer to a StopRequest: the file is final.
type Stopped struct {
	Manifest recording.Manifest `json:"manifest"`
	// Failure tells what could not be finished; nil in almost all cases.
	Failure *Failure `json:"failure,omitempty"`
}

// Gaps is the answer to KindGaps.
type Gaps struct {
	ID   recording.ID `json:"id,omitempty"`
	Gaps []scout.Gap  `json:"gaps"`
}

// Metrics is the answer to KindMetrics.
type Metrics struct {
	// Families are messages of Prometheus' data model (io.prometheus.client.MetricFamily), one each.
	Families [][]byte `json:"families"`
}

// ListenRequest asks for the frames of a recording that is under way.
type ListenRequest struct {
	ID   recording.ID `json:"id"`
	From uint64       `json:"from"`
}

// Listening is the answer to a ListenRequest.
type Listening struct {
	Format scout.Format `json:"format"`
}

// WatchLevelRequest asks for the level.
type WatchLevelRequest struct {
	// Every is the time between two levels; default and least 20 ms.
	Every time.Duration `json:"every_ns,omitempty"`
}

// Failure is an error as it travels.
type Failure struct {
	Code scout.Code `json:"code"`
	Text string     `json:"text"`
	Hint string     `json:"hint,omitempty"`
}

// FailureOf returns what travels for err.
func FailureOf(err error) Failure {
	return Failure{Code: scout.CodeOf(err), Text: err.Error(), Hint: scout.HintOf(err)}
}

// Err returns the error that travelled.
func (f Failure) Err() error {
	if _, known := known(f.Code); !known {
		f.Code = scout.CodeInternal
	}
	err := scout.Errorf(f.Code, "%w", errors.New(f.Text))
	if f.Hint != "" {
		err = err.WithHint("%s", f.Hint)
	}
	return err
}

func known(c scout.Code) (scout.Code, bool) {
	for _, k := range scout.Codes() {
		if k == c {
			return c, true
		}
	}
	return c, false
}
