package store

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"time"
)

// EventStream is the stream of changes: the store writes an event there for each of its own, in the same transaction.
const EventStream = "events"

// LiveStream names the stream of a live session. It has the id of its recording.
func LiveStream(recording string) string { return livePrefix + recording }

const livePrefix = "live:"

// LiveRecording returns the recording of a live session's stream; empty for other streams.
func LiveRecording(stream string) string {
	recording, live := strings.CutPrefix(stream, livePrefix)
	if !live {
		return ""
	}
	return recording
}

// WorkStream names the stream of what is known of a text that is being made, so that another process can go on with it. It is nobody's
// but the maker's, and is emptied with the text.
func WorkStream(recording string) string { return workPrefix + recording }

const workPrefix = "work:"

// Types of the events that the store writes. They are part of the public contract.
const (
	EventRecordingFinished  = "recording.finished"
	EventRecordingUpdated   = "recording.updated"
	EventRecordingDeleted   = "recording.deleted"
	EventRecordingRestored  = "recording.restored"
	EventTranscriptCreated  = "transcript.created"
	EventTranscriptRevised  = "transcript.revised"
	EventTranscriptEdited   = "transcript.edited"
	EventTranscriptDeleted  = "transcript.deleted"
	EventTranscriptRestored = "transcript.restored"
	// EventHealthChanged is written by the daemon: the state of the whole is another one.
	EventHealthChanged = "health.changed"
	// EventPurged stands where an event was whose words had to go: the numbers of a stream have no holes.
	EventPurged = "purged"
)

// NewEvent is an event to append.
type NewEvent struct {
	Type string
	// Recording and Client tell what it is about and whose it is, for those who may not see everything. Purge empties the
	// events of a recording. In a live stream the recording is known without being named.
	Recording string
	Client    string
	// Job is the job that it is about, whose webhook is told of it; empty for none. The journal does not keep it.
	Job string
	// Data is JSON and is replayed byte for byte.
	Data json.RawMessage
}

// Event is an entry of the journal.
type Event struct {
	// Seq is its number within its stream: consecutive, from 1, never used twice.
	Seq uint64
	At  time.Time
	NewEvent
}

// Replay is a stretch of a stream.
type Replay struct {
	// Events follow the number asked for, without holes.
	Events []Event
	// Reset is true where the journal no longer has what follows the number asked for, or never had that number: the
	// events begin with the oldest one that is left, and the reader must read what they are about again.
	Reset bool
	// Last is the number of the newest event of the stream, 0 if there is none.
	Last uint64
	// Ended is true where EndStream was called.
	Ended bool
}

// replayBatch is how many events Follow reads at once.
const replayBatch = 500

// Follow yields the events of a stream that follow the number after, and then those that are appended, until ctx ends, the
// stream ends or the caller stops. An event with Type EventReset comes first where Replay.Reset is true. The last pair has
// an error if reading failed; the end of ctx and of the stream is none.
//
// A slow caller delays nobody: each reads from the journal at its own pace.
func Follow(ctx context.Context, st Store, stream string, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		rung, end := st.Listen(stream)
		defer end()
		for {
			replay, err := st.Events(ctx, stream, after, replayBatch)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			if replay.Reset {
				after = replay.Last
				if len(replay.Events) > 0 {
					after = replay.Events[0].Seq - 1
				}
				if !yield(Event{Seq: after, NewEvent: NewEvent{Type: EventReset}}, nil) {
					return
				}
			}
			for _, event := range replay.Events {
				if !yield(event, nil) {
					return
				}
				after = event.Seq
			}
			switch {
			case after < replay.Last:
				continue
			case replay.Ended:
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-rung:
			}
		}
	}
}

// EventReset is yielded by Follow and is not in the journal.
const EventReset = "reset"

// JournalLimits say what of a stream is kept.
type JournalLimits struct {
	// Events is how many of the newest are kept at most, 0 for any number.
	Events int
	// Age is how old events may be, 0 for any age. By a clock that was set back events count as younger, never older.
	Age time.Duration
}

// DefaultJournalLimits are those of the stream of changes.
func DefaultJournalLimits() JournalLimits { return JournalLimits{Events: 10_000, Age: 24 * time.Hour} }
