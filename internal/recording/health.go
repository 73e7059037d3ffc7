package recording

import (
	"context"
	"fmt"
	"strconv"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
)

// DiskCheck checks the room for recordings of that format.
func (f *Folder) DiskCheck(format scout.Format, limits SpaceLimits) health.Check {
	return health.Check{Name: "disk", Critical: true, Probe: func(context.Context) health.Result {
		space, left, err := f.SpaceLeft(format)
		if err != nil {
			return health.Result{Status: health.Unhealthy, Reason: scout.Plain(err)}
		}
		result := health.Result{Status: health.Healthy, Metadata: map[string]string{
			"free_bytes": strconv.FormatUint(space.FreeBytes, 10), "total_bytes": strconv.FormatUint(space.TotalBytes, 10),
			"minutes_left": strconv.FormatFloat(left.Minutes(), 'f', 1, 64),
		}}
		switch limits = limits.withDefaults(); {
		case left < limits.Refuse:
			result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("room for %.1f minutes: no recording begins", left.Minutes())
		case left < limits.Warn:
			result.Status, result.Reason = health.Degraded, fmt.Sprintf("room for %.1f minutes of recording", left.Minutes())
		}
		return result
	}}
}
