package upload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events, listed in docs/formats/log-events.md. Their names never change.
const (
	eventFinished = "upload_finished"
	eventExpired  = "upload_expired"
	// eventNotFinished is a complete file that has not become a recording; it is tried again.
	eventNotFinished = "upload_not_finished"
	// eventNotRead is the description of an upload that cannot be read. Its files are left alone, and Check tells it.
	eventNotRead = "upload_not_read"
	// eventNotSwept is an upload that is past its time and could not be removed.
	eventNotSwept = "upload_not_swept"
)

// Labels of scout_uploads_total.
const (
	outcomeFinished   = "finished"
	outcomeExpired    = "expired"
	outcomeTerminated = "terminated"
	outcomeRefused    = "refused"
)

type metrics struct {
	outcomes *metric.CounterVec
	bytes    *metric.Counter
}

func newMetrics(scope observe.Scope, u *Uploads) *metrics {
	m := &metrics{
		outcomes: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_uploads_total", Help: "Uploads that ended, by outcome: finished, expired, terminated by their client, refused before their first byte.",
		}, []string{"outcome"})),
		bytes: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_upload_bytes_total", Help: "Bytes of uploads that were written.",
		})),
	}
	for _, outcome := range []string{outcomeFinished, outcomeExpired, outcomeTerminated, outcomeRefused} {
		m.outcomes.WithLabelValues(outcome)
	}
	observe.Register(scope, &kept{u, metric.NewGauge(metric.Opts{
		Name: "scout_upload_kept_bytes", Help: "Bytes of uploads that have not become recordings, in the data folder.",
	})})
	return m
}

// kept is the gauge of what is incoming, counted when somebody asks.
type kept struct {
	uploads *Uploads
	*metric.Gauge
}

// Collect implements metric.Collector.
func (k *kept) Collect() []metric.Family {
	k.Set(float64(k.uploads.keptBytes()))
	return k.Gauge.Collect()
}

// keptBytes is the size of all uploads that have not become recordings.
func (u *Uploads) keptBytes() (n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.entries {
		if e.info.State == Receiving || e.info.State == Complete {
			n += e.offset
		}
	}
	for _, lost := range u.unread {
		n += lost.bytes
	}
	return n
}

// Check tells whether complete files become recordings, and whether there are uploads that nobody can tell anything about.
func (u *Uploads) Check() health.Check {
	return health.Check{Name: "uploads", Probe: func(context.Context) health.Result {
		u.mu.Lock()
		defer u.mu.Unlock()
		var reasons []string
		for _, e := range u.entries {
			if e.failed != nil {
				reason := "a file that was uploaded has not become a recording: " + scout.Plain(e.failed)
				reasons = append(reasons, reason)
				break
			}
		}
		result := health.Result{Status: health.Healthy}
		if lost := slices.Sorted(maps.Keys(u.unread)); len(lost) > 0 {
			reason := fmt.Sprintf("uploads whose description cannot be read: %d, the first %s: %s; mend or delete the files in %s of the data folder",
				len(lost), lost[0], cause(u.unread[lost[0]].err), filepath.Join(filepath.Base(u.options.Folder.Dir()), incomingName))
			reasons = append(reasons, reason)
			result.Metadata = map[string]string{"unread": strconv.Itoa(len(lost))}
		}
		if len(reasons) > 0 {
			result.Status, result.Reason = health.Degraded, strings.Join(reasons, "; ")
		}
		return result
	}}
}

// cause says why a description cannot be read, without where it is.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return scout.Reason(path)
	}
	return scout.Plain(err)
}
