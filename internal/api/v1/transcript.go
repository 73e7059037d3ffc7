package v1

import (
	"encoding/json"
	"math"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
)

// TranscriptSummary is a transcript in a list.
type TranscriptSummary struct {
	ID        string `json:"id"`
	Recording string `json:"recording"`
	Version   int    `json:"version"`
	Kind      string `json:"kind" enum:"first,second_pass,retranscribed,edited"`
	Model     string `json:"model,omitempty"`
	Language  string `json:"language,omitempty" doc:"What was spoken"`
	// Task and TextLanguage are those of text.Object.
	Task         string            `json:"task,omitempty" doc:"translate where the text is English, whatever was spoken"`
	TextLanguage string            `json:"text_language,omitempty" doc:"Language of the text of a translation: en"`
	Duration     float64           `json:"duration"`
	Words        int               `json:"words"`
	CreatedAt    Time              `json:"created_at" format:"date-time"`
	StartedAt    *Time             `json:"started_at,omitempty" format:"date-time"`
	Title        string            `json:"title,omitempty"`
	Tags         []string          `json:"tags,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Source       string            `json:"source,omitempty"`
	Text         string            `json:"text"`
	Preview      string            `json:"preview" doc:"The beginning of the text"`
	DeletedAt    *Time             `json:"deleted_at,omitempty" format:"date-time"`
	Snippets     []Snippet         `json:"snippets,omitempty"`
}

// Snippet is a stretch of a text around what was searched for.
type Snippet struct {
	Text  string   `json:"text"`
	Marks [][2]int `json:"marks" doc:"What matches, from and to, in code points"`
	Start *float64 `json:"start,omitempty" doc:"Where it begins in the audio"`
}

// Transcript is one version of a text: the object of transcript-json.md with what the store knows.
type Transcript struct {
	ID        string   `json:"id,omitempty"`
	Version   int      `json:"version,omitempty"`
	Kind      string   `json:"kind,omitempty"`
	CreatedAt *Time    `json:"created_at,omitempty" format:"date-time"`
	Title     string   `json:"title,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	DeletedAt *Time    `json:"deleted_at,omitempty" format:"date-time"`
	text.Object
}

// Edits is the body of PATCH /transcripts/{id}.
type Edits struct {
	Edits []Edit `json:"edits" minItems:"1" maxItems:"10000"`
}

// Edit is a new text for a segment.
type Edit struct {
	Segment int    `json:"segment" minimum:"0" doc:"Its position, from 0"`
	Text    string `json:"text" doc:"The new text; empty removes the segment"`
}

// TextVersion is one line of the versions of a transcript.
type TextVersion struct {
	Version      int    `json:"version"`
	Kind         string `json:"kind"`
	Model        string `json:"model,omitempty"`
	CreatedAt    Time   `json:"created_at" format:"date-time"`
	Client       string `json:"client,omitempty"`
	Words        int    `json:"words"`
	Base         int    `json:"base,omitempty" doc:"The version that was changed"`
	RestoredFrom int    `json:"restored_from,omitempty"`
	Current      bool   `json:"current"`
}

// Deleted is the answer to a DELETE.
type Deleted struct {
	UndoUntil *Time `json:"undo_until,omitempty" format:"date-time" doc:"Absent where the trash is kept for ever, and where nothing went to the trash"`
	Already   bool  `json:"already,omitempty" doc:"It was in the trash before"`
}

// Keep is the body of POST /transcripts: a text that a command made.
type Keep struct {
	// Recording is the id of a recording in the folder; empty for a text of something else.
	Recording string `json:"recording,omitempty"`
	// Track is empty for the mix of all channels.
	Track      string     `json:"track,omitempty"`
	Title      string     `json:"title,omitempty" maxLength:"1000" doc:"For a text that has no recording: the name of the file"`
	Transcript Transcript `json:"transcript"`
}

// Manifest is what the recorder has noted about a recording, under the names of recording.md. Nothing of it is known of a text without a
// recording.
type Manifest struct {
	Device        *DeviceInfo `json:"device,omitempty"`
	Format        *Format     `json:"format,omitempty"`
	EndReason     string      `json:"end_reason,omitempty"`
	Frames        uint64      `json:"frames,omitempty"`
	Gaps          []Gap       `json:"gaps,omitempty"`
	SHA256        string      `json:"sha256,omitempty" doc:"Of the audio without its header"`
	DriftPPM      *float64    `json:"drift_ppm,omitempty"`
	PrerollFrames uint64      `json:"preroll_frames,omitempty"`
	Resumed       int         `json:"resumed,omitempty"`
	Rebuilt       bool        `json:"rebuilt,omitempty"`
}

// Gap is a stretch of a recording that is missing.
type Gap struct {
	Start  uint64 `json:"start" doc:"The first missing frame"`
	Frames uint64 `json:"frames"`
	Reason string `json:"reason"`
}

// RecordingInfo is a recording as the store knows it.
type RecordingInfo struct {
	ID         string  `json:"id"`
	State      string  `json:"state,omitempty"`
	Source     string  `json:"source,omitempty"`
	StartedAt  Time    `json:"started_at" format:"date-time"`
	EndedAt    *Time   `json:"ended_at,omitempty" format:"date-time"`
	Seconds    float64 `json:"duration_seconds"`
	LostFrames uint64  `json:"lost_frames"`
	SizeBytes  int64   `json:"size_bytes" doc:"Of the audio; what is computed of it, such as its outline for peaks, is not counted"`
	Audio      string  `json:"audio" enum:"present,removed"`
	MediaType  string  `json:"media_type,omitempty"`
	Path       string  `json:"path,omitempty" doc:"Of the audio, for programs on the same machine"`
	Client     string  `json:"client,omitempty" doc:"Whoever the recording is from; absent for the owner"`
	Manifest
	Title      string            `json:"title,omitempty"`
	Tags       []string          `json:"tags,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	DeletedAt  *Time             `json:"deleted_at,omitempty" format:"date-time"`
	Transcript RecordingText     `json:"transcript"`
	// TranscribedAt is when the present version of the text was made.
	TranscribedAt *Time     `json:"transcribed_at,omitempty" format:"date-time" doc:"When the present version of the text was made"`
	Snippets      []Snippet `json:"snippets,omitempty"`
}

// TagCount is a tag with the number of recordings that have it.
type TagCount struct {
	Tag        string `json:"tag"`
	Recordings int    `json:"recordings"`
}

// Tags are all tags.
type Tags struct {
	Data []TagCount `json:"data"`
}

// RecordingText says whether a recording has a text. All but the state is absent if there is none.
type RecordingText struct {
	State   string `json:"state" enum:"none,live,queued,running,done,failed"`
	Version int    `json:"version,omitempty"`
	Kind    string `json:"kind,omitempty" enum:"first,second_pass,retranscribed,edited"`
	Model   string `json:"model,omitempty"`
	Words   int    `json:"words,omitempty"`
	Preview string `json:"preview,omitempty"`
	// DeletedAt is when the text was moved to the trash.
	DeletedAt *Time `json:"deleted_at,omitempty" format:"date-time"`
}

// Verified is the answer to POST /recordings/{id}/verify.
type Verified struct {
	Intact  bool       `json:"intact"`
	Code    scout.Code `json:"code,omitempty" doc:"Why it is not intact"`
	Message string     `json:"message,omitempty"`
}

// Peaks is the outline of a recording.
type Peaks struct {
	Seconds float64     `json:"duration_seconds"`
	Peaks   [][]float64 `json:"peaks" doc:"One list for each channel: the extreme of each stretch, from -1 to 1"`
}

// Describe is the body of PATCH /recordings/{id}. What is left out stays.
type Describe struct {
	Title  *string            `json:"title,omitempty" maxLength:"1000"`
	Tags   *[]string          `json:"tags,omitempty"`
	Labels map[string]*string `json:"labels,omitempty" doc:"null removes a label"`
	// NoLabels removes all labels.
	NoLabels bool `json:"-"`
}

// UnmarshalJSON reads a JSON Merge Patch (RFC 7396), where null removes what it stands for.
func (d *Describe) UnmarshalJSON(data []byte) error {
	type plain Describe
	if err := json.Unmarshal(data, (*plain)(d)); err != nil {
		return err
	}
	given, err := nulls(data)
	if err != nil {
		return err
	}
	if given["title"] {
		d.Title = new(string)
	}
	if given["tags"] {
		d.Tags = &[]string{}
	}
	d.NoLabels = given["labels"]
	return nil
}

// nulls are the fields of an object whose value is null.
func nulls(data []byte) (map[string]bool, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	out := make(map[string]bool)
	for name, value := range fields {
		out[name] = string(value) == "null"
	}
	return out, nil
}

// Seconds is a length as it travels: in seconds, to the millisecond.
func Seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// FromTranscript is a text as it travels.
func FromTranscript(t *scout.Transcript) Transcript {
	return Transcript{Object: text.ObjectOf(text.Document{Transcript: *t})}
}
