package recording

import (
	"fmt"
	"time"

	"github.com/scout-speech/scout"
)

// Condition is the condition of writing.
type Condition string

// The conditions of writing.
const (
	ConditionOK          Condition = "ok"
	ConditionDiskFull    Condition = "disk_full"     // audio waits in memory
	ConditionWriteFailed Condition = "write_failed"  // audio waits in memory
	ConditionStalled     Condition = "disk_stalled"  // an operation has taken more than a second
	ConditionNotSynced   Condition = "not_synced"    // audio is in the file but would not survive a loss of power
	ConditionNoManifest  Condition = "manifest_late" // the manifest on disk is older than the state in memory
	ConditionFileLost    Condition = "file_lost"     // the file is no longer in its place and could not be saved again yet
)

// conditionTexts has the text of each condition, to follow "the recording:". It is the only table of conditions.
func conditionTexts() map[Condition]string {
	return map[Condition]string{
		ConditionOK:          "audio is being written",
		ConditionDiskFull:    "the disk is full: audio waits in memory",
		ConditionWriteFailed: "writing fails: audio waits in memory",
		ConditionStalled:     "the disk does not answer",
		ConditionNotSynced:   "audio is being written, but syncing fails: a power failure would lose it",
		ConditionNoManifest:  "audio is being written, but the manifest cannot be saved",
		ConditionFileLost:    "the file was deleted, moved or replaced and cannot be saved again: audio is kept in the open file and in memory",
	}
}

// conditions returns all conditions but ConditionOK, for metrics and documents.
func conditions() []Condition {
	return []Condition{ConditionDiskFull, ConditionWriteFailed, ConditionStalled, ConditionNotSynced, ConditionNoManifest, ConditionFileLost}
}

// Text returns the condition in words.
func (c Condition) Text() string {
	if text, ok := conditionTexts()[c]; ok {
		return text
	}
	return string(c)
}

// Trouble is a condition and the operation of the disk that causes it.
type Trouble struct {
	Condition Condition
	// Operation has taken that long. With ConditionStalled it is the reason; otherwise it is empty.
	Operation Operation
	For       time.Duration
}

// Text returns the trouble in words.
func (t Trouble) Text() string {
	if t.Operation == "" {
		return t.Condition.Text()
	}
	return fmt.Sprintf("the disk has not answered for %s while %s", t.For.Round(100*time.Millisecond), t.Operation.Text())
}

// EndReason says why a recording ended.
type EndReason string

// The reasons for which a recording ends.
const (
	EndStopped     EndReason = "stopped"        // somebody asked for it
	EndMaxDuration EndReason = "max_duration"   // the longest duration it was started with
	EndNoOwner     EndReason = "no_owner"       // no client was attached for the time that it was started with
	EndShutdown    EndReason = "shutdown"       // the recorder was told to end
	EndSource      EndReason = "source_ended"   // a file or signal played to its end, or a client did not come back
	EndCrash       EndReason = "crash"          // found by Repair
	EndCapture     EndReason = "capture_failed" // reading from the device failed repeatedly
	EndWriting     EndReason = "writing_failed" // writing failed repeatedly
	EndInternal    EndReason = "internal"       // a defect of Scout itself ended it
)

// ending is the meaning of a reason.
type ending struct {
	text string
	code scout.Code // of the failure; empty if the recording ended normally
}

// endings is the only table of the meaning of each reason: for people, and for exit codes.
func endings() map[EndReason]ending {
	return map[EndReason]ending{
		EndStopped:     {"stopped", ""},
		EndMaxDuration: {"it reached its duration", ""},
		EndNoOwner:     {"no client was attached any more", ""},
		EndShutdown:    {"the recorder was asked to stop", ""},
		EndSource:      {"its source ended", ""},
		EndCrash:       {"the recorder ended unexpectedly", scout.CodeRecorderUnreachable},
		EndCapture:     {"capture from the device kept failing", scout.CodeDeviceLost},
		EndWriting:     {"writing to the disk kept failing", scout.CodeWriteFailed},
		EndInternal:    {"a defect of the recorder ended it", scout.CodeInternal},
	}
}

// EndReasons returns all reasons, for documents and tests.
func EndReasons() []EndReason {
	return []EndReason{EndStopped, EndMaxDuration, EndNoOwner, EndShutdown, EndSource, EndCrash, EndCapture, EndWriting, EndInternal}
}

// Text is the reason in words that continue after "ended:".
func (r EndReason) Text() string {
	if e, ok := endings()[r]; ok {
		return e.text
	}
	return string(r)
}

// Err returns the error of a recording that ended for this reason; nil if it ended normally. It decides exit codes.
func (r EndReason) Err() error {
	e, ok := endings()[r]
	switch {
	case r == "":
		return nil
	case !ok:
		return scout.Errorf(scout.CodeInternal, "the recording ended: %s", r)
	case e.code == "":
		return nil
	}
	return scout.Errorf(e.code, "the recording ended before it was stopped: %s", e.text).
		WithHint("what was recorded until then is kept; recorder.log in the folder of recordings has the details")
}
