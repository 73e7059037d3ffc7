package v1

import "encoding/json"

// Recorder is GET /recorder.
type Recorder struct {
	State     string         `json:"state" enum:"idle,starting,recording,stopping,failed"`
	Reason    string         `json:"reason,omitempty" doc:"Why the state is failed"`
	PID       int            `json:"pid,omitempty"`
	Device    string         `json:"device,omitempty"`
	Outage    string         `json:"outage,omitempty" doc:"Why no frames come at this moment"`
	Recording *Recording     `json:"recording,omitempty"`
	Disk      *Disk          `json:"disk,omitempty"`
	Last      *RecordingInfo `json:"last,omitempty" doc:"The recording that ended last"`
}

// Level is how loud a device is. RMS and Peak are smoothed and linear, with full scale at 1.
type Level struct {
	At       Time    `json:"at" format:"date-time"`
	Device   string  `json:"device"`
	RMS      float64 `json:"rms"`
	Peak     float64 `json:"peak"`
	RMSDBFS  float64 `json:"rms_dbfs"`
	PeakDBFS float64 `json:"peak_dbfs"`
	Outage   string  `json:"outage,omitempty" doc:"Why no sound comes at this moment"`
}

// Disk is the room for recordings.
type Disk struct {
	FreeBytes   uint64  `json:"free_bytes"`
	LeftSeconds float64 `json:"left_seconds"`
	Low         bool    `json:"low"`
}

// Format is that of recorded audio.
type Format struct {
	SampleRate   int    `json:"sample_rate,omitempty" minimum:"8000" maximum:"192000"`
	Channels     int    `json:"channels,omitempty" minimum:"1" maximum:"64"`
	SampleFormat string `json:"sample_format,omitempty" enum:"s16,s24,f32"`
}

// DeviceInfo is the device that a recording is made from.
type DeviceInfo struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Delivers string `json:"delivers,omitempty" doc:"The format of the device, before any conversion, for people"`
}

// String returns the name, or what there is instead of it.
func (d DeviceInfo) String() string {
	if d.Name != "" {
		return d.Name
	}
	return d.ID
}

// Recording is the recording under way.
type Recording struct {
	ID             string  `json:"id"`
	StartedAt      Time    `json:"started_at" format:"date-time"`
	Seconds        float64 `json:"seconds"`
	Format         Format  `json:"format"`
	CapturedFrames uint64  `json:"captured_frames"`
	WrittenFrames  uint64  `json:"written_frames"`
	SyncedFrames   uint64  `json:"synced_frames"`
	WaitingFrames  uint64  `json:"waiting_frames"`
	LostFrames     uint64  `json:"lost_frames"`
	Gaps           int     `json:"gaps"`
	Condition      string  `json:"condition"`
	Live           bool    `json:"live" doc:"Whether text is made while it is recorded"`
	Path           string  `json:"path,omitempty"`
}

// Start is the body of POST /recorder/start. What is left out is as the settings say.
type Start struct {
	ID          string            `json:"id,omitempty" doc:"Chosen by the client, so that asking twice begins one recording"`
	Device      string            `json:"device,omitempty"`
	Format      Format            `json:"format,omitzero"`
	OnLoss      string            `json:"on_loss,omitempty" enum:"auto,follow,default"`
	Preroll     *float64          `json:"preroll_seconds,omitempty" minimum:"0"`
	AskedAgo    float64           `json:"asked_seconds_ago,omitempty" minimum:"0" maximum:"5" doc:"How long ago the user asked for it, when this was sent. The pre-roll ends then"`
	MaxDuration float64           `json:"max_duration_seconds,omitempty" minimum:"0"`
	Live        *bool             `json:"live,omitempty" doc:"Make text while it is recorded; true if left out"`
	Transcribe  *bool             `json:"transcribe,omitempty" doc:"Make a text when the recording has ended, whatever ends it; true if left out"`
	Title       string            `json:"title,omitempty" maxLength:"1000"`
	Tags        []string          `json:"tags,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	TextOptions
	Warm bool `json:"warm,omitempty" doc:"Keeps the microphone open for 10 minutes afterwards, for the pre-roll of the next recording. Its sound stays in memory"`
	// Environment is the client's, as far as a recorder needs it to find the sound system.
	Environment map[string]string `json:"environment,omitempty" doc:"How the client finds its sound system: variables such as PULSE_SERVER"`
}

// Started is the answer to a Start: the recording, whose frames are flowing.
type Started struct {
	RecordingInfo
	Already       bool    `json:"already" doc:"This recording was under way"`
	WaitedSeconds float64 `json:"waited_seconds"`
	LeftSeconds   float64 `json:"left_seconds"`
	// Transcription is the text that was promised; nil for none.
	Transcription *Transcription `json:"transcription,omitempty"`
	Warning       *Error         `json:"warning,omitempty" doc:"Why the promise of a text does not survive an end of the daemon, or why title and tags were not kept"`
}

// Stop is the body of POST /recorder/stop.
type Stop struct {
	ID string `json:"id,omitempty" doc:"The recording to end; the one under way where it is left out"`
	// Transcribe is nil for what the start said.
	Transcribe *bool `json:"transcribe,omitempty" doc:"true: make a text; false: make none, although the start asked for one"`
	TextOptions
}

// Stopped is the answer to a Stop: the file is final.
type Stopped struct {
	Recording RecordingInfo `json:"recording"`
	Already   bool          `json:"already" doc:"Nothing was under way: this is the last recording"`
	Warning   *Error        `json:"warning,omitempty" doc:"What could not be finished as it should"`
	// Transcription is the text that comes later, or that is there; nil for none.
	Transcription *Transcription `json:"transcription,omitempty"`
}

// Event is one event of GET /events.
type Event struct {
	ID   uint64          `json:"id"`
	Type string          `json:"type"`
	At   Time            `json:"at" format:"date-time"`
	Data json.RawMessage `json:"data,omitempty"`
}

// TopicEvent is an event of one dictation, job or device between those of GET /events, or tells of a topic that cannot be followed. It has no
// number and is not repeated.
type TopicEvent struct {
	Topic string `json:"topic"`
	Type  string `json:"type"`
	At    Time   `json:"at" format:"date-time"`
	// Data is what the stream of the dictation, job or device sends, or an error.
	Data any `json:"data,omitempty"`
	// Missed is how many levels were lost directly before this one, because the client reads too slowly.
	Missed int `json:"missed,omitempty"`
}
