package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

type benchEngineOptions struct {
	model    string
	json     bool
	rounds   int
	skipHour bool
}

func newBenchEngineCommand(a *app) *cobra.Command {
	var o benchEngineOptions
	cmd := &cobra.Command{
		Use:   "engine DIR",
		Short: "Measure the engine against sherpa-onnx in the same run",
		Long: `Measures the engine that serves the default model against sherpa-onnx with its own defaults on the published files, both on one
thread and in turn, so that whatever else the machine does meets both: single requests with and without a text already known, loading,
a cold start of scout transcribe, all clips of DIR cut where it is quiet, two slots at once, a request that somebody waits for beside
batch work, cancelling, and memory. Times are medians. DIR is as for scout bench transcribe; the clip nearest to 11 s is the one that is
decoded alone. Takes three to five minutes on a quiet machine. A figure that misses its bound is marked SHORT.`,
		Example: `  scout bench engine speech/
  scout bench engine speech/ --json --skip-hour`,
		Args: wrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchEngine(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.model, "model", "m", "", "model to use, a Moonshine one ($SCOUT_MODEL)")
	sets(flags, map[string]string{"model": "transcribe.model"})
	flags.BoolVar(&o.json, "json", false, "print JSON (docs/formats/bench.md)")
	flags.IntVar(&o.rounds, "rounds", 15, "how often the clip is decoded in each way")
	flags.BoolVar(&o.skipHour, "skip-hour", false, "leave out the hour of speech")
	return cmd
}

func benchEngine(ctx context.Context, a *app, o benchEngineOptions, dir string) (err error) {
	if o.rounds < 1 {
		return usage(scout.Errorf(scout.CodeInvalidArgument, "--rounds %d: want at least 1", o.rounds))
	}
	entries, err := bench.ReadManifest(dir)
	if err != nil {
		return err
	}
	rig := &engineRig{app: a, model: o.model}
	if rig.decoded, err = a.decodeClips(ctx, dir, entries); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.decoded.remove()) }()
	clip, pieces, err := rig.speech(dir, entries)
	if err != nil {
		return err
	}
	ours, err := openRecognizer(ctx, a, rig.options(bench.Scout, 1, 0))
	if err != nil {
		return err
	}
	ours.Close()
	report, err := bench.RunEngine(ctx, rig, bench.EngineOptions{
		Setup: bench.Setup{
			Version: release.Version(), Model: ours.Model.ID, Backend: ours.Backend, Cut: "quiet", Threads: 1, Mode: bench.Each, CPU: processor(),
		},
		Entries: entries, Dir: dir, Clip: clip, Pieces: pieces, Rounds: o.rounds, SkipHour: o.skipHour,
		Progress: func(part string) {
			if terminal(a.std.err) {
				a.notef("\r\x1b[K%s", part)
			}
		},
	})
	if terminal(a.std.err) {
		a.notef("\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if o.json {
		return report.WriteJSON(a.std.out)
	}
	return report.WriteTable(a.std.out)
}

// engineRig runs both engines of bench.RunEngine as scout does.
type engineRig struct {
	app     *app
	model   string
	decoded *decodedClips
	clip    string // a WAV file with the clip
	hour    string // a WAV file with an hour of speech
}

// options are those of a side. One thread each; two slots are asked for by their number of threads.
func (r *engineRig) options(side bench.Side, slots int, reserve time.Duration) recognizerOptions {
	if side == bench.Yardstick {
		return recognizerOptions{model: r.model, threads: 1, backend: recognize.BackendSherpa, profile: "plain"}
	}
	return recognizerOptions{model: r.model, threads: slots, backend: recognize.BackendMoonshine, reserve: reserve}
}

// Open implements bench.Rig.
func (r *engineRig) Open(ctx context.Context, side bench.Side, background int, reserve time.Duration) (*engine.Engine, error) {
	opened, err := openRecognizer(ctx, r.app, r.options(side, background, reserve))
	if err != nil {
		return nil, err
	}
	return opened.Engine, nil
}

// Hear implements bench.Rig.
func (r *engineRig) Hear(ctx context.Context, e *engine.Engine, file string, once bool) (bench.Heard, error) {
	source, err := r.decoded.open(file)
	if err != nil {
		return bench.Heard{}, err
	}
	cut := segment.Defaults()
	effort := speech.EffortNormal
	if once {
		effort = speech.EffortQuick
	}
	transcript, err := speech.New(r.app.scope, r.app.failures, e).Transcribe(ctx, source,
		speech.Options{Model: r.model, Class: schedule.Interactive, Cut: &cut, Effort: effort, Words: true})
	if err = errors.Join(err, source.Close()); err != nil {
		return bench.Heard{}, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	return bench.Heard{Text: transcript.Text(), Audio: transcript.Duration}, nil
}

// Cold implements bench.Rig.
func (r *engineRig) Cold(ctx context.Context, side bench.Side) error {
	cmd, err := r.command(ctx, side, r.clip)
	if err != nil {
		return err
	}
	return ranWell(cmd, cmd.Run())
}

// Hour implements bench.Rig.
func (r *engineRig) Hour(ctx context.Context) (bench.Memory, error) {
	cmd, err := r.command(ctx, bench.Scout, r.hour)
	if err != nil {
		return bench.Memory{}, err
	}
	if err := ranWell(cmd, cmd.Start()); err != nil {
		return bench.Memory{}, err
	}
	watch := bench.StartMemory(cmd.Process.Pid)
	err = cmd.Wait()
	return watch.Stop(), ranWell(cmd, err)
}

// command is scout transcribe as a process of its own.
func (r *engineRig) command(ctx context.Context, side bench.Side, file string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "find this program: %w", err)
	}
	o := r.options(side, 1, 0)
	args := []string{"transcribe", "--quiet", "--backend", o.backend, "--profile", o.profile, "--output", os.DevNull, file}
	if r.model != "" {
		args = append(args, "--model", r.model)
	}
	if r.app.settings.Models.Dir != "" {
		args = append(args, "--models-dir", r.app.settings.Models.Dir)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = new(strings.Builder)
	return cmd, nil
}

// ranWell adds what a process said to the error it ended with.
func ranWell(cmd *exec.Cmd, err error) error {
	if err == nil {
		return nil
	}
	return scout.Errorf(scout.CodeInternal, "scout transcribe: %w: %v", err, cmd.Stderr)
}

// speech picks the clip, cuts what slots are kept busy with, and writes the clip and an hour of speech to files.
func (r *engineRig) speech(dir string, entries []bench.Entry) (clip []float32, pieces [][]float32, err error) {
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
	paths := make([]string, len(entries))
	for i, entry := range entries {
		paths[i] = filepath.Join(dir, entry.File)
		samples, err := r.decoded.read(paths[i])
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
	r.clip, r.hour = filepath.Join(r.decoded.dir, "clip.wav"), filepath.Join(r.decoded.dir, "hour.wav")
	if err := writeWAV(r.clip, len(clip), func(emit func([]float32) error) error { return emit(clip) }); err != nil {
		return nil, nil, err
	}
	const hourFrames = 3600 * scout.EngineSampleRateHz
	err = writeWAV(r.hour, hourFrames, func(emit func([]float32) error) error {
		for left := hourFrames; left > 0; {
			for _, path := range paths {
				samples, err := r.decoded.read(path)
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
	return clip, pieces, err
}

func abs(n int) int { return max(n, -n) }

// read returns a decoded clip, whole.
func (c *decodedClips) read(clip string) ([]float32, error) {
	raw, err := os.ReadFile(c.paths[clip])
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read decoded clip "+clip, err)
	}
	samples := make([]float32, len(raw)/4)
	for i := range samples {
		samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return samples, nil
}

// writeWAV writes so many frames of 16 kHz mono in 16 bits (RIFF WAVE, format 1), given in parts.
func writeWAV(path string, frames int, give func(emit func([]float32) error) error) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "create speech to measure with", err)
	}
	defer func() { err = scout.FileError(scout.CodeWriteFailed, "write "+path, errors.Join(err, file.Close())) }()
	const rate, frameBytes, headBytes = scout.EngineSampleRateHz, 2, 44
	data := uint32(frames * frameBytes)
	out := bufio.NewWriter(file)
	le := binary.LittleEndian
	head := append(le.AppendUint32([]byte("RIFF"), data+headBytes-8), "WAVEfmt "...)
	head = le.AppendUint16(le.AppendUint16(le.AppendUint32(head, 16), 1), 1)
	head = le.AppendUint32(le.AppendUint32(head, rate), rate*frameBytes)
	head = le.AppendUint16(le.AppendUint16(head, frameBytes), 8*frameBytes)
	head = le.AppendUint32(append(head, "data"...), data)
	if _, err := out.Write(head); err != nil {
		return err
	}
	err = give(func(samples []float32) error { return writeSamples(out, samples) })
	return errors.Join(err, out.Flush())
}

func writeSamples(out io.Writer, samples []float32) error {
	raw := make([]byte, 0, 2*len(samples))
	for _, s := range samples {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(int16(max(-32768, min(32767, math.Round(float64(s)*32768))))))
	}
	_, err := out.Write(raw)
	return err
}
