package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/audio/level"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// levels calls each with how loud a device is, until ctx ends or each returns false; then the error is nil. The level of the device that is
// recorded from comes from its recorder. Another device is open only while this runs.
func (d *daemon) levels(ctx context.Context, device string, every time.Duration, each func(v1.Level) bool) error {
	if status, err := d.recorder.Status(ctx); err == nil && status.Recording != nil && (device == "" || named(device, status.Device)) {
		return d.recordedLevels(ctx, status, every, each)
	}
	if device == "" {
		device = d.current.order().Device
	}
	// Mono, in single precision: what the level of a recording would be, without rounding.
	session, err := capture.New(capture.Options{
		Device: device, Format: scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleF32}, Buffer: time.Second, Preroll: -1, Scope: d.options.Scope,
	})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	var runErr error // of Run; read after ended
	go func() {      // ended by end, waited for below
		defer close(ended)
		runErr = d.options.Failures.Guard("level", func() error { return session.Run(running) })
	}()
	defer func() {
		end()
		<-ended
	}()
	if _, err := session.Start(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			return runErr
		case <-ticker.C:
		}
		status := session.Status()
		if status.State == capture.StateFailed {
			return status.Err
		}
		if session.Ring().Closed() {
			return nil // a file came to its end
		}
		reading := session.Meter().Reading()
		if !each(levelOf(status.Device.ID, reading.SmoothRMS, reading.SmoothPeak, string(status.Outage))) {
			return nil
		}
	}
}

// recordedLevels are those of the recording in progress.
func (d *daemon) recordedLevels(ctx context.Context, status recording.Status, every time.Duration, each func(v1.Level) bool) error {
	client, err := remote.Dial(ctx, d.recorder.Folder().Dir(), remote.Options{Name: d.options.Launch.Name, Probe: true})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // it was only listened to
	err = client.WatchLevel(ctx, every, func(l recording.Level) bool {
		return each(levelOf(status.Device.ID, float64(l.RMS), float64(l.Peak), ""))
	})
	if errors.Is(err, context.Canceled) || ctx.Err() != nil {
		return nil
	}
	return err
}

// named reports whether a device is meant by its id, its name, or a part of one.
func named(part string, device recording.Device) bool {
	return part == device.ID || strings.Contains(strings.ToLower(device.Name), strings.ToLower(part)) || strings.Contains(strings.ToLower(device.ID), strings.ToLower(part))
}

func levelOf(device string, rms, peak float64, outage string) v1.Level {
	return v1.Level{At: v1.Time{Time: time.Now()}, Device: device, RMS: rms, Peak: peak, RMSDBFS: level.DBFS(rms), PeakDBFS: level.DBFS(peak), Outage: outage}
}
