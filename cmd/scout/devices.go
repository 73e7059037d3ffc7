package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/printable"
)

const (
	// listWithin is how long one listing may take: a sound server that hangs must not hang the command.
	listWithin = 10 * time.Second
	// lookEvery is how often devices are listed if the system does not report changes.
	lookEvery = 2 * time.Second
)

func newDevicesCommand(a *app) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List the microphones and other devices to record from",
		Long: `Lists the devices to record from, without opening any. --device of other
commands takes the id or the name of a device, or a part of either that fits
only that device. A monitor records what an output plays.

With --watch, the command runs until Ctrl-C and prints a line for each change;
with --json, it prints the whole list again, on one line.`,
		Example: `  scout devices
  scout devices --watch
  scout devices --json | jq -r '.devices[] | select(.default) | .id'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			backend, err := miniaudio.Open(ctx, sound.Options{})
			if err != nil {
				return err
			}
			devices, err := listDevices(ctx, backend)
			if err != nil {
				return err
			}
			switch {
			case watch:
				err = a.watchDevices(ctx, backend, devices, asJSON)
			case asJSON:
				err = cli.WriteJSON(a.Std.Out, deviceList{backend.Name(), devices})
			default:
				err = a.writeDevices(devices)
			}
			return err
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "keep running and print what changes")
	return cmd
}

// deviceList is the JSON of "scout devices".
type deviceList struct {
	Backend string         `json:"backend"`
	Devices []sound.Device `json:"devices"`
}

func listDevices(ctx context.Context, backend sound.Backend) ([]sound.Device, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, listWithin, scout.Errorf(scout.CodeSoundServer, "the sound system (%s) did not answer within %s", backend.Name(), listWithin))
	defer cancel()
	devices, err := backend.Devices(ctx)
	if devices == nil {
		devices = []sound.Device{}
	}
	return devices, err
}

// writeDevices writes the table.
func (a *app) writeDevices(devices []sound.Device) error {
	if len(devices) == 0 {
		return scout.Errorf(scout.CodeNoDevice, "no device to record from").WithHint("plug in a microphone; scout devices --watch shows when it appears")
	}
	rows := [][]string{{"", "NAME", "ID", "DELIVERS"}}
	for i := range devices {
		d := &devices[i]
		mark, name := " ", shownName(d.Name)
		if d.Default {
			mark = "*"
		}
		if d.Monitor {
			name += " (monitor)"
		}
		rows = append(rows, []string{mark, name, printable.Line(d.ID), delivered(d)})
	}
	return writeTable(a.Std.Out, rows)
}

// nameCells is how much of a device's name is shown. The maker of the device chooses the name, and could choose a
// harmful one.
const nameCells = 60

// shownName returns the name of a device, safe to print on a terminal.
func shownName(name string) string { return printable.ShortenMiddle(printable.Line(name), nameCells) }

// delivered returns the first format of a device and the number of others.
func delivered(d *sound.Device) string {
	switch len(d.Formats) {
	case 0:
		return "unknown"
	case 1:
		return d.Formats[0].String()
	}
	return fmt.Sprintf("%s, and %d more", d.Formats[0], len(d.Formats)-1)
}

// writeTable writes rows of cells in aligned columns, without blanks at the ends of lines. A row keeps its empty cells: where one lacks a cell,
// the column ends, and what is below it is aligned anew.
func writeTable(w io.Writer, rows [][]string) error {
	var aligned bytes.Buffer
	table := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable.Line(cell) // others may have chosen it
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) // into memory
	}
	_ = table.Flush() // as above
	for line := range strings.Lines(aligned.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return scout.FileError(scout.CodeWriteFailed, "write the list", err)
		}
	}
	return nil
}

// watchDevices prints changes until ctx ends.
func (a *app) watchDevices(ctx context.Context, backend sound.Backend, devices []sound.Device, asJSON bool) error {
	w := deviceWatch{app: a, backend: backend, asJSON: asJSON}
	if err := w.show(devices, nil); err != nil {
		return err
	}
	changes := backend.Watch(ctx)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				changes = nil // the system cannot tell: it is asked
				continue
			}
		case <-ticker.C:
			if changes != nil {
				continue
			}
		}
		now, err := listDevices(ctx, backend)
		if ctx.Err() != nil {
			return nil
		}
		if err := w.show(now, err); err != nil {
			return err
		}
	}
}

// deviceWatch compares each list of devices with the one before.
type deviceWatch struct {
	app     *app
	backend sound.Backend
	asJSON  bool
	last    []sound.Device
	shown   bool // something was
	problem string
}

// show writes what has changed. failed is the reason why there is no list, for example because the server is gone.
func (w *deviceWatch) show(now []sound.Device, failed error) error {
	if failed != nil {
		if text := cli.OneLine(failed); text != w.problem {
			w.problem = text
			w.app.Notef("scout: %s\n", text)
		}
		now = []sound.Device{}
	} else {
		w.problem = ""
	}
	before := w.last
	if w.shown && sameDevices(before, now) {
		return nil
	}
	first := !w.shown
	w.last, w.shown = now, true
	if w.asJSON {
		line, err := json.Marshal(deviceList{w.backend.Name(), now})
		if err != nil {
			return fmt.Errorf("encode devices: %w", err)
		}
		return w.app.Say("%s", line)
	}
	if first && len(now) > 0 {
		return w.app.writeDevices(now)
	}
	return w.differences(before, now)
}

func (w *deviceWatch) differences(before, now []sound.Device) error {
	has := func(list []sound.Device, id string) bool {
		return slices.ContainsFunc(list, func(d sound.Device) bool { return d.ID == id })
	}
	isDefault := func(list []sound.Device) (id string) {
		for i := range list {
			if list[i].Default {
				id = list[i].ID
			}
		}
		return id
	}
	for i := range before {
		if d := &before[i]; !has(now, d.ID) {
			if err := w.app.Say("- %s  %s", shownName(d.Name), printable.Line(d.ID)); err != nil {
				return err
			}
		}
	}
	for i := range now {
		if d := &now[i]; !has(before, d.ID) {
			if err := w.app.Say("+ %s  %s  %s", shownName(d.Name), printable.Line(d.ID), delivered(d)); err != nil {
				return err
			}
		}
	}
	if id := isDefault(now); id != "" && id != isDefault(before) {
		return w.app.Say("* %s is the default now", printable.Line(id))
	}
	return nil
}

func sameDevices(a, b []sound.Device) bool {
	return slices.EqualFunc(a, b, func(x, y sound.Device) bool {
		return x.ID == y.ID && x.Name == y.Name && x.Default == y.Default && slices.Equal(x.Formats, y.Formats)
	})
}
