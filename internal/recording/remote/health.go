package remote

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
)

const (
	// staleFrame is the age of the newest frame above which a recording has a problem.
	staleFrame = time.Second
	// probeWithin is how long a recorder may take to answer a probe.
	probeWithin = 900 * time.Millisecond
)

// CheckName is the name of the component that Check checks.
const CheckName = "audio"

// Check checks the recorder of the folder. It has no effect: it starts nothing, opens no device, creates no folder and
// keeps no recorder alive. Without a recorder all is well, unless one died during a recording.
func Check(dir string) health.Check {
	return health.Check{Name: CheckName, Critical: true, Probe: func(ctx context.Context) health.Result {
		ctx, cancel := context.WithTimeout(ctx, probeWithin)
		defer cancel()
		client, err := Dial(ctx, dir, Options{Name: "health", Probe: true})
		if err != nil {
			return judgeAbsence(ctx, dir, err)
		}
		defer func() { _ = client.Close() }() // it was only a check
		status, err := client.Status(ctx)
		if scout.CodeOf(err) == scout.CodeRecorderUnreachable && ctx.Err() == nil { // it ended at that moment
			return judgeAbsence(ctx, dir, err)
		}
		if err != nil {
			return unanswered(ctx, client.PID(), err)
		}
		return judge(status)
	}}
}

// unanswered returns the result for a recorder that exists but failed to answer.
func unanswered(ctx context.Context, pid int, err error) health.Result {
	if ctx.Err() != nil {
		return health.Result{Status: health.Unhealthy, Reason: fmt.Sprintf("the recorder (process %d) does not answer", pid)}
	}
	return health.Result{Status: health.Unhealthy, Reason: scout.Plain(err)}
}

// judgeAbsence returns the status for a recorder that was not reached.
func judgeAbsence(ctx context.Context, dir string, err error) health.Result {
	why, pid := absent(dir)
	if scout.CodeOf(err) != scout.CodeRecorderUnreachable || ctx.Err() != nil {
		return unanswered(ctx, pid, err)
	}
	if _, err := os.Stat(dir); err != nil {
		return health.Result{Status: health.Healthy, Reason: "nothing is being recorded"}
	}
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		return health.Result{Status: health.Unhealthy, Reason: scout.Plain(err)}
	}
	id, found := unfinished(folder)
	switch {
	case why == halted:
		return health.Result{Status: health.Unhealthy, Reason: fmt.Sprintf("the recorder (process %d) is suspended and was not ready yet", pid)}
	case !found:
		return health.Result{Status: health.Healthy, Reason: "nothing is being recorded"}
	case why == deaf:
		return health.Result{Status: health.Unhealthy, Reason: fmt.Sprintf("the recorder (process %d) of recording %s cannot be reached", pid, id)}
	case why == starting, why == returning:
		return health.Result{Status: health.Unhealthy, Reason: fmt.Sprintf("the recorder of recording %s ended and is being started again", id)}
	}
	return health.Result{Status: health.Unhealthy, Reason: fmt.Sprintf("the recorder died in the middle of recording %s", id)}
}

// judge returns the status for a state.
func judge(s recording.Status) health.Result {
	result := health.Result{Status: health.Healthy, Metadata: map[string]string{"recorder_pid": strconv.Itoa(s.PID), "state": s.Capture}}
	if s.Device.Name != "" {
		result.Metadata["default_device"] = s.Device.Name
	}
	if s.Stuck != "" {
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("a part of the recorder (%s) stands still: recordings may not end when they should", s.Stuck)
	}
	r := s.Recording
	if r == nil {
		return result
	}
	result.Metadata["sample_rate"] = strconv.Itoa(r.Format.SampleRateHz)
	result.Metadata["channels"] = strconv.Itoa(r.Format.Channels)
	switch {
	case s.Stuck != "":
	case s.Outage != "":
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("the device delivers nothing: %s", s.Outage)
	case s.FrameAge > staleFrame:
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("the newest frame is %s old", s.FrameAge.Round(time.Millisecond))
	case r.Condition != recording.ConditionOK:
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("%s (%s); %s of audio are in memory", recording.Trouble{Condition: r.Condition, Operation: r.Operation, For: r.For}.Text(), r.Condition, r.Format.Duration(r.Waiting).Round(time.Millisecond))
	case r.Lost > 0:
		result.Status, result.Reason = health.Degraded, fmt.Sprintf("%s of this recording are missing", r.Format.Duration(r.Lost).Round(time.Millisecond))
	}
	return result
}
