package store

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Source is where a recording comes from. Sources are part of the public contract.
type Source string

// The sources of recordings.
const (
	SourceMicrophone Source = "microphone"
	SourceBrowser    Source = "browser"
	SourceUpload     Source = "upload"
	SourceOpenAI     Source = "openai"
	SourceWyoming    Source = "wyoming"
	SourceImport     Source = "import"
)

// Audio reports whether the audio of a recording is still there.
type Audio string

// Audio is present, or was removed while the text was kept.
const (
	AudioPresent Audio = "present"
	AudioRemoved Audio = "removed"
)

// Recording is what the store knows about a recording.
type Recording struct {
	// ID is that of the recording; ids sort by the time they were made.
	ID     string
	Source Source
	// State, Device, StartedAt, EndedAt, Duration and LostFrames are what the manifest says.
	State      string
	Device     string
	StartedAt  time.Time
	EndedAt    time.Time
	Duration   time.Duration
	LostFrames uint64
	// Bytes is the size of the audio.
	Bytes int64
	Audio Audio
	// Manifest is the manifest as JSON, as it was found beside the audio; the store does not look into it.
	Manifest json.RawMessage
	// Fingerprint changes whenever the files of the recording do. It is empty for what lies in no folder.
	Fingerprint string

	// Title, Tags and Labels are given by people. PutRecording takes them only with a recording that is new.
	Title  string
	Tags   []string
	Labels map[string]string
	// Client is whoever the recording is from; empty for the owner.
	Client string

	// The rest is the store's own; PutRecording ignores it.

	// DeletedAt is when the recording was moved to the trash; zero if it was not.
	DeletedAt time.Time
	// Revision grows with every change of the recording.
	Revision int64
	// Transcript describes the main transcript; nil where there is no text.
	Transcript *Summary
	// Snippets are set in answers to a query.
	Snippets []Snippet
}

// TagCount is a tag and the number of recordings that have it.
type TagCount struct {
	Tag        string
	Recordings int
}

// Bounds of what people may write.
const (
	maxTitleBytes = 1000
	maxTagBytes   = 100
	maxTags       = 100
	maxLabelBytes = 1000
)

// Validate returns an error with scout.CodeInvalidArgument where the recording cannot be kept.
func (r *Recording) Validate() error {
	if err := MainKey(r.ID).Validate(); err != nil {
		return err
	}
	if r.StartedAt.IsZero() {
		return scout.Errorf(scout.CodeInvalidArgument, "recording %s has no start", r.ID)
	}
	if r.Manifest != nil && !json.Valid(r.Manifest) {
		return scout.Errorf(scout.CodeInvalidArgument, "the manifest of recording %s is not JSON", r.ID)
	}
	return Description{Title: &r.Title, Tags: &r.Tags, Labels: labelPatch(r.Labels)}.Validate()
}

func labelPatch(labels map[string]string) map[string]*string {
	patch := make(map[string]*string, len(labels))
	for name, value := range labels {
		patch[name] = &value
	}
	return patch
}

// Description is a change of what people say about a recording. What is nil stays.
type Description struct {
	Title *string
	// Tags replaces all tags.
	Tags *[]string
	// Labels sets those with a value and removes those that are nil.
	Labels map[string]*string
	// IfRevision, where it is not 0, is the revision that the change is meant for. Another one gives
	// scout.CodePreconditionFailed.
	IfRevision int64
}

// Validate returns an error with scout.CodeInvalidArgument where the description cannot be kept.
func (d Description) Validate() error {
	if d.Title != nil {
		if err := printableText("title", *d.Title, maxTitleBytes); err != nil {
			return err
		}
	}
	if d.Tags != nil {
		if len(*d.Tags) > maxTags {
			return scout.Errorf(scout.CodeInvalidArgument, "%d tags: at most %d", len(*d.Tags), maxTags)
		}
		for _, tag := range *d.Tags {
			if strings.TrimSpace(tag) == "" {
				return scout.Errorf(scout.CodeInvalidArgument, "a tag is empty")
			}
			if err := printableText("tag", tag, maxTagBytes); err != nil {
				return err
			}
		}
	}
	for name, value := range d.Labels {
		if name == "" || strings.Contains(name, ":") {
			return scout.Errorf(scout.CodeInvalidArgument, "label %q: a name is not empty and contains no colon", name)
		}
		if err := printableText("label", name, maxTagBytes); err != nil {
			return err
		}
		if value != nil {
			if err := printableText("label "+name, *value, maxLabelBytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// Apply changes the recording and returns whether anything is different. Tags are sorted and each is there once.
func (d Description) Apply(r *Recording) bool {
	before := *r
	if d.Title != nil {
		r.Title = strings.TrimSpace(*d.Title)
	}
	if d.Tags != nil {
		r.Tags = normalTags(*d.Tags)
	}
	labels := make(map[string]string, len(r.Labels)+len(d.Labels))
	for name, value := range r.Labels {
		labels[name] = value
	}
	for name, value := range d.Labels {
		if value == nil {
			delete(labels, name)
		} else {
			labels[name] = *value
		}
	}
	r.Labels = labels
	same := r.Title == before.Title && slices.Equal(r.Tags, before.Tags) && len(r.Labels) == len(before.Labels)
	for name, value := range r.Labels {
		old, had := before.Labels[name]
		same = same && had && old == value
	}
	return !same
}

func normalTags(tags []string) []string {
	normal := make([]string, 0, len(tags))
	for _, tag := range tags {
		normal = append(normal, strings.TrimSpace(tag))
	}
	slices.Sort(normal)
	return slices.Compact(normal)
}

func printableText(what, text string, limit int) error {
	switch {
	case len(text) > limit:
		return scout.Errorf(scout.CodeInvalidArgument, "%s has %d bytes: at most %d are possible", what, len(text), limit).WithHint("shorten it")
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return scout.Errorf(scout.CodeInvalidArgument, "%s is not text in UTF-8", what)
	}
	return nil
}
