package v1

// VersionInfo is GET /version.
type VersionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	API     int    `json:"api"`
	// RecordingsDir is empty in the answers of earlier versions, and for clients.
	RecordingsDir string `json:"recordings_dir,omitempty" doc:"The folder that it records into; for the owner alone"`
}

// Health is GET /health.
type Health struct {
	Status        string      `json:"status" enum:"Healthy,Degraded,Unhealthy,Unknown"`
	Reasons       []string    `json:"reasons"`
	UptimeSeconds float64     `json:"uptime_seconds"`
	Version       string      `json:"version"`
	Degradation   Degradation `json:"degradation"`
	Components    []Component `json:"components"`
}

// Component is one part of Scout and how it is.
type Component struct {
	Name      string            `json:"name"`
	Status    string            `json:"status" enum:"Healthy,Degraded,Unhealthy,Unknown"`
	Reason    string            `json:"reason,omitempty"`
	Critical  bool              `json:"critical"`
	LastCheck *Time             `json:"last_check,omitempty" format:"date-time"`
	Since     *Time             `json:"since,omitempty" format:"date-time" doc:"When the daemon first found it to have this status"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// Status is GET /status.
type Status struct {
	PID           int          `json:"pid"`
	Version       string       `json:"version"`
	StartedAt     Time         `json:"started_at" format:"date-time"`
	UptimeSeconds float64      `json:"uptime_seconds"`
	Ready         bool         `json:"ready" doc:"Whether all work is accepted, as /readyz tells"`
	Reasons       []string     `json:"reasons,omitempty" doc:"What does not work; absent where all does"`
	DataDir       string       `json:"data_dir"`
	RecordingsDir string       `json:"recordings_dir"`
	ModelsDir     string       `json:"models_dir"`
	LogFile       string       `json:"log_file,omitempty"`
	Idle          *Idle        `json:"idle,omitempty" doc:"When the daemon ends by itself; absent where it does not"`
	Processes     []Process    `json:"processes"`
	Engine        EngineStatus `json:"engine" doc:"The first of engines"`
	// Engines are the models that were used and are not forgotten yet.
	Engines    []EngineStatus `json:"engines" doc:"Each model that is loaded or was used lately: those that are ill first, and of the others the one used last"`
	SecondPass SecondPass     `json:"second_pass" doc:"Whether a better model hears dictations too"`
	// Transcriptions are the texts that are owed.
	Transcriptions Owed      `json:"transcriptions"`
	Recorder       Recorder  `json:"recorder"`
	Retention      Retention `json:"retention" doc:"How long things are kept"`
	// RestartRequired are settings that wait for a restart.
	RestartRequired []string           `json:"restart_required,omitempty" doc:"Settings whose saved value takes effect when the daemon is started again"`
	Degradation     Degradation        `json:"degradation"`
	Limits          Limits             `json:"limits"`
	Sessions        Sessions           `json:"sessions"`
	Disk            *Disk              `json:"disk,omitempty" doc:"The room for recordings"`
	Latency         map[string]Latency `json:"latency,omitempty" doc:"How long things took since the daemon started, by the name of the metric without scout_ and _seconds"`
	HTTP            []Listening        `json:"http,omitempty" doc:"The addresses of the settings http.addr and metrics.addr"`
	Connections     int                `json:"connections"`
	Streams         int                `json:"streams"`
}

// States of second passes.
const (
	SecondPassOff   = "off"   // of the settings
	SecondPassReady = "ready" // the next dictation gets one
	SecondPassHears = "hears" // a dictation gets one now
	SecondPassNone  = "none"  // a dictation would get none now
)

// SecondPass tells whether dictations get a second pass.
type SecondPass struct {
	State  string `json:"state" enum:"off,ready,hears,none"`
	Model  string `json:"model,omitempty" doc:"The model that hears dictations a second time"`
	Reason string `json:"reason,omitempty" doc:"Why a dictation would get none, or got none the last time"`
}

// Listening is an address for clients of the network.
type Listening struct {
	Address   string `json:"address"`
	Listening bool   `json:"listening" doc:"Whether clients reach the daemon there"`
	TLS       bool   `json:"tls" doc:"Whether TLS is spoken there"`
	Plain     bool   `json:"plain" doc:"Whether plain HTTP is taken there"`
	Reason    string `json:"reason,omitempty" doc:"Why they do not"`
	Metrics   bool   `json:"metrics,omitempty" doc:"It is one of metrics.addr, where there is /metrics and nothing else"`
}

// Latency is how long something took: estimates from the buckets of a histogram.
type Latency struct {
	P50 float64 `json:"p50_ms" doc:"Half of them took no longer"`
	P95 float64 `json:"p95_ms" doc:"95 of 100 took no longer"`
	N   uint64  `json:"n" doc:"How many there were"`
}

// Idle says when a daemon ends that was started on demand.
type Idle struct {
	AfterSeconds float64 `json:"after_seconds" doc:"How long nothing may be open before it ends"`
	Open         int     `json:"open" doc:"What is open now and keeps it: requests, streams, recordings"`
}

// Process is one of Scout's processes.
type Process struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"`
	RSSBytes uint64 `json:"rss_bytes,omitempty"`
	Model    string `json:"model,omitempty" doc:"Of an engine: the model that it has loaded"`
	// CPUPercent is nil where it is not known yet.
	CPUPercent *float64 `json:"cpu_percent,omitempty" doc:"Of one processor, since the last time somebody asked and at least for a second; of the whole life of the process at first"`
	// ControlGroups and OwnSession are those of the recorder.
	ControlGroups string `json:"control_groups,omitempty" enum:"own,shared,none" doc:"Of the recorder. own: what is done to the control groups of the daemon does not reach it; shared: it does; none: there is no group that could be ended"`
	OwnSession    *bool  `json:"own_session,omitempty" doc:"Of the recorder: whether signals to the session and the process group of the daemon do not reach it"`
}

// Degradation says by how much Scout reduces its work, because the machine has not enough of something.
type Degradation struct {
	Level  int    `json:"level" minimum:"0" maximum:"4"`
	Name   string `json:"name"`
	Reason string `json:"reason,omitempty"`
	Since  *Time  `json:"since,omitempty" format:"date-time"`
}

// FullQuality is the degradation of a Scout that reduces nothing.
func FullQuality(since *Time) Degradation { return Degradation{Name: "high", Since: since} }

// Limits are what a client, and what Scout itself, may use at most.
type Limits struct {
	MemoryBytes uint64 `json:"memory_bytes,omitempty" doc:"Of the control group that the daemon is in; absent where it has none"`
	Processors  int    `json:"processors" doc:"How many may be used"`
	BodyBytes   int    `json:"body_bytes" doc:"Of the body of a request"`
	HeaderBytes int    `json:"header_bytes"`
	Connections int    `json:"connections"`
	Streams     int    `json:"streams" doc:"Answers over TCP that last for hours: event streams, and audio that is followed"`
	// StreamsPerClient bounds one client of the network.
	StreamsPerClient int `json:"streams_per_client" doc:"Of one client"`
}

// Sessions are how many sessions of each kind are open.
type Sessions struct {
	Live     int `json:"live" doc:"Dictations, and sessions of sound that clients send"`
	Realtime int `json:"realtime"`
	Wyoming  int `json:"wyoming"`
}

// EngineUnloaded is the state of a model that no process has loaded, and that no process failed to load.
const EngineUnloaded = "unloaded"

// EngineStatus is the state of a model. A model is loaded by the first request that needs it.
type EngineStatus struct {
	State       string `json:"state" enum:"unloaded,loading,loaded,stalled,failed,resting"`
	Model       string `json:"model,omitempty"`
	Breaker     string `json:"breaker,omitempty" enum:"closed,open,half-open"`
	Starts      int    `json:"starts" doc:"How many processes of it became ready"`
	LastSuccess *Time  `json:"last_success_at,omitempty" format:"date-time"`
	Reason      string `json:"reason,omitempty" doc:"What is wrong with it; absent where nothing is"`
}

// Settings are the settings as they are saved, without secrets.
type Settings struct {
	File            string                    `json:"file,omitempty" doc:"The settings file, whether there is one or not"`
	Values          map[string]map[string]any `json:"values" doc:"The value of each setting, by group and name"`
	Origin          map[string]string         `json:"origin" doc:"Where each value comes from: flag, env, file or default"`
	From            map[string]string         `json:"from,omitempty" doc:"The flag, the variable, or the file with its line"`
	RestartRequired []string                  `json:"restart_required" doc:"Settings whose saved value takes effect when the daemon is started again"`
	Error           *Error                    `json:"error,omitempty" doc:"Why the file as it is now cannot be used; the values are then the last valid ones"`
}

// Devices is GET /devices.
type Devices struct {
	Backend string   `json:"backend"`
	Data    []Device `json:"data"`
}

// Device is something to record from.
type Device struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Default bool           `json:"default"`
	Monitor bool           `json:"monitor"`
	Formats []DeviceFormat `json:"formats"`
}

// DeviceFormat is what a device delivers without conversion.
type DeviceFormat struct {
	SampleRate   int    `json:"sample_rate"`
	Channels     int    `json:"channels"`
	SampleFormat string `json:"sample_format"`
}
