package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
)

// goodFor is how long a successful inference proves that the engine works.
const goodFor = time.Minute

// Check returns the health check of this engine: healthy when an inference worked lately or a
// self-test of one second of audio works now.
func (e *Engine) Check() health.Check {
	return health.Check{Name: "engine", Critical: true, Timeout: e.options.RequestBase + e.options.LoadTimeout, Probe: e.probe}
}

func (e *Engine) probe(ctx context.Context) health.Result {
	state := e.State()
	result := health.Result{Status: health.Healthy, Metadata: map[string]string{
		"model": e.options.Model.ID, "model_size": strconv.FormatInt(e.options.Model.SizeBytes, 10),
		"breaker": state.Breaker, "starts": strconv.Itoa(state.Starts),
		"resident_bytes": strconv.FormatUint(state.ResidentBytes, 10),
	}}
	if e.breaker.Open() {
		result.Status = health.Unhealthy
		result.Reason = "the engine failed several times in a row"
		if state.LastError != nil {
			result.Reason += ": " + state.LastError.Error()
		}
		return result
	}
	if state.LastError == nil && !state.LastGood.IsZero() && time.Since(state.LastGood) < goodFor {
		result.Reason = fmt.Sprintf("last inference %s ago", time.Since(state.LastGood).Round(time.Second))
		return result
	}
	request := selfTestRequest()
	if _, err := e.Transcribe(ctx, request); err != nil {
		result.Status, result.Reason = health.Unhealthy, err.Error()
		return result
	}
	result.Reason = "self-test passed"
	return result
}

// selfTest proves that a fresh or running process answers an ordinary request.
func (e *Engine) selfTest(ctx context.Context) error {
	request := selfTestRequest()
	none := &lane{release: func() {}}
	_, err := e.attempt(ctx, none, &request)
	return err
}

// selfTestRequest is one second of a quiet tone, which every model can hear and none takes for speech.
func selfTestRequest() Request {
	samples := make([]float32, scout.EngineSampleRateHz)
	for i := range samples {
		samples[i] = float32(0.01 * math.Sin(2*math.Pi*440*float64(i)/scout.EngineSampleRateHz))
	}
	return Request{Samples: samples, Class: schedule.Interactive}
}

// State is what is known about the engine from the outside.
type State struct {
	// Running tells whether a process is loaded; Facts are those of the last one.
	Running       bool
	PID           int
	Facts         Facts
	Starts        int
	ResidentBytes uint64
	Breaker       string
	LastGood      time.Time
	LastError     error
}

// State returns a snapshot.
func (e *Engine) State() State {
	e.mu.Lock()
	c := e.current
	s := State{Facts: e.facts, Starts: e.starts, LastGood: e.lastGood, LastError: e.lastErr}
	e.mu.Unlock()
	s.Breaker = e.breaker.State()
	if c != nil && c.alive() {
		s.Running, s.PID, s.ResidentBytes = true, c.hello.PID, c.residentBytes()
	}
	return s
}
