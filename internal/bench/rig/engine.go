package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Engines runs both engines of bench.RunEngine as scout does. It implements bench.Rig.
type Engines struct {
	// Start returns an engine, which starts with the first request.
	Start func(ctx context.Context, side Side) (*engine.Engine, error)
	// Scout returns a command that runs scout with these arguments.
	Scout    func(ctx context.Context, args ...string) *exec.Cmd
	Scope    observe.Scope
	Failures *observe.Failures
	Model    string // empty for the selected model
	Decoded  *Clips

	clip  string   // a WAV file with the clip
	paths []string // of the clips of which an hour of speech is made
}

// Side is how one of the two engines is opened.
type Side struct {
	Backend string
	Profile string
	Threads int           // two for two slots
	Reserve time.Duration // as in engine.Options
}

// SideOf returns how a side is opened. Each slot has one thread; the number of threads sets the number of slots.
func SideOf(side bench.Side, slots int, reserve time.Duration) Side {
	if side == bench.Yardstick {
		return Side{Backend: recognize.BackendSherpa, Profile: "plain", Threads: 1}
	}
	return Side{Backend: recognize.BackendMoonshine, Threads: slots, Reserve: reserve}
}

// Open implements bench.Rig.
func (r *Engines) Open(ctx context.Context, side bench.Side, background int, reserve time.Duration) (*engine.Engine, error) {
	return r.Start(ctx, SideOf(side, background, reserve))
}

// Hear implements bench.Rig.
func (r *Engines) Hear(ctx context.Context, e *engine.Engine, file string, once bool) (bench.Heard, error) {
	source, err := r.Decoded.open(file)
	if err != nil {
		return bench.Heard{}, err
	}
	cut := segment.Defaults()
	effort := speech.EffortNormal
	if once {
		effort = speech.EffortQuick
	}
	transcript, err := speech.New(r.Scope, r.Failures, e).Transcribe(ctx, source,
		speech.Options{Model: r.Model, Class: schedule.Interactive, Cut: &cut, Effort: effort, Words: true})
	if err = errors.Join(err, source.Close()); err != nil {
		return bench.Heard{}, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	return bench.Heard{Text: transcript.Text(), Audio: transcript.Duration}, nil
}

// Cold implements bench.Rig.
func (r *Engines) Cold(ctx context.Context, side bench.Side) error {
	cmd := r.command(ctx, side, r.clip)
	return ranWell(cmd, cmd.Run())
}

// Hour implements bench.Rig.
func (r *Engines) Hour(ctx context.Context) (bench.Memory, error) {
	hour := filepath.Join(r.Decoded.dir, "hour.wav")
	if err := r.writeHour(hour); err != nil {
		return bench.Memory{}, err
	}
	cmd := r.command(ctx, bench.Scout, hour)
	if err := ranWell(cmd, cmd.Start()); err != nil {
		return bench.Memory{}, err
	}
	watch := bench.StartMemory(cmd.Process.Pid)
	err := cmd.Wait()
	return watch.Stop(), ranWell(cmd, err)
}

// command returns scout transcribe as a separate process.
func (r *Engines) command(ctx context.Context, side bench.Side, file string) *exec.Cmd {
	o := SideOf(side, 1, 0)
	args := []string{"transcribe", "--quiet", "--backend", o.Backend, "--profile", o.Profile, "--output", os.DevNull, file}
	if r.Model != "" {
		args = append(args, "--model", r.Model)
	}
	cmd := r.Scout(ctx, args...)
	cmd.Stderr = new(strings.Builder)
	return cmd
}

// ranWell adds the output of a process to the error with which it ended.
func ranWell(cmd *exec.Cmd, err error) error {
	if err == nil {
		return nil
	}
	return scout.Errorf(scout.CodeInternal, "scout transcribe: %w: %v", err, cmd.Stderr)
}

// writeHour writes an hour of speech, all clips again and again, to a WAV file.
func (r *Engines) writeHour(path string) error {
	const frames = 3600 * scout.EngineSampleRateHz
	return writeWAV(path, frames, func(emit func([]float32) error) error {
		for left := frames; left > 0; {
			for _, path := range r.paths {
				samples, err := r.Decoded.read(path)
				if err != nil {
					return err
				}
				samples = samples[:min(len(samples), left)]
				left -= len(samples)
				if err := emit(samples); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Speech picks the clip, which it writes to a file, and cuts the pieces that keep slots busy.
func (r *Engines) Speech(dir string, entries []bench.Entry) (clip []float32, pieces [][]float32, err error) {
	const clipFrames, enough = 11 * scout.EngineSampleRateHz, 24
	cutter, err := segment.New(segment.Defaults(), func(p segment.Piece) error {
		if len(pieces) < enough {
			pieces = append(pieces, append([]float32(nil), p.Samples...))
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("cut speech: %w", err)
	}
	r.paths = make([]string, len(entries))
	for i, entry := range entries {
		r.paths[i] = filepath.Join(dir, entry.File)
		samples, err := r.Decoded.read(r.paths[i])
		if err != nil {
			return nil, nil, err
		}
		if abs(len(samples)-clipFrames) < abs(len(clip)-clipFrames) {
			clip = samples
		}
		if len(pieces) < enough {
			if err := cutter.Write(samples); err != nil {
				return nil, nil, fmt.Errorf("cut speech: %w", err)
			}
		}
	}
	if err := cutter.Close(); err != nil {
		return nil, nil, fmt.Errorf("cut speech: %w", err)
	}
	if abs(len(clip)-clipFrames) > clipFrames/2 || len(pieces) < 2 {
		return nil, nil, scout.Errorf(scout.CodeInvalidArgument, "%s holds no clip of about 11 s, or too little speech", dir)
	}
	r.clip = filepath.Join(r.Decoded.dir, "clip.wav")
	err = writeWAV(r.clip, len(clip), func(emit func([]float32) error) error { return emit(clip) })
	return clip, pieces, err
}

func abs(n int) int { return max(n, -n) }
