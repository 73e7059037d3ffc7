package store

import (
	"strings"

	"github.com/scout-speech/scout"
)

// Track and Task of the transcript that a recording usually has.
const (
	TrackMix       = "mix"
	TaskTranscribe = "transcribe"
	TaskTranslate  = "translate"
)

// Key names a transcript.
type Key struct {
	Recording string
	// Track is TrackMix, or the channel or track that was transcribed separately.
	Track string
	// Task is TaskTranscribe or TaskTranslate.
	Task string
}

// MainKey returns the key of the transcript of all channels in the language that was spoken.
func MainKey(recording string) Key { return Key{recording, TrackMix, TaskTranscribe} }

// ParseKey reads what String writes. Something that is no id gives scout.CodeNotFound.
func ParseKey(id string) (Key, error) {
	parts := strings.Split(id, ".")
	switch {
	case len(parts) == 1 && parts[0] != "":
		return MainKey(parts[0]), nil
	case len(parts) == 3:
		key := Key{parts[0], parts[1], parts[2]}
		if key.Validate() == nil {
			return key, nil
		}
	}
	return Key{}, scout.Errorf(scout.CodeNotFound, "no transcript %q", id)
}

// String returns the id of the transcript: that of its recording, and for others than the main one also track and task.
func (k Key) String() string {
	if k == MainKey(k.Recording) {
		return k.Recording
	}
	return k.Recording + "." + k.Track + "." + k.Task
}

// Validate returns an error with scout.CodeInvalidArgument where the key cannot name a transcript.
func (k Key) Validate() error {
	for _, part := range []string{k.Recording, k.Track, k.Task} {
		if part == "" || strings.ContainsAny(part, "./\\\x00") || len(part) > 100 {
			return scout.Errorf(scout.CodeInvalidArgument, "transcript %q of track %q and task %q: each is a name without dots and slashes", k.Recording, k.Track, k.Task)
		}
	}
	if k.Task != TaskTranscribe && k.Task != TaskTranslate {
		return scout.Errorf(scout.CodeInvalidArgument, "task %q: want %s or %s", k.Task, TaskTranscribe, TaskTranslate)
	}
	return nil
}

// Kind tells how a version of a transcript was made. Kinds are part of the public contract.
type Kind string

// The kinds of versions.
const (
	KindFirst         Kind = "first"         // as it was first heard
	KindSecondPass    Kind = "second_pass"   // decoded again afterwards, by itself
	KindRetranscribed Kind = "retranscribed" // decoded again on request
	KindEdited        Kind = "edited"        // changed by a person
)

// machine is true for kinds that a model makes.
func (k Kind) machine() bool {
	return k == KindFirst || k == KindSecondPass || k == KindRetranscribed
}
