package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/rig"
)

type benchToggleOptions struct {
	json  bool
	takes int
}

func newToggleCommand(a *app) *cobra.Command {
	var o benchToggleOptions
	cmd := &cobra.Command{
		Use:   "toggle",
		Short: "Measure how fast scout toggle begins",
		Long: `Begins and ends dictations through a daemon of its own and the null sink of a
sound server of its own, and prints how long after the beginning each step was
done: connected (the daemon has answered), checked (it records into the same
folder), answered (the request is accepted), ordered (the recorder has the
order: it begins), listening (frames arrive, and the client knows).
"scout toggle" is the whole program, from its start to the recorder's order.
The target for that is 50 ms. It needs PulseAudio, and no model.`,
		Example: "  scout-bench toggle\n  scout-bench toggle --takes 100 --json",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return benchToggle(cmd.Context(), a, o) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: milliseconds of every step of every take")
	cmd.Flags().IntVar(&o.takes, "takes", 20, "dictations of each kind")
	return cmd
}

// toggleTimes has milliseconds by kind and step, a value for each take.
type toggleTimes map[string]map[string][]float64

func benchToggle(ctx context.Context, a *app, o benchToggleOptions) (err error) {
	if o.takes < 1 {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--takes must be at least 1"))
	}
	models, _, err := a.Settings.ModelsDir()
	if err != nil {
		return err
	}
	booth := &rig.Booth{Program: a.Settings.Scout(), Models: models, Device: rig.DeviceSink}
	defer func() {
		if closeErr := booth.Close(ctx); err == nil {
			err = closeErr
		}
	}()
	if err := booth.Open(ctx); err != nil {
		return err
	}
	times := make(toggleTimes)
	for _, kind := range rig.Befores() {
		times[string(kind)] = make(map[string][]float64)
		for n := range o.takes + 1 {
			took, err := booth.Toggle(ctx, kind)
			if err != nil {
				return err
			}
			for step, d := range took {
				if n > 0 { // the first one of a kind makes it so
					times[string(kind)][step] = append(times[string(kind)][step], float64(d.Microseconds())/1000)
				}
			}
		}
	}
	if o.json {
		return cli.WriteJSON(a.Std.Out, times)
	}
	return times.write(a.Std.Out)
}

// write prints the table.
func (times toggleTimes) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(table, "ms after the beginning, p50 / p95 / max\t") // Flush tells
	for _, kind := range rig.Befores() {
		_, _ = fmt.Fprintf(table, "%s\t", kind)
	}
	for _, step := range rig.ToggleSteps() {
		_, _ = fmt.Fprintf(table, "\n%s\t", step)
		for _, kind := range rig.Befores() {
			sorted := slices.Sorted(slices.Values(times[string(kind)][step]))
			at := func(share float64) float64 { return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)] }
			_, _ = fmt.Fprintf(table, "%.0f / %.0f / %.0f\t", at(0.5), at(0.95), at(1))
		}
	}
	_, _ = fmt.Fprintln(table)
	return table.Flush() //nolint:wrapcheck // standard output
}
