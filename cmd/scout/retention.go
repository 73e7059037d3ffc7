package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/spelling"
)

// retentionText says in one sentence what is removed when. It is empty if everything is kept.
func retentionText(audioDays, trashDays int) string {
	switch {
	case audioDays > 0 && trashDays > 0:
		return fmt.Sprintf("the audio of a dictation is removed %s after the last change of its text, and the trash is emptied after %s; text is kept", spelling.Count(audioDays, "day"), spelling.Count(trashDays, "day"))
	case audioDays > 0:
		return fmt.Sprintf("the audio of a dictation is removed %s after the last change of its text; text is kept", spelling.Count(audioDays, "day"))
	case trashDays > 0:
		return fmt.Sprintf("the trash is emptied after %s; everything else is kept", spelling.Count(trashDays, "day"))
	}
	return ""
}

// retentionRow says the same in a few words.
func retentionRow(audioDays, trashDays int) string {
	var parts []string
	if audioDays > 0 {
		parts = append(parts, "audio "+spelling.Count(audioDays, "day"))
	}
	if trashDays > 0 {
		parts = append(parts, "trash "+spelling.Count(trashDays, "day"))
	}
	if audioDays > 0 {
		parts = append(parts, "text is kept")
	}
	return strings.Join(parts, ", ")
}

// tellRetention says once what is removed when. Commands that record or keep a text call it.
func (a *app) tellRetention() {
	s := a.Settings.Retention
	if text := retentionText(s.AudioDays, s.TrashDays); text != "" {
		a.NoteOnce("retention", text+"; to change it: scout settings show retention")
	}
}

func newRecordingsPruneCommand(a *app) *cobra.Command {
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove recordings that were kept long enough",
		Long: `Does at once what the daemon does every hour: it removes the audio of dictations
whose text is there after retention.audio_days, and what is in the trash after
retention.trash_days. Uploads are removed from the trash alone. It never removes
audio without a text, or a recording that a program has open. If the computer
was off for long, or its clock was wrong, things are kept longer.

With --dry-run, it removes nothing and lists what is due.`,
		Example: `  scout recordings prune --dry-run
  SCOUT_RETENTION__AUDIO_DAYS=0 scout serve`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.prune(cmd.Context(), dryRun, asJSON) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "remove nothing, list what is due")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) prune(ctx context.Context, dryRun, asJSON bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var pruned v1.Pruned
	if err := c.Post(ctx, "/recordings/prune", v1.Prune{DryRun: dryRun}, &pruned); err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, pruned)
	}
	for _, due := range []struct {
		what string
		list []v1.Expired
	}{{"audio", pruned.Audio}, {"trash", pruned.Trash}} {
		for _, e := range due.list {
			if err := a.Say("%s %s, %s, %s", due.what, e.ID, clock(inSeconds(e.Seconds)), sizeText(e.SizeBytes)); err != nil {
				return err
			}
		}
	}
	for _, id := range pruned.Texts {
		if err := a.Say("text %s", id); err != nil {
			return err
		}
	}
	done := "removed"
	if dryRun {
		done = "due"
	}
	r := pruned.Removed
	a.Notef("%s: the audio of %s, from the trash %s and %s; %s\n", done, spelling.Count(r.Audio, "recording"), spelling.Count(r.Recordings, "recording"), spelling.Count(r.Texts, "text"), sizeText(pruned.FreedBytes))
	if pruned.InUse > 0 {
		a.Notef("left for now, because a program uses them: %s\n", spelling.Count(pruned.InUse, "recording"))
	}
	return nil
}

// deleteOptions say how texts are deleted.
type deleteOptions struct {
	purge, audio, yes, json bool
}

func newTranscriptsDeleteCommand(a *app) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:   "delete ID…",
		Short: "Move texts to the trash, or remove them for good",
		Long: `Moves texts to the trash. Their recordings stay. "scout transcripts restore"
brings the texts back.

With --purge, texts are removed for good: all versions, and every byte of them
in the database, its journal and its search. With --with-audio, the recordings
are removed as well, with their audio, titles, tags and labels. It asks first;
without a terminal, it needs --yes. Copies elsewhere, such as backups and
exported files, are not removed.`,
		Example:           "  scout transcripts delete 7f3a9c2e41d0\n  scout transcripts delete --purge --with-audio 7f3a9c2e41d0",
		Args:              cli.NeedArgs("the texts to delete"),
		ValidArgsFunction: a.completeTranscripts(anyNumber, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.audio && !o.purge {
				return cli.Misuse("scout recordings trash moves a recording to the trash", "--with-audio goes with --purge")
			}
			if o.purge {
				return a.purgeTranscripts(cmd.Context(), args, o)
			}
			return a.changeTranscripts(cmd.Context(), "deleted", args, o.json, func(c *client.Client, id string) (string, error) {
				var deleted v1.Deleted
				err := c.Do(cmd.Context(), http.MethodDelete, "/transcripts/"+url.PathEscape(id), nil, &deleted)
				already := ""
				if deleted.Already {
					already = " already"
				}
				return fmt.Sprintf("%s is in the trash%s; to bring it back: scout transcripts restore %s", id, already, id), err
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.purge, "purge", false, "remove them for good, without the trash")
	flags.BoolVar(&o.audio, "with-audio", false, "with --purge: remove their recordings too")
	flags.BoolVarP(&o.yes, "yes", "y", false, "with --purge: do not ask")
	cli.JSONFlag(cmd, &o.json)
	return cmd
}

// purgeTranscripts removes texts for good. All are found before one is removed.
func (a *app) purgeTranscripts(ctx context.Context, parts []string, o deleteOptions) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	ids := make([]string, len(parts))
	for i, part := range parts {
		ids[i], err = a.findTranscript(ctx, c, part, false)
		if scout.CodeOf(err) == scout.CodeNotFound {
			ids[i], err = a.findTranscript(ctx, c, part, true)
		}
		if err != nil {
			return err
		}
	}
	what, query := "text", "?purge=true"
	if o.audio {
		what, query = "recording", query+"&audio=true"
	}
	if !o.yes {
		if err := a.confirm(ids, fmt.Sprintf("Remove %s for good? [y/N] ", spelling.Count(len(ids), what))); err != nil {
			return err
		}
	}
	err = a.changeEach("purged", ids, o.json, func(id string) (any, string, error) {
		return id, id + " is removed for good", c.Do(ctx, http.MethodDelete, "/transcripts/"+url.PathEscape(id)+query, nil, &v1.Deleted{})
	})
	if err == nil {
		a.Notef("backups and exported files that you made elsewhere may still hold what was said\n")
	}
	return err
}

// confirm lists things and asks the user; nil if the answer is yes.
func (a *app) confirm(things []string, question string) error {
	return a.asks(things, question, "nothing was deleted")
}

// agree is confirm for what deletes nothing.
func (a *app) agree(things []string, question string) error {
	return a.asks(things, question, "nothing was changed")
}

// asks lists things and asks the user; nil if the answer is yes.
//
//	otherwise  what is said if it is no
func (a *app) asks(things []string, question, otherwise string) error {
	if !cli.IsTerminal(a.Std.In) {
		return cli.Usage(errors.New("cannot ask without a terminal: add --yes"))
	}
	for _, thing := range things {
		a.Notef("%s\n", thing)
	}
	a.Notef("%s", question)
	answer, err := bufio.NewReader(a.Std.In).ReadString('\n')
	if err != nil {
		answer = ""
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	a.Notef("%s\n", otherwise)
	return cli.Reported(scout.Errorf(scout.CodeCancelled, "the user said no"))
}
