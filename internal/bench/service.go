package bench

import (
	"encoding/json"
	"os"
	"time"

	"github.com/scout-speech/scout"
)

// serviceSchema is the version of the JSON form of a ServiceReport: docs/formats/bench.md.
const serviceSchema = 1

// ServiceReport is how the service did under load and faults.
type ServiceReport struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Setup   Setup     `json:"setup"`
	// Figures are what is promised, as far as it was measured. They are computed from Measured.
	Figures  []Figure `json:"figures"`
	Measured Service  `json:"measured"`
}

// Service is what was measured; a part that was not is nil.
type Service struct {
	Idle  *ServiceIdle  `json:"idle,omitempty"`
	Load  *ServiceLoad  `json:"load,omitempty"`
	Fair  *ServiceFair  `json:"fair,omitempty"`
	Slow  *ServiceSlow  `json:"slow,omitempty"`
	Kills *ServiceKills `json:"kills,omitempty"`
	Loops *ServiceLoops `json:"loops,omitempty"`
	Hung  *ServiceHung  `json:"hung,omitempty"`
	Disk  *ServiceDisk  `json:"disk,omitempty"`
}

// ServiceIdle is a service that nobody uses.
type ServiceIdle struct {
	// Ready is from the start of the program to the first answer that says that it serves.
	Ready []time.Duration `json:"ready_ns"`
	// PSS is that of all processes, without a model, by their names.
	PSS map[string]int64 `json:"pss_bytes"`
}

// ServiceLoad is a service that one key keeps busy, while others use it.
type ServiceLoad struct {
	Connections int           `json:"connections"`
	Took        time.Duration `json:"took_ns"`
	Accepted    int           `json:"accepted"`
	Refused     int           `json:"refused"` // with 429
	// Errors are all other answers and broken connections of all clients, by what they were.
	Errors map[string]int `json:"errors,omitempty"`
	// BusyWall is how long uploads alone were measured, Busy how long requests ran in the engine meanwhile, Slots how many may run at once.
	BusyWall time.Duration `json:"busy_wall_ns"`
	Busy     time.Duration `json:"busy_ns"`
	Slots    int           `json:"slots"`
	// CPU is the processor time of the engine and Audio what it made text of, in the same time; CPUAlone and AudioAlone of files one after
	// the other, with nothing else.
	CPU        time.Duration   `json:"cpu_ns"`
	Audio      time.Duration   `json:"audio_ns"`
	CPUAlone   time.Duration   `json:"cpu_alone_ns"`
	AudioAlone time.Duration   `json:"audio_alone_ns"`
	Gets       []time.Duration `json:"gets_ns"`
	// StopToText is of dictations, from the request to stop to the event with the text.
	StopToText []time.Duration `json:"stop_to_text_ns"`
	// Device is where the sound of the dictations came from.
	Device string `json:"device"`
	// Single is from the upload of a clip by another key to its text, SingleAlone the same with nothing else.
	Single      []time.Duration `json:"single_ns"`
	SingleAlone []time.Duration `json:"single_alone_ns"`
}

// ServiceFair is how much of each key's audio became text while all had work.
type ServiceFair struct {
	Took   time.Duration   `json:"took_ns"`
	Served []time.Duration `json:"served_ns"` // audio, by key
	Clips  []time.Duration `json:"clips_ns"`  // how long each clip of that key is
	Errors map[string]int  `json:"errors,omitempty"`
}

// ServiceSlow is a service some of whose clients read nothing, send a byte a second, or vanish.
type ServiceSlow struct {
	Clients map[string]int  `json:"clients"` // by kind
	Gets    []time.Duration `json:"gets_ns"`
	// Job is from an upload to its text beside them, JobAlone without them.
	Job      []time.Duration `json:"job_ns"`
	JobAlone []time.Duration `json:"job_alone_ns"`
	Errors   map[string]int  `json:"errors,omitempty"` // of the other clients
	Before   ServiceHolds    `json:"before"`
	During   ServiceHolds    `json:"during"`
	After    ServiceHolds    `json:"after"`
}

// ServiceHolds is what the daemon holds.
type ServiceHolds struct {
	Goroutines int   `json:"goroutines"`
	Files      int   `json:"files"`
	PSS        int64 `json:"pss_bytes"`
}

// ServiceKills is a daemon that is killed while everything is used.
type ServiceKills struct {
	Kills int             `json:"kills"`
	Ready []time.Duration `json:"ready_ns"` // from the start of the next one to its first answer
	// Acknowledged is how many changes of a kind were answered with success, Wrong how many of them were missing or different afterwards.
	Acknowledged map[string]int `json:"acknowledged"`
	Wrong        map[string]int `json:"wrong,omitempty"`
	// Jobs is how many were acknowledged, Results how many texts they have made, Double how many recordings have more than one.
	Jobs    int `json:"jobs"`
	Results int `json:"results"`
	Double  int `json:"double"`
	// Damaged is how often the check of the database found something.
	Damaged   int            `json:"damaged"`
	Recording ServiceWhole   `json:"recording"`
	Errors    map[string]int `json:"errors,omitempty"`
}

// ServiceWhole compares a recording with the sound of its device, frame by frame.
type ServiceWhole struct {
	Frames int `json:"frames"` // recorded
	Least  int `json:"least"`  // that the time took at least
	Wrong  int `json:"wrong"`
	Gaps   int `json:"gaps"`
}

// ServiceLoops is a daemon that ends again and again, first by the hand of others, then by one input.
type ServiceLoops struct {
	Kills int             `json:"kills"`
	Ready []time.Duration `json:"ready_ns"`
	Jobs  int             `json:"jobs"` // of others, which have nothing to do with the ends
	Dead  int             `json:"dead"` // of these
	Done  int             `json:"done"` // of these
	// Aborts is how often the input ended the daemon, Code what its job ended with, Before how many jobs of others were done before.
	Aborts int            `json:"aborts"`
	Code   string         `json:"code"`
	Before int            `json:"served_before"`
	Errors map[string]int `json:"errors,omitempty"`
}

// ServiceHung is an engine that accepts work and never answers.
type ServiceHung struct {
	// Noticed is from then to Unhealthy, Well from Unhealthy to a state that is not; 0 for never.
	Noticed  time.Duration `json:"noticed_ns"`
	Well     time.Duration `json:"well_ns"`
	JobState string        `json:"job_state"` // of the work that it had
}

// ServiceDisk is a disk that uploads fill while a recording goes on.
type ServiceDisk struct {
	Skipped string         `json:"skipped,omitempty"` // why it was not measured
	Bytes   int64          `json:"bytes"`
	Uploads int            `json:"uploads"`
	Kept    int            `json:"kept"`
	Refused map[string]int `json:"refused"` // by status and code
	// Broken are refusals that no client could read: a connection that was reset, or an answer without a code. Missing are kept ones whose
	// bytes are not there.
	Broken    map[string]int `json:"broken,omitempty"`
	Missing   int            `json:"missing"`
	Recording ServiceWhole   `json:"recording"`
}

// NewServiceReport returns a report without figures.
func NewServiceReport(setup Setup) *ServiceReport {
	return &ServiceReport{Schema: serviceSchema, Started: time.Now().UTC().Truncate(time.Second), Machine: machine(), Setup: setup}
}

// ReadServiceReport reads a report. The error of a file that does not exist is os.ErrNotExist.
func ReadServiceReport(path string) (*ServiceReport, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read report", err)
	}
	r := &ServiceReport{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s is not a report of scout-bench service", path)
	}
	if r.Schema != serviceSchema {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s is a report of version %d; this program reads version %d", path, r.Schema, serviceSchema)
	}
	r.Judge()
	return r, nil
}

// Judge computes the figures from what was measured.
func (r *ServiceReport) Judge() {
	r.Figures = nil
	add := func(f Figure) { r.Figures = append(r.Figures, f.judged()) }
	m := &r.Measured
	if m.Idle != nil {
		m.Idle.judge(add)
	}
	if m.Load != nil {
		m.Load.judge(add)
	}
	if m.Fair != nil {
		m.Fair.judge(add)
	}
	if m.Slow != nil {
		m.Slow.judge(add)
	}
	if m.Kills != nil {
		m.Kills.judge(add)
	}
	if m.Loops != nil {
		m.Loops.judge(add)
	}
	if m.Hung != nil {
		m.Hung.judge(add)
	}
	if m.Disk != nil {
		m.Disk.judge(add)
	}
}
