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
		if id, err = a.findAttachable(args[0]); err != nil {
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

// findAttachable returns the recording of the recorder whose id begins or ends with part.
func (a *app) findAttachable(part string) (recording.ID, error) {
	folders, err := a.folders()
	if err != nil {
		return "", err
	}
	found, err := folders.Find(part)
	if err == nil && found.Folder.Source() != recording.SourceMicrophone {
		err = scout.Errorf(scout.CodeNotRecording, "attach to recording %s: no recorder made it, its source is %s", found.ID, found.Folder.Source())
	}
	return found.ID, err
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
their length, header and SHA-256 with the manifest, of uploads the size and the
SHA-256 of the file. The exit code is 1 if one is damaged.`,
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
	folders, report, err := a.lookIntoRecordings(ctx)
	if err != nil {
		return err
	}
	places, problems, err := a.toVerify(folders, report, args)
	if err != nil {
		return err
	}
	failed := a.tellProblems(problems)
	results := make([]verifiedRecording, 0, len(places))
	for _, p := range places {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m, err := p.Folder.Verify(p.ID)
		r := verifiedRecording{ID: p.ID, Intact: err == nil, Frames: m.Frames, Gaps: len(m.Gaps)}
		if err != nil {
			r.failure = failureOf(err)
			a.Complain("", err)
			failed = cli.Reported(err)
		} else if !asJSON {
			err = a.Say("%s is intact: %s", p.ID, intactText(&m))
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

// intactText says how much of a recording is intact.
func intactText(m *recording.Manifest) string {
	if m.Upload != nil {
		return sizeText(m.Upload.Bytes)
	}
	return clock(m.Duration()) + ", " + gapsText(len(m.Gaps), m.Format.Duration(m.LostFrames()))
}

// toVerify returns the recordings that args name, or else all that have ended, and what is wrong with other files.
func (a *app) toVerify(folders recording.Folders, report recording.RepairReport, args []string) ([]recording.Place, []problem, error) {
	if len(args) > 0 {
		places, err := findRecordings(args, func(part string) (recording.Place, error) { return a.findRecording(folders, []string{part}) })
		return places, []problem{}, err
	}
	list, found, err := folders.List()
	if err != nil {
		return nil, nil, err
	}
	var places []recording.Place
	for i := range list {
		if list[i].State != recording.StateRecording {
			places = append(places, recording.Place{Folder: list[i].Folder, ID: list[i].ID})
		}
	}
	return places, problemsOf(found, report.Problems), nil
}

func newRecordingsRecoverCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Repair what a crash or a damaged manifest left behind",
		Long: `Checks every recording. It corrects wrong lengths in headers, and manifests that
are lost, damaged or incomplete.

Every other command does the same before it reads the folder. This one also
lists everything that it found, including what it cannot repair, such as a
damaged upload. It never deletes audio, leaves files alone that are not Scout's,
and is safe to repeat.`,
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
	folders, err := a.folders()
	if err != nil {
		return err
	}
	where, err := a.whereRecordings(folders)
	if err != nil {
		return err
	}
	done, problems := []recoveredRecording{}, []problem{}
	for _, folder := range folders {
		repair := folder.Recover
		if folder.Source() == recording.SourceMicrophone {
			repair = func() (recording.RepairReport, error) { return remote.Recover(ctx, folder) }
		}
		report, repairErr := repair()
		if repairErr != nil {
			return repairErr
		}
		for i := range report.Repaired {
			r := &report.Repaired[i]
			done = append(done, recoveredRecording{listedOf(folder, r.Manifest, nil), r.Reason})
			if !asJSON && err == nil {
				err = a.Say("%s", repairedText(r)) // the problems are told in any case
			}
		}
		problems = append(problems, problemsOf(report.Problems)...)
		a.tellRepaired(ctx, report.Repaired)
	}
	failed := a.tellProblems(problems)
	if asJSON {
		err = cli.WriteJSON(a.Std.Out, struct {
			Recovered []recoveredRecording `json:"recovered"`
			Problems  []problem            `json:"problems"`
		}{done, problems})
	} else if len(done) == 0 {
		a.Notef("nothing to recover in %s\n", where)
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
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.deleteRecordings(cmd.Context(), args, yes, asJSON)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) deleteRecordings(ctx context.Context, args []string, yes, asJSON bool) error {
	folders, _, err := a.lookIntoRecordings(ctx)
	if err != nil {
		return err
	}
	places, err := findRecordings(args, func(part string) (recording.Place, error) {
		found, err := a.findRecording(folders, []string{part})
		if err != nil {
			return found, err
		}
		m, manifestErr := found.Folder.Manifest(found.ID)
		if manifestErr == nil && m.State == recording.StateRecording && found.Folder.Source() == recording.SourceMicrophone { // else the folder says why not
			err = scout.Errorf(scout.CodeRecordingInUse, "delete recording %s: it is being recorded", found.ID).WithHint("stop it first: scout record stop")
		}
		return found, err
	})
	if err != nil {
		return err
	}
	if !yes {
		if err := a.confirmDelete(places); err != nil {
			return err
		}
	}
	return a.changeRecordings(ctx, places, recording.ChangeDelete, "deleted", asJSON, func(p recording.Place) string { return string(p.ID) + " is deleted" })
}

// confirmDelete asks the user. It returns nil if the answer is yes.
func (a *app) confirmDelete(places []recording.Place) error {
	lines := make([]string, len(places))
	for i, p := range places {
		lines[i] = string(p.ID)
		if m, err := p.Folder.Manifest(p.ID); err == nil {
			lines[i] = describedText(&m)
		}
	}
	return a.confirm(lines, fmt.Sprintf("Delete %s for good? [y/N] ", spelling.Count(len(places), "recording")))
}

// describedText names a recording for whoever decides about it.
func describedText(m *recording.Manifest) string {
	text := string(m.ID) + ", " + lengthText(m)
	if title := m.Title(); title != "" {
		text += ", " + shownName(title)
	}
	return text
}
