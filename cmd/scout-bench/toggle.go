package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
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

// toggleSteps are the steps in their order.
func toggleSteps() []string {
	return []string{"connected", "checked", "answered", "ordered", "listening", "scout toggle"}
}

// toggleKinds are the states of the recorder before the toggle.
func toggleKinds() []string { return []string{"recorder idle", "microphone kept open", "no recorder"} }

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
	for _, kind := range toggleKinds() {
		times[kind] = make(map[string][]float64)
		t := &toggling{booth: booth, warm: kind == "microphone kept open", cold: kind == "no recorder"}
		for n := range o.takes + 1 {
			took, err := t.take(ctx)
			if err != nil {
				return err
			}
			for step, d := range took {
				if n > 0 { // the first one of a kind makes it so
					times[kind][step] = append(times[kind][step], float64(d.Microseconds())/1000)
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
	for _, kind := range toggleKinds() {
		_, _ = fmt.Fprintf(table, "%s\t", kind)
	}
	for _, step := range toggleSteps() {
		_, _ = fmt.Fprintf(table, "\n%s\t", step)
		for _, kind := range toggleKinds() {
			sorted := slices.Sorted(slices.Values(times[kind][step]))
			at := func(share float64) float64 { return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)] }
			_, _ = fmt.Fprintf(table, "%.0f / %.0f / %.0f\t", at(0.5), at(0.95), at(1))
		}
	}
	_, _ = fmt.Fprintln(table)
	return table.Flush() //nolint:wrapcheck // standard output
}

// toggling begins and ends dictations of one kind.
type toggling struct {
	booth      *rig.Booth
	warm, cold bool
}

// take makes a dictation by requests, and one by the program.
func (t *toggling) take(ctx context.Context) (map[string]time.Duration, error) {
	took := make(map[string]time.Duration)
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	c, err := client.Connect(ctx, client.Options{Socket: filepath.Join(t.booth.Data(), daemon.SocketName), Name: "scout-bench"})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	took["connected"] = time.Since(began)
	var status v1.Status
	if err := c.Get(ctx, "/status", &status); err != nil {
		return nil, err
	}
	took["checked"] = time.Since(began)
	request, no := v1.Start{Device: t.booth.Microphone(), Warm: t.warm}, false
	request.Transcribe = &no // it is about the beginning
	var toggled v1.Toggled
	if err := c.Post(ctx, "/recorder/toggle", request, &toggled); err != nil {
		return nil, err
	}
	took["answered"] = time.Since(began)
	if err := until(ctx, c, toggled.ID, event.Listening); err != nil {
		return nil, err
	}
	took["listening"] = time.Since(began)
	if took["ordered"], err = t.ordered(toggled.ID, began); err != nil {
		return nil, err
	}
	if err := t.end(ctx, c, toggled.ID); err != nil {
		return nil, err
	}

	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	args := []string{"toggle", "--print", "--json", "--language", "en", "--device", t.booth.Microphone()}
	if t.warm {
		args = append(args, "--warm")
	}
	began = time.Now()
	out, err := t.booth.Command(ctx, args...).Output()
	if err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "scout toggle: %w", err)
	}
	if err := json.Unmarshal(out, &toggled); err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "scout toggle: %w", err)
	}
	if took["scout toggle"], err = t.ordered(toggled.ID, began); err != nil {
		return nil, err
	}
	return took, t.end(ctx, c, toggled.ID)
}

// prepare ends the recorder, if none is to run.
func (t *toggling) prepare(ctx context.Context) error {
	if !t.cold {
		return nil
	}
	recorder, err := remote.Dial(ctx, t.booth.Recordings(), remote.Options{})
	if err != nil {
		return nil //nolint:nilerr // none runs
	}
	err = recorder.Shutdown(ctx)
	<-recorder.Done()
	for err == nil && ctx.Err() == nil { // the connection ends a moment before the process
		if _, held := recording.Holder(t.booth.Recordings()); !held {
			break
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // nothing announces the end of a process that is no child
	}
	return err
}

// end ends a dictation and waits until nothing of it is left.
func (t *toggling) end(ctx context.Context, c *client.Client, id string) error {
	if err := c.Post(ctx, "/live/"+id+"/cancel", nil, nil); err != nil {
		return err
	}
	return until(ctx, c, id, event.Failed)
}

// until follows a dictation to a state, or to its end.
func until(ctx context.Context, c *client.Client, id, state string) error {
	return c.Stream(ctx, "/live/"+id+"/events", func(raw client.StreamEvent) bool {
		var e event.Event
		return json.Unmarshal(raw.Data, &e) != nil || e.State != state
	})
}

// ordered is when the recorder began to open the microphone for a recording, as its log tells.
func (t *toggling) ordered(id string, began time.Time) (time.Duration, error) {
	log, err := os.ReadFile(filepath.Join(t.booth.Recordings(), remote.LogName))
	if err != nil {
		return 0, fmt.Errorf("read the recorder's log: %w", err)
	}
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, "msg="+recording.EventRecordingStarted+" ") || !strings.Contains(line, id) {
			continue
		}
		var at string
		var waited int64
		for _, field := range strings.Fields(line) {
			if value, found := strings.CutPrefix(field, "time="); found {
				at = value
			}
			if value, found := strings.CutPrefix(field, "duration_ms="); found {
				_, _ = fmt.Sscan(value, &waited) // it is a number
			}
		}
		when, err := time.Parse(time.RFC3339Nano, at)
		return when.Add(-time.Duration(waited) * time.Millisecond).Sub(began.Round(0)), err //nolint:wrapcheck // a log of Scout's own
	}
	return 0, scout.Errorf(scout.CodeInternal, "the recorder's log has nothing about recording %s", id)
}
