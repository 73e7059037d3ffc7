package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// newRecordingsCommand returns "scout recordings" and its subcommands.
func newRecordingsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recordings",
		Short: "List, show, watch, check, repair and delete recordings",
		Long: `A recording is a WAV file and a manifest beside it, in the folder of recordings
(docs/formats/recording.md). What was uploaded is a recording as well: the file
as it was sent, in "uploads" in the data folder. Commands take the id of a
recording, or the beginning or the end of an id. With --recordings-dir they know
that folder alone.

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

// listed is a recording as the commands print it in JSON.
type listed struct {
	recording.Manifest
	Source     recording.Source `json:"source"`
	Title      string           `json:"title,omitempty"`
	Path       string           `json:"path"`
	SizeBytes  int64            `json:"size_bytes"`
	Duration   float64          `json:"duration_seconds"`
	LostFrames uint64           `json:"lost_frames"`
}

// listedOf is a recording with its title: the one that was set later, else that with which it came.
func listedOf(folder *recording.Folder, m recording.Manifest, titles map[string]string) listed {
	l := listed{Manifest: m, Source: folder.Source(), Title: m.Title(), Path: folder.AudioPath(m.ID), LostFrames: m.LostFrames()}
	if title, known := titles[string(m.ID)]; known {
		l.Title = title
	}
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

// titles are those of the database, by the ids of recordings. Where it cannot be read, recordings have the titles with which they came: their files
// are shown without it.
func (a *app) titles(ctx context.Context) map[string]string {
	path, err := a.storePath()
	if err != nil {
		return nil
	}
	titles, err := sqlite.Titles(ctx, path)
	if err != nil && scout.CodeOf(err) != scout.CodeFileNotFound {
		a.Scope.Log().Warn(eventTitlesUnread, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	return titles
}

// eventTitlesUnread is logged where the titles of recordings cannot be read.
const eventTitlesUnread = "titles_unread"

func newRecordingsListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the recordings, oldest first",
		Long: `Lists the recordings. Their states are "recording" (under way), "finished"
(ended normally) and "recovered" (cut short by a crash, and repaired). Where not
all are from the microphone, it shows their source. Titles are those that you
have set, else the title or the name of the file with which they were sent.

Files that are not recordings are named on standard error. The exit code is 1 if
a recording is damaged and cannot be repaired.`,
		Example: `  scout recordings list
  scout recordings list --json | jq -r '.recordings[].path'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listRecordings(cmd.Context(), asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) listRecordings(ctx context.Context, asJSON bool) error {
	folders, report, err := a.lookIntoRecordings(ctx)
	if err != nil {
		return err
	}
	dir, err := a.recordingsDir()
	if err != nil {
		return err
	}
	where, err := a.whereRecordings(folders)
	if err != nil {
		return err
	}
	if recorder := folders.From(recording.SourceMicrophone); recorder != nil {
		dir = recorder.Dir()
	}
	list, found, err := folders.List()
	if err != nil {
		return err
	}
	all, titles := make([]listed, len(list)), a.titles(ctx)
	for i := range list {
		all[i] = listedOf(list[i].Folder, list[i].Manifest, titles)
	}
	problems := problemsOf(found, report.Problems)
	failed := a.tellProblems(problems)
	switch {
	case asJSON:
		err = cli.WriteJSON(a.Std.Out, struct {
			Dir        string    `json:"recordings_dir"`
			Recordings []listed  `json:"recordings"`
			Problems   []problem `json:"problems"`
		}{dir, all, problems})
	case len(all) == 0:
		a.Notef("no recordings in %s\n", where)
	default:
		err = a.writeRecordingTable(all)
	}
	return errors.Join(err, failed)
}

func (a *app) writeRecordingTable(all []listed) error {
	several := slices.ContainsFunc(all, func(l listed) bool { return l.Source != recording.SourceMicrophone })
	titled := several || slices.ContainsFunc(all, func(l listed) bool { return l.Title != "" })
	rows := [][]string{{"ID", "BEGAN", "LENGTH", "SIZE", "FORMAT", "GAPS", "STATE"}}
	if several {
		rows[0] = append(rows[0], "SOURCE")
	}
	if titled {
		rows[0] = append(rows[0], "TITLE")
	}
	for i := range all {
		l := &all[i]
		gaps := "none"
		if n := len(l.Gaps); n > 0 {
			gaps = gapsText(n, l.Format.Duration(l.LostFrames))
		}
		row := []string{
			string(l.ID), l.StartedAt.Local().Format(time.DateTime), lengthText(&l.Manifest), sizeText(l.SizeBytes),
			fileFormatText(&l.Manifest), gaps, string(l.State),
		}
		if several {
			row = append(row, string(l.Source))
		}
		if titled {
			row = append(row, shownName(l.Title))
		}
		rows = append(rows, row)
	}
	return writeTable(a.Std.Out, rows)
}

// lengthText is how long a recording is, which of an upload is known once it was decoded.
func lengthText(m *recording.Manifest) string {
	if m.Upload != nil && m.Frames == 0 {
		return "unknown"
	}
	return clock(m.Duration())
}

// fileFormatText is the format of a recording's file.
func fileFormatText(m *recording.Manifest) string {
	if m.Upload != nil {
		return printable.Line(m.Upload.MediaType)
	}
	return formatText(m.Format)
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

func (a *app) showRecording(ctx context.Context, args []string, asJSON bool) error {
	folders, _, err := a.lookIntoRecordings(ctx)
	if err != nil {
		return err
	}
	found, err := a.findRecording(folders, args)
	if err != nil {
		return err
	}
	folder, id := found.Folder, found.ID
	m, err := folder.Manifest(id)
	if err != nil {
		return err
	}
	var live *recording.Status
	if m.State == recording.StateRecording && folder.Source() == recording.SourceMicrophone {
		live = liveState(ctx, folder, id)
	}
	l := listedOf(folder, m, a.titles(ctx))
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
	}
	add := func(name, value string) { rows = append(rows, []string{name, value}) }
	if l.Source == recording.SourceMicrophone {
		add("device", fmt.Sprintf("%s (%s), %s", shownName(l.Device.Name), printable.Line(l.Device.ID), l.Device.Delivers))
	} else {
		add("source", string(l.Source))
	}
	if l.Title != "" {
		add("title", printable.Line(l.Title))
	}
	add("format", fileFormatText(&l.Manifest))
	add("began", l.StartedAt.Local().Format(time.DateTime))
	length := lengthText(&l.Manifest)
	if l.Frames > 0 || l.Upload == nil {
		length += ", " + spelling.Count(l.Frames, "frame")
	}
	add("length", length+", "+sizeText(l.SizeBytes))
	if u := l.Upload; u != nil {
		add("arrived", l.EndedAt.Local().Format(time.DateTime))
		if u.Client != "" {
			add("sent by", printable.Line(u.Client))
		}
	} else if l.EndReason != "" {
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
