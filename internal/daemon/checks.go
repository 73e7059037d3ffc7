package daemon

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/settings"
)

// Checks returns the health checks that need no daemon. They have no effect: they make no folder, open no device and
// load no model.
func Checks(s *settings.Loaded, scope observe.Scope) ([]health.Check, error) {
	recordings, err := s.RecordingsDir()
	if err != nil {
		return nil, err
	}
	audio := heard(remote.Check(recordings), s.Record.Device, func() (string, error) { return miniaudio.Present(sound.Options{}) })
	return []health.Check{audio, diskCheck(recordings, formatOf(s)), modelCheck(s, scope), decoderCheck(exec.LookPath)}, nil
}

// heard adds to the check of the recorder whether there is a sound system to record from, where nothing is being recorded: a recording knows
// better. present opens, starts and wakes none.
func heard(check health.Check, device string, present func() (string, error)) health.Check {
	probe := check.Probe
	check.Probe = func(ctx context.Context) health.Result {
		result := probe(ctx)
		if result.Status != health.Healthy || result.Metadata["sample_rate"] != "" || virtual.Is(device) {
			return result
		}
		name, err := present()
		if err != nil {
			metadata := result.Metadata
			result = health.Failed(err)
			result.Status, result.Metadata = health.Degraded, metadata // files and what browsers send become text all the same
			result.Reason = "this machine cannot record: " + result.Reason
			return result
		}
		if result.Metadata == nil {
			result.Metadata = make(map[string]string)
		}
		result.Metadata["sound_system"] = name
		return result
	}
	return check
}

// decoderCheck tells whether files are decoded that Scout does not read itself. Scout works without, and says so of each such file.
func decoderCheck(find func(program string) (string, error)) health.Check {
	return health.Check{Name: "decoder", Probe: func(context.Context) health.Result {
		result := health.Result{Status: health.Healthy, Metadata: map[string]string{"ffmpeg": "installed"}}
		if _, err := find("ffmpeg"); err != nil {
			result.Metadata["ffmpeg"] = "missing"
			result.Reason = "ffmpeg is not installed: WAV, FLAC, MP3, Ogg Vorbis and Ogg Opus are read, other files are refused (Debian: apt-get install ffmpeg)"
		}
		return result
	}}
}

func formatOf(s *settings.Loaded) scout.Format {
	return scout.Format{SampleRateHz: s.Record.Rate, Channels: s.Record.Channels, Sample: scout.SampleFormat(s.Record.Format)}
}

// diskCheck checks the free space for recordings, if there is a folder for them.
func diskCheck(dir string, format scout.Format) health.Check {
	return health.Check{Name: "disk", Critical: true, Probe: func(ctx context.Context) health.Result {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			parent := filepath.Dir(dir)
			for _, err := os.Stat(parent); os.IsNotExist(err) && parent != filepath.Dir(parent); _, err = os.Stat(parent) {
				parent = filepath.Dir(parent)
			}
			if err := unix.Access(parent, unix.W_OK); err != nil {
				return health.Failed(scout.FileError(scout.CodeWriteFailed, "make the folder of recordings in "+parent, err))
			}
			return health.Result{Status: health.Healthy, Reason: "the folder of recordings is made with the first one"}
		}
		if err := unix.Access(dir, unix.W_OK); err != nil { // EROFS on a disk that is mounted read-only, also for root
			return health.Failed(scout.FileError(scout.CodeWriteFailed, "record into "+dir, err))
		}
		folder, err := recording.OpenFolder(dir)
		if err != nil {
			return health.Failed(err)
		}
		return folder.DiskCheck(format, recording.SpaceLimits{}).Probe(ctx)
	}}
}

// modelCheck checks that the model which transcribes is there, by the names and sizes of its files.
func modelCheck(s *settings.Loaded, scope observe.Scope) health.Check {
	return health.Check{Name: "model", Critical: true, Probe: func(context.Context) health.Result {
		unhealthy := func(reason string) health.Result { return health.Result{Status: health.Unhealthy, Reason: reason} }
		dir, shared, err := s.ModelsDir()
		if err != nil {
			return unhealthy(scout.Plain(err))
		}
		if _, err := os.Stat(dir); os.IsNotExist(err) && len(shared) == 0 {
			return unhealthy("no model is installed: scout models pull")
		}
		store, err := model.Open(dir, scope, model.WithShared(shared...))
		if err != nil {
			return unhealthy(scout.Plain(err))
		}
		list, err := store.List()
		if err != nil {
			return unhealthy(scout.Plain(err))
		}
		for i := range list {
			m := &list[i]
			if wanted := s.Transcribe.Model; wanted != m.ID && (wanted != "" || !m.Selected) {
				continue
			}
			result := health.Result{Status: health.Healthy, Metadata: map[string]string{"model": m.ID, "model_size": strconv.FormatInt(m.SizeBytes, 10)}}
			switch {
			case !m.Installed:
				result.Status, result.Reason = health.Unhealthy, "model "+m.ID+" is not installed: scout models pull "+m.ID
			case m.Problem != "":
				result.Status, result.Reason = health.Unhealthy, "model "+m.ID+": "+m.Problem
			}
			return result
		}
		return unhealthy("model " + s.Transcribe.Model + " is not known")
	}}
}

// Report runs the checks once.
func Report(ctx context.Context, checks []health.Check, version string, began time.Time) health.Report {
	return report(ctx, checks, about{version: version, began: began})
}

// about is what a report says besides the results of the checks, and which components were known before.
type about struct {
	version string
	began   time.Time
	known   func(component string) bool
}

func report(ctx context.Context, checks []health.Check, a about) health.Report {
	components := health.Run(ctx, checks, time.Now)
	status, reasons := health.Overall(components, a.known)
	return health.Report{Status: status, Reasons: reasons, Version: a.version, Uptime: time.Since(a.began), Components: components}
}
