package remote

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
)

// staleFrame is the age of the newest frame above which a recording is in trouble.
const staleFrame = time.Second

// Check looks at the recorder of the folder. Without one nothing is wrong: it is started when
// something is to be recorded. It opens no device.
func Check(dir string) health.Check {
	return health.Check{Name: "audio", Critical: true, Probe: func(ctx context.Context) health.Result {
		client, err := Dial(ctx, dir, Options{Name: "health"})
		if scout.CodeOf(err) == scout.CodeRecorderUnreachable {
			return health.Result{Status: health.Healthy, Reason: "nothing is being recorded"}
		}
		if err != nil {
			return health.Result{Status: health.Unhealthy, Reason: err.Error()}
		}
		defer func() { _ = client.Close() }() // it was only looked at
		state, err := client.State(ctx)
		if err != nil {
			return health.Result{Status: health.Unhealthy, Reason: err.Error()}
		}
		return judge(state)
	}}
}

// judge makes a status of a state.
func judge(s recording.Status) health.Result {
	result := health.Result{Status: health.Healthy, Metadata: map[string]string{"recorder_pid": strconv.Itoa(s.PID), "state": s.Capture}}
	if s.Device.Name != "" {
		result.Metadata["default_device"] = s.Device.Name
	}
	r := s.Recording
	if r == nil {
		return result
	}
	result.Metadata["sample_rate"] = strconv.Itoa(r.Format.SampleRateHz)
	result.Metadata["channels"] = strconv.Itoa(r.Format.Channels)
	switch {
	case s.Outage != "":
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("the device delivers nothing: %s", s.Outage)
	case s.FrameAge > staleFrame:
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("the newest frame is %s old", s.FrameAge.Round(time.Millisecond))
	case r.Condition != recording.ConditionOK:
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("writing waits (%s), %s of audio are in memory", r.Condition, r.Format.Duration(r.Waiting).Round(time.Millisecond))
	case r.Lost > 0:
		result.Status, result.Reason = health.Degraded, fmt.Sprintf("%s of this recording are missing", r.Format.Duration(r.Lost).Round(time.Millisecond))
	}
	return result
}
