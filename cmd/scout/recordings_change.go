package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/spelling"
)

func newRecordingsAttachCommand(a *app) *cobra.Command {
	var o afterOptions
	var watch bool
	cmd := &cobra.Command{
		Use:   "attach [ID]",
		Short: "Take over the recording that is under way",
		Long: `Takes over a recording that runs in the background, or whose command was killed.
From then on, Ctrl-C ends the recording and completes the file. With --watch,
the recording is only shown, and Ctrl-C leaves it running.`,
		Example: `  scout recordings attach --transcribe
  scout recordings attach --watch`,
		Args:              cli.WrongArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeRecordings(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.attachRecording(cmd.Context(), args, o, watch) },
	}
	o.bind(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "only show it; Ctrl-C leaves the recording running")
	return cmd
}

func (a *app) attachRecording(ctx context.Context, args []string, o afterOptions, watch bool) error {
	if watch && (o.transcribe || o.output != "" || o.json) {
		return cli.Misuse("leave out --watch, or the others", "--watch does not go with --transcribe, --output and --json: they need the end of the recording")
	}
	folder, err := a.openRecordings()
	if err != nil {
		return err
	}
	var id recording.ID
	if len(args) > 0 {
		if id, err = folder.Find(args[0]); err != nil {
			return err
		}
	}
	const name = "scout recordings attach"
	show := cli.NewConsole(a.Std.Err, o.quiet)
	if watch {
		keeper, err := remote.Watch(ctx, folder, remote.Options{Name: name}, id, a.Scope)
		if err != nil {
			return err
		}
		tellAttached(ctx, show, keeper)
		newView(show, keeper).run(ctx)
		return keeper.Leave()
	}
	keeper, _, err := remote.Adopt(ctx, folder, a.launchRecorder(name), id, a.Scope)
	if err != nil {
		return err
	}
	a.patient()
	after, err := a.prepareAfter(ctx, folder, o, keeper.ID())
	if err != nil {
		return errors.Join(err, keeper.Leave()) // the recording continues as before
	}
	defer after.close()
	tellAttached(ctx, show, keeper)
	return a.attend(ctx, show, keeper, after)
}

// tellAttached prints the id of the recording and how long it has been running.
func tellAttached(ctx context.Context, show *cli.Console, keeper *remote.Keeper) {
	format, length := keeper.Order().Format, ""
	if status, err := keeper.Client().Status(ctx); err == nil && status.Recording != nil {
		length = ", recording for " + clock(format.Duration(status.Recording.Captured))
	}
	show.Linef("attached to %s, %s%s", keeper.ID(), formatText(format), length)
}

// verifiedRecording is the result for one recording in the JSON of "scout recordings verify".
type verifiedRecording struct {
	ID     recording.ID `json:"id"`
	Intact bool         `json:"intact"`
	Frames uint64       `json:"frames"`
	Gaps   int          `json:"gaps"`
	failure
}

func newRecordingsVerifyCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [ID…]",
		Short: "Compare every byte of recordings with their checksums",
		Long: `Reads every byte of these recordings, or of all that have ended, and compares
their length, header and SHA-256 with the manifest. The exit code is 1 if one is
damaged.`,
		Example: `  scout recordings verify
  scout recordings verify --json 7f3a9c2e41d0`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeRecordings(anyNumber),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.verifyRecordings(cmd.Context(), args, asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) verifyRecordings(ctx context.Context, args []string, asJSON bool) error {
	folder, report, err := a.lookIntoRecordings()
	if err != nil {
		return err
	}
	ids, problems, err := a.toVerify(folder, report, args)
	if err != nil {
		return err
	}
	failed := a.tellProblems(problems)
	results := make([]verifiedRecording, 0, len(ids))
	for _, id := range ids {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m, err := folder.Verify(id)
		r := verifiedRecording{ID: id, Intact: err == nil, Frames: m.Frames, Gaps: len(m.Gaps)}
		if err != nil {
			r.failure = failureOf(err)
			a.Complain("", err)
			failed = cli.Reported(err)
		} else if !asJSON {
			err = a.Say("%s is intact: %s, %s", id, clock(m.Duration()), gapsText(len(m.Gaps), m.Format.Duration(m.LostFrames())))
		}
		if err != nil && failed == nil {
			return err
		}
		results = append(results, r)
	}
	if asJSON {
		err = cli.WriteJSON(a.Std.Out, struct {
			Recordings []verifiedRecording `json:"recordings"`
			Problems   []problem           `json:"problems"`
		}{results, problems})
	} else if len(results) == 0 && failed == nil {
		a.Notef("nothing to verify\n")
	}
	return a.unsaid(err, failed)
}

// toVerify returns the recordings that args name, or else all that have ended, and what is wrong with other files.
func (a *app) toVerify(folder *recording.Folder, report recording.RepairReport, args []string) ([]recording.ID, []problem, error) {
	var ids []recording.ID
	for _, arg := range args {
		id, err := a.findRecording(folder, []string{arg})
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
	}
	if folder == nil || len(args) > 0 {
		return ids, []problem{}, nil
	}
	list, found, err := folder.List()
	if err != nil {
		return nil, nil, err
	}
	for i := range list {
		if list[i].State != recording.StateRecording {
			ids = append(ids, list[i].ID)
		}
	}
	return ids, problemsOf(found, report.Problems), nil
}

func newRecordingsRecoverCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Repair what a crash or a damaged manifest left behind",
		Long: `Checks every recording. It corrects wrong lengths in headers, and manifests that
are lost, damaged or incomplete.

Every other command does the same before it reads the folder. This one also
lists everything that it found, including what it cannot repair. It never
deletes audio, leaves files alone that are not Scout's, and is safe to repeat.`,
		Example: "  scout recordings recover",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.recoverRecordings(cmd.Context(), asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// recoveredRecording is a repaired recording, in JSON.
type recoveredRecording struct {
	listed
	Reason string `json:"reason"`
}

func (a *app) recoverRecordings(ctx context.Context, asJSON bool) error {
	folder, err := a.openRecordings()
	if err != nil {
		return err
	}
	report, err := remote.Recover(ctx, folder)
	if err != nil {
		return err
	}
	done := make([]recoveredRecording, 0, len(report.Repaired))
	for i := range report.Repaired {
		r := &report.Repaired[i]
		done = append(done, recoveredRecording{listedOf(folder, r.Manifest), r.Reason})
		if !asJSON && err == nil {
			err = a.Say("%s", repairedText(r)) // the problems are told in any case
		}
	}
	problems := problemsOf(report.Problems)
	failed := a.tellProblems(problems)
	if asJSON {
		err = cli.WriteJSON(a.Std.Out, struct {
			Recovered []recoveredRecording `json:"recovered"`
			Problems  []problem            `json:"problems"`
		}{done, problems})
	} else if len(done) == 0 {
		a.Notef("nothing to recover in %s\n", folder.Dir())
	}
	return a.unsaid(err, failed)
}

func newRecordingsDeleteCommand(a *app) *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "delete ID…",
		Short: "Delete recordings for good",
		Long: `Deletes recordings: their audio and their manifests. It asks first; without a
terminal, it needs --yes. It refuses to delete a recording that is under way.`,
		Example: `  scout recordings delete 7f3a9c2e41d0
  scout recordings delete --yes 20261124T082146`,
		Args:              cli.WrongArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeRecordings(anyNumber),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.deleteRecordings(args, yes, asJSON)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) deleteRecordings(args []string, yes, asJSON bool) error {
	folder, _, err := a.lookIntoRecordings()
	if err != nil {
		return err
	}
	var ids []recording.ID
	for _, arg := range args { // all are found before one is deleted
		id, err := a.findRecording(folder, []string{arg})
		if err != nil {
			return err
		}
		if m, err := folder.Manifest(id); err == nil && m.State == recording.StateRecording {
			return scout.Errorf(scout.CodeRecordingInUse, "delete recording %s: it is being recorded", id).WithHint("stop it first: scout record stop")
		}
		ids = append(ids, id)
	}
	if !yes {
		if err := a.confirmDelete(folder, ids); err != nil {
			return err
		}
	}
	return a.changeEach("deleted", names(ids), asJSON, func(id string) (any, string, error) {
		return id, id + " is deleted", folder.Change(recording.ID(id), recording.ChangeDelete)
	})
}

func names(ids []recording.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}

// confirmDelete asks the user. It returns nil if the answer is yes.
func (a *app) confirmDelete(folder *recording.Folder, ids []recording.ID) error {
	lines := make([]string, len(ids))
	for i, id := range ids {
		lines[i] = string(id)
		if m, err := folder.Manifest(id); err == nil {
			lines[i] = fmt.Sprintf("%s, %s", id, clock(m.Duration()))
		}
	}
	return a.confirm(lines, fmt.Sprintf("Delete %s for good? [y/N] ", spelling.Count(len(ids), "recording")))
}
