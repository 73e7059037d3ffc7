package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/spelling"
)

// recordFlag writes what a run measured into the catalogue.
const recordFlag = "record-in-catalogue"

// engineProgram is what the process is called whose memory the catalogue tells.
const engineProgram = "scout-engine"

// checkOrdinary refuses a run that is not what a user of the model gets: of other clips or other pieces, or with options
// that change the text or what it costs. Flags that are not named here may do that.
func checkOrdinary(cmd *cobra.Command) error {
	harmless := []string{recordFlag, "model", "json", "baseline", "normaliser"}
	var changed []string
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Value.String() != f.DefValue && !slices.Contains(harmless, f.Name) {
			changed = append(changed, "--"+f.Name)
		}
	})
	if len(changed) == 0 {
		return nil
	}
	return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--%s does not go with %s, be it a flag or a setting", recordFlag, strings.Join(changed, ", ")).
		WithHint("the catalogue has what Scout makes of all clips by default: leave out one or the other"))
}

// catalogueRun is a run whose figures get into the catalogue of the repository.
type catalogueRun struct {
	file        string // of the figures
	id          string // of the model
	fingerprint string
	engine      string // what runs the model
	set         string
	clips       int
}

// prepareRecord finds the catalogue and identifies the files of the model, before the long work.
func prepareRecord(ctx context.Context, a *app, r *cli.Recognizer, dir string, clips int) (*catalogueRun, error) {
	file, err := figuresFile()
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "find the folder of speech", err)
	}
	store, err := a.OpenModels()
	if err != nil {
		return nil, err
	}
	fingerprint, err := store.Fingerprint(ctx, r.Model.ID)
	if err != nil {
		return nil, err
	}
	return &catalogueRun{
		file: file, id: r.Model.ID, fingerprint: fingerprint, engine: a.Machine().Served(r.Model, r.Backend).String(),
		set: filepath.Base(dir), clips: clips,
	}, nil
}

// figuresFile returns the path of the figures in the repository that the working directory is in.
func figuresFile() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "find the repository", err)
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		file := filepath.Join(dir, filepath.FromSlash(model.FiguresFile))
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		if dir == filepath.Dir(dir) {
			return "", scout.Errorf(scout.CodeInvalidArgument, "there is no %s in %s or above it", model.FiguresFile, here).
				WithHint("run scout-bench in Scout's repository, whose catalogue it writes")
		}
	}
}

// record writes the figures and tells which. It refuses a report that is not of all clips or in which a figure is missing.
func (c *catalogueRun) record(a *app, report *bench.Report) error {
	figures, err := c.figures(report)
	if err != nil {
		return err
	}
	if err := model.RecordFigures(c.file, c.id, figures); err != nil {
		return err
	}
	a.Notef("%s: the catalogue has for %s: %.2f %% [%.1f, %.1f] of %d words wrong (%s of %s, normaliser %s), %.1f s of audio in a second of a processor, %.0f MB, by %s\n"+
		"  written to %s; programs that are built from now on list it\n", a.Name, c.id, 100*figures.WER, 100*figures.WERLow, 100*figures.WERHigh,
		figures.Words, spelling.Count(figures.Clips, "clip"), figures.Set, figures.Normaliser, figures.Speed, float64(figures.MemoryBytes)/1e6, figures.Engine, c.file)
	return nil
}

// figures returns what a report says of the model.
func (c *catalogueRun) figures(report *bench.Report) (model.Figures, error) {
	missing := func(format string, args ...any) (model.Figures, error) {
		return model.Figures{}, scout.Errorf(scout.CodeInvalidArgument, "nothing is recorded in the catalogue: %s", fmt.Sprintf(format, args...))
	}
	total := &report.Total
	if heard := total.Files - total.Failed; heard != c.clips {
		return missing("%d of %d clips were transcribed", heard, c.clips)
	}
	for _, f := range report.Files {
		switch {
		case f.Unit == bench.InCharacters:
			return missing("%s is counted in characters, and the catalogue has wrong words", f.File)
		case f.CPU <= 0:
			return missing("the processor time of the engine for %s is not known", f.File)
		}
	}
	if total.WER == nil {
		return missing("nothing is said in the clips")
	}
	memory := int64(0)
	if report.Memory != nil {
		for _, p := range report.Memory.Processes {
			if p.Name == engineProgram {
				memory = p.Peak
			}
		}
	}
	if memory == 0 {
		return missing("the memory of %s is not known", engineProgram)
	}
	return model.Figures{
		Fingerprint: c.fingerprint, Set: c.set, Clips: total.Files, AudioSeconds: rounded(total.Audio, 10), Words: total.Words.Reference,
		WER: rounded(total.WER.Value, 10_000), WERLow: rounded(total.WER.Low, 10_000), WERHigh: rounded(total.WER.High, 10_000),
		Normaliser: string(report.Setup.Normaliser), Speed: rounded(total.Audio/total.CPU, 10), MemoryBytes: memory,
		Engine: c.engine, Machine: report.Setup.CPU, Version: release.Version(), Date: report.Started.Format(time.DateOnly),
	}, nil
}

// rounded returns a number with the digits that a measurement has.
func rounded(value, parts float64) float64 { return math.Round(value*parts) / parts }
