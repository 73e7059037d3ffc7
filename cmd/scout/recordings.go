package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/spelling"
)

// newRecordingsCommand returns "scout recordings" and its subcommands.
func newRecordingsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recordings",
		Short: "List, show, watch, check, repair and delete recordings",
		Long: `A recording is a WAV file and a manifest beside it, in the folder of recordings
(docs/formats/recording.md). Commands take the id of a recording, or the
beginning or the end of an id.

After a crash, the next command that reads the folder repairs the recording, and
shows it as recovered.`,
		Example: `  scout recordings list
  scout recordings show
  scout recordings verify
  scout transcribe "$(scout recordings show --json | jq -r .path)"`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newRecordingsListCommand(a), newRecordingsShowCommand(a), newRecordingsAttachCommand(a),
		newRecordingsVerifyCommand(a), newRecordingsRecoverCommand(a), newRecordingsDeleteCommand(a),
		newRecordingsTrashCommand(a), newRecordingsRestoreCommand(a), newRecordingsPruneCommand(a),
		newRecordingsTitleCommand(a), newRecordingsTagCommand(a), newRecordingsLabelCommand(a),
	)
	return cmd
}

// openRecordings opens the folder that the settings name. It creates a missing folder, unless a flag names it.
func (a *app) openRecordings() (*recording.Folder, error) {
	dir, err := a.namedRecordings()
	if err != nil {
		return nil, err
	}
	return recording.OpenFolder(dir)
}

// makeRecordings is like openRecordings, but always creates a missing folder.
func (a *app) makeRecordings() (*recording.Folder, error) {
	dir, err := a.recordingsDir()
	if err != nil {
		return nil, err
	}
	return recording.OpenFolder(dir)
}

// namedRecordings returns the folder of recordings. A folder that a flag names must exist.
func (a *app) namedRecordings() (string, error) {
	dir, err := a.recordingsDir()
	if err != nil {
		return "", err
	}
	return dir, a.CheckNamedFolder("recordings.dir", dir)
}

// lookIntoRecordings opens the folder for a command that changes nothing; it returns nil if there is none yet. If
// nobody is recording into the folder, it repairs what a crash left behind, and says so.
func (a *app) lookIntoRecordings() (*recording.Folder, recording.RepairReport, error) {
	dir, err := a.namedRecordings()
	if err != nil {
		return nil, recording.RepairReport{}, err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, recording.RepairReport{}, nil
	}
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		return nil, recording.RepairReport{}, err
	}
	if intact, report, err := folder.Intact(); intact || err != nil {
		return folder, report, err
	}
	report, err := folder.Recover()
	switch scout.CodeOf(err) {
	case scout.CodeRecordingLocked, scout.CodeFilePermission: // its recorder repaired when it began; what may only be read stays as it is
		return folder, recording.RepairReport{}, nil
	}
	for i := range report.Repaired {
		a.Notef("scout: %s\n", repairedText(&report.Repaired[i]))
	}
	return folder, report, err
}

func repairedText(r *recording.Repaired) string {
	return fmt.Sprintf("recovered %s: %s (%s)", r.Manifest.ID, clock(r.Manifest.Duration()), r.Reason)
}

// listed is a recording as the commands print it in JSON.
type listed struct {
	recording.Manifest
	Path       string  `json:"path"`
	SizeBytes  int64   `json:"size_bytes"`
	Duration   float64 `json:"duration_seconds"`
	LostFrames uint64  `json:"lost_frames"`
}

func listedOf(folder *recording.Folder, m recording.Manifest) listed {
	l := listed{Manifest: m, Path: folder.AudioPath(m.ID), LostFrames: m.LostFrames()}
	if info, err := os.Stat(l.Path); err == nil {
		l.SizeBytes = info.Size()
	}
	if m.State == recording.StateRecording { // the length is not in the manifest yet
		if reader, err := folder.OpenAudio(m.ID); err == nil {
			if frames, err := reader.Frames(); err == nil {
				l.Frames = frames
			}
			_ = reader.Close() // it was only asked
		}
	}
	l.Duration = l.Manifest.Duration().Seconds()
	return l
}

func newRecordingsListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the recordings, oldest first",
		Long: `Lists the recordings. Their states are "recording" (under way), "finished"
(ended normally) and "recovered" (cut short by a crash, and repaired).

Files that are not recordings are named on standard error. The exit code is 1 if
a recording is damaged and cannot be repaired.`,
		Example: `  scout recordings list
  scout recordings list --json | jq -r '.recordings[].path'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.listRecordings(asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) listRecordings(asJSON bool) error {
	folder, report, err := a.lookIntoRecordings()
	if err != nil {
		return err
	}
	dir, err := a.recordingsDir()
	if err != nil {
		return err
	}
	all, problems := []listed{}, []problem{}
	if folder != nil {
		dir = folder.Dir()
		list, found, err := folder.List()
		if err != nil {
			return err
		}
		for i := range list {
			all = append(all, listedOf(folder, list[i]))
		}
		problems = problemsOf(found, report.Problems)
	}
	failed := a.tellProblems(problems)
	switch {
	case asJSON:
		err = cli.WriteJSON(a.Std.Out, struct {
			Dir        string    `json:"recordings_dir"`
			Recordings []listed  `json:"recordings"`
			Problems   []problem `json:"problems"`
		}{dir, all, problems})
	case len(all) == 0:
		a.Notef("no recordings in %s\n", dir)
	default:
		err = a.writeRecordingTable(all)
	}
	return errors.Join(err, failed)
}

func (a *app) writeRecordingTable(all []listed) error {
	rows := [][]string{{"ID", "BEGAN", "LENGTH", "SIZE", "FORMAT", "GAPS", "STATE"}}
	for i := range all {
		l := &all[i]
		gaps := "none"
		if n := len(l.Gaps); n > 0 {
			gaps = gapsText(n, l.Format.Duration(l.LostFrames))
		}
		rows = append(rows, []string{
			string(l.ID), l.StartedAt.Local().Format(time.DateTime), clock(l.Manifest.Duration()), sizeText(l.SizeBytes),
			formatText(l.Format), gaps, string(l.State),
		})
	}
	return writeTable(a.Std.Out, rows)
}

func newRecordingsShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [ID]",
		Short: "Show everything that is known about a recording",
		Long: `Shows a recording: the one with this ID, otherwise the one that is under way,
otherwise the latest. For a recording that is under way, it also shows what its
recorder is doing.`,
		Example: `  scout recordings show
  scout recordings show --json 7f3a9c2e41d0`,
		Args:              cli.WrongArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeRecordings(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.showRecording(cmd.Context(), args, asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// findRecording returns the recording that args name. Without args, it returns the one that is under way, or else the
// latest.
func (a *app) findRecording(folder *recording.Folder, args []string) (recording.ID, error) {
	if folder == nil {
		dir, err := a.recordingsDir()
		if err != nil {
			return "", err
		}
		return "", scout.Errorf(scout.CodeRecordingNotFound, "no recordings in %s", dir).WithHint("to make one: scout record")
	}
	if len(args) > 0 {
		return folder.Find(args[0])
	}
	list, _, err := folder.List()
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", scout.Errorf(scout.CodeRecordingNotFound, "no recordings in %s", folder.Dir()).WithHint("to make one: scout record")
	}
	latest := list[len(list)-1].ID
	for i := range list {
		if list[i].State == recording.StateRecording {
			latest = list[i].ID
		}
	}
	return latest, nil
}

func (a *app) showRecording(ctx context.Context, args []string, asJSON bool) error {
	folder, _, err := a.lookIntoRecordings()
	if err != nil {
		return err
	}
	id, err := a.findRecording(folder, args)
	if err != nil {
		return err
	}
	m, err := folder.Manifest(id)
	if err != nil {
		return err
	}
	var live *recording.Status
	if m.State == recording.StateRecording {
		live = liveState(ctx, folder, id)
	}
	l := listedOf(folder, m)
	if asJSON {
		return cli.WriteJSON(a.Std.Out, struct {
			listed
			Live *recording.Status `json:"live,omitempty"`
		}{l, live})
	}
	return writeTable(a.Std.Out, detailRows(&l, live))
}

// liveState returns the state of the recorder of this recording; nil if it does not answer.
func liveState(ctx context.Context, folder *recording.Folder, id recording.ID) *recording.Status {
	client, err := remote.Dial(ctx, folder.Dir(), remote.Options{Name: "scout recordings show", Probe: true})
	if err != nil {
		return nil
	}
	defer func() { _ = client.Close() }() // it was only asked
	state, err := client.Status(ctx)
	if err != nil || state.Recording == nil || state.Recording.ID != id {
		return nil
	}
	return &state
}

// timesText says how often something happened.
func timesText(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func detailRows(l *listed, live *recording.Status) [][]string {
	rows := [][]string{
		{"id", string(l.ID)},
		{"file", l.Path},
		{"state", string(l.State)},
		{"device", fmt.Sprintf("%s (%s), %s", shownName(l.Device.Name), printable.Line(l.Device.ID), l.Device.Delivers)},
		{"format", formatText(l.Format)},
		{"began", l.StartedAt.Local().Format(time.DateTime)},
		{"length", fmt.Sprintf("%s, %s, %s", clock(l.Manifest.Duration()), spelling.Count(l.Frames, "frame"), sizeText(l.SizeBytes))},
	}
	add := func(name, value string) { rows = append(rows, []string{name, value}) }
	if l.EndReason != "" {
		add("ended", l.EndedAt.Local().Format(time.DateTime)+", "+l.EndReason.Text())
	}
	if l.PrerollFrames > 0 {
		add("pre-roll", clock(l.Format.Duration(l.PrerollFrames)))
	}
	if l.Resumed > 0 {
		add("resumed", timesText(l.Resumed)+" after a crash of the recorder")
	}
	if l.Rebuilt {
		add("manifest", "rebuilt from the audio: device and gaps are unknown")
	}
	if l.DriftPPM != nil {
		add("clock drift", fmt.Sprintf("%.1f ppm", *l.DriftPPM))
	}
	add("gaps", gapsText(len(l.Gaps), l.Format.Duration(l.LostFrames)))
	for _, g := range l.Gaps {
		add("", fmt.Sprintf("%s at %s: %s", clock(l.Format.Duration(g.Frames)), clock(l.Format.Duration(uint64(g.Start))), reasonText(g.Reason)))
	}
	if l.SHA256 != "" {
		add("sha256", l.SHA256)
	}
	for key, value := range l.Labels {
		add(key, value)
	}
	if live != nil {
		r := live.Recording
		add("recorder", fmt.Sprintf("process %d, %d attached", live.PID, live.Clients))
		add("writing", fmt.Sprintf("%s, %s in memory, %s would survive a loss of power", recording.Trouble{Condition: r.Condition, Operation: r.Operation, For: r.For}.Text(),
			clock(r.Format.Duration(r.Waiting)), clock(r.Format.Duration(r.Synced))))
		if live.Outage != "" {
			add("outage", reasonText(live.Outage))
		}
		add("room left", clock(live.Left))
	}
	return rows
}
