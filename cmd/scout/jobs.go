package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/store"
)

// newJobsCommand returns "scout jobs" and its subcommands.
func newJobsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Make texts of recordings in the background",
		Long: `Jobs make texts of recordings in the background. They wait in a queue, survive
the daemon, and a long one continues where it was. A job that cannot be done is
kept with the reason, until it is tried again or forgotten.`,
		Example: `  scout jobs add 7f3a9c2e41d0
  scout jobs list
  scout jobs wait JOB
  scout jobs retry --all`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newJobsAddCommand(a), newJobsListCommand(a), newJobsShowCommand(a), newJobsWaitCommand(a), newJobsCancelCommand(a), newJobsRetryCommand(a),
		newJobsPauseCommand(a), newJobsResumeCommand(a), newJobsForgetCommand(a),
	)
	for _, sub := range cmd.Commands() {
		a.serverFlags(sub)
	}
	return cmd
}

func newJobsAddCommand(a *app) *cobra.Command {
	var in v1.NewJob
	var told hooked
	var translate, progressive, asJSON bool
	cmd := &cobra.Command{
		Use:   "add RECORDING",
		Short: "Make the text of a recording in the background",
		Long: `Puts a recording into the queue and prints the id of the job. The same
recording, model and options again are the same job, unless --force is given.

--translate makes a text in English, whatever is said. It is kept beside the
text in the language spoken: scout transcripts show RECORDING.mix.translate`,
		Example: `  scout jobs add 7f3a9c2e41d0
  scout jobs add --translate 7f3a9c2e41d0
  scout jobs add --model whisper-base --force 7f3a9c2e41d0`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeRecordings(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Kind, in.RecordingID = job.KindTranscribe, args[0]
			if cmd.Flags().Changed("progressive") {
				in.Progressive = &progressive
			}
			if translate {
				in.Task = store.TaskTranslate
			}
			if in.Webhook, err = told.webhook(); err != nil {
				return err
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var j v1.Job
				if err := c.PostOnce(ctx, "/jobs", in, &j); err != nil {
					return err
				}
				a.noteAdded(ctx, c, &j)
				if asJSON {
					return cli.WriteJSON(a.Std.Out, j)
				}
				return a.Say("%s", j.ID)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Model, "model", "", "the model; default: as the settings say")
	flags.StringVar(&in.Language, "language", "", "the language that is spoken, for example de; default: the model finds out")
	flags.StringVar(&in.Effort, "effort", "", "quick, normal or thorough; default: as the settings say")
	flags.BoolVar(&translate, "translate", false, translateUsage)
	flags.BoolVar(&progressive, "progressive", false, "make the fast model's text first, as version 1; default: as the settings say")
	flags.StringVar(&in.Priority, "priority", "", "interactive, normal or low; default: normal")
	told.add(cmd)
	flags.BoolVar(&in.Force, "force", false, "do it again, although it was done")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// noteAdded says what keeps the job from making a text.
func (a *app) noteAdded(ctx context.Context, c *client.Client, j *v1.Job) {
	switch store.JobState(j.State) {
	case store.JobDead:
		a.Notef("this job was there already and is dead (%s); to try it again: scout jobs retry %s\n", jobDetail(j), j.ID)
	case store.JobCancelled:
		a.Notef("this job was there already and was cancelled; to try it again: scout jobs retry %s\n", j.ID)
	case store.JobSucceeded:
		a.Notef("this job was there already and has succeeded; to do it again: --force\n")
	case store.JobPaused:
		a.Notef("this job was there already and is held back; to let it go on: scout jobs resume %s\n", j.ID)
	case store.JobQueued, store.JobRetrying:
		if held, err := a.held(ctx, c); err == nil && held { // the job is in the queue, whatever else is wrong
			a.noteHeld()
		}
	}
}

// held reports whether all jobs are held back.
func (a *app) held(ctx context.Context, c *client.Client) (bool, error) {
	var queue v1.Queue
	err := c.Get(ctx, "/queue", &queue)
	return queue.Paused, err
}

func (a *app) noteHeld() {
	a.Notef("all jobs are held back; to let them go on: scout jobs resume --all\n")
}

// completeJobs offers the ids of the newest jobs, with their recordings.
//
//	which  the states of those that are offered
func (a *app) completeJobs(most int, which func(store.JobState) bool) cobra.CompletionFunc {
	return a.offering(most, func(cmd *cobra.Command, typed string) ([]cobra.Completion, error) {
		var ids []cobra.Completion
		err := a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			all, err := list[v1.Job](ctx, c, "/jobs", url.Values{}, mostOffered)
			for i := range all {
				if j := &all[i]; which(store.JobState(j.State)) && strings.HasPrefix(j.ID, typed) {
					ids = append(ids, cobra.CompletionWithDesc(j.ID, j.State+", "+j.RecordingID))
				}
			}
			return err
		})
		return ids, err
	})
}

// Which jobs a command can change.
func anyState(store.JobState) bool          { return true }
func hasEnded(state store.JobState) bool    { return state.Ended() }
func hasNotEnded(state store.JobState) bool { return !state.Ended() }
func isHeld(state store.JobState) bool      { return state == store.JobPaused }
func hasFailed(state store.JobState) bool {
	return state == store.JobDead || state == store.JobCancelled
}

// withDaemon calls do with a connection to the daemon.
func (a *app) withDaemon(ctx context.Context, do func(ctx context.Context, c *client.Client) error) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(ctx, c)
}

func newJobsListCommand(a *app) *cobra.Command {
	var state string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the jobs, newest first",
		Long: `Lists the jobs with their state: queued, running, retrying, paused, succeeded,
dead or cancelled.`,
		Example: `  scout jobs list --state dead
  scout jobs list --json | jq -r '.jobs[].id'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--limit %d: want 0 or more", limit))
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error { return a.listJobs(ctx, c, state, limit, asJSON) })
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only those in this state")
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "at most so many; 0 for all")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) listJobs(ctx context.Context, c *client.Client, state string, limit int, asJSON bool) error {
	query := url.Values{}
	if state != "" {
		query.Set("state", state)
	}
	jobs, err := list[v1.Job](ctx, c, "/jobs", query, limit)
	if err != nil {
		return err
	}
	queue := new(v1.Queue)
	if err := c.Get(ctx, "/queue", queue); scout.CodeOf(err) == scout.CodePermissionDenied {
		queue = nil // it is the owner's
	} else if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, struct {
			Jobs  []v1.Job  `json:"jobs"`
			Queue *v1.Queue `json:"queue,omitempty"`
		}{jobs, queue})
	}
	held := queue != nil && queue.Paused
	rows := make([][]string, 0, len(jobs)+1)
	rows = append(rows, []string{"JOB", "STATE", "RECORDING", "AUDIO", "DETAIL"})
	for i := range jobs {
		j := &jobs[i]
		if held {
			j.Position = 0 // none has its turn
		}
		length := ""
		if p := j.Progress; p != nil && p.TotalSeconds != nil {
			length = clock(inSeconds(*p.TotalSeconds))
		}
		rows = append(rows, []string{j.ID, j.State, j.RecordingID, length, jobDetail(j)})
	}
	if len(jobs) > 0 {
		if err := writeTable(a.Std.Out, rows); err != nil {
			return err
		}
	} else {
		a.Notef("no jobs\n")
	}
	if held {
		a.noteHeld()
	}
	return nil
}

// jobDetail says in a few words what there is to know of a job besides its state.
func jobDetail(j *v1.Job) string {
	var parts []string
	switch j.Kind {
	case job.KindModelPull:
		var asked struct{ Model string }
		_ = json.Unmarshal(j.Options, &asked) // without them there is no name to show
		parts = append(parts, "model "+asked.Model)
	case job.KindImport, job.KindExport:
		parts = append(parts, j.Kind)
	}
	if translates(j) {
		parts = append(parts, "into English")
	}
	if p := j.Progress; p != nil && j.State == string(store.JobRunning) {
		parts = append(parts, fmt.Sprintf("%.0f %%", 100*p.Fraction))
		if p.TotalBytes != nil && p.DoneBytes != nil {
			parts = append(parts, sizeText(*p.DoneBytes)+" of "+sizeText(*p.TotalBytes))
		}
		if p.TotalItems != nil && p.DoneItems != nil {
			parts = append(parts, fmt.Sprintf("%d of %d", *p.DoneItems, *p.TotalItems))
		}
		if p.RemainingSeconds > 0 {
			parts = append(parts, "about "+clock(inSeconds(p.RemainingSeconds))+" left")
		}
	}
	if j.Position > 0 {
		parts = append(parts, "number "+strconv.Itoa(j.Position)+" in the queue")
	}
	if j.Result != nil && j.Result.Version > 0 {
		parts = append(parts, "version "+strconv.Itoa(j.Result.Version))
	}
	if j.Result != nil && j.Result.URL != "" {
		parts = append(parts, sizeText(j.Result.SizeBytes)+" at "+j.Result.URL)
	}
	if j.Result != nil && j.Result.Imported != nil {
		parts = append(parts, strconv.Itoa(j.Result.Imported.Recordings)+" texts")
	}
	if j.Error != nil {
		parts = append(parts, j.Error.Message)
	}
	if j.NextAttemptAt != nil {
		parts = append(parts, "again at "+j.NextAttemptAt.Local().Format(time.TimeOnly))
	}
	return strings.Join(parts, ", ")
}

// translates reports whether a job makes a translation.
func translates(j *v1.Job) bool {
	var asked struct{ Task string }
	return json.Unmarshal(j.Options, &asked) == nil && asked.Task == store.TaskTranslate
}

// showJob prints one job.
func (a *app) showJob(j *v1.Job, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(a.Std.Out, j)
	}
	rows := [][]string{{"job", j.ID}, {"kind", j.Kind}, {"state", j.State}, {"priority", j.Priority}, {"recording", j.RecordingID}, {"attempt", fmt.Sprintf("%d of %d", j.Attempt, j.MaxAttempts)}}
	if detail := jobDetail(j); detail != "" {
		rows = append(rows, []string{"detail", detail})
	}
	if j.Result != nil && j.Result.TranscriptID != "" && j.Result.TranscriptID != j.RecordingID {
		rows = append(rows, []string{"text", j.Result.TranscriptID})
	}
	if j.Error != nil && j.Error.Hint != "" {
		rows = append(rows, []string{"hint", j.Error.Hint})
	}
	return writeTable(a.Std.Out, rows)
}

func newJobsShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show JOB",
		Short:             "Show a job",
		Long:              "Shows what becomes of a job: its state, how far it is, and why it failed.",
		Example:           "  scout jobs show job_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeJobs(1, anyState),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var j v1.Job
				if err := c.Get(ctx, jobPath(args[0]), &j); err != nil {
					return err
				}
				if j.Position > 0 && !asJSON {
					held, err := a.held(ctx, c)
					if err != nil {
						return err
					}
					if held {
						j.Position = 0 // none has its turn
						a.noteHeld()
					}
				}
				return a.showJob(&j, asJSON)
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func jobPath(id string) string { return "/jobs/" + url.PathEscape(id) }

func newJobsWaitCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "wait JOB",
		Short: "Wait until a job has ended",
		Long: `Waits until a job has ended, and prints it. A terminal shows meanwhile how far
it is. The exit code is 0 if it succeeded, and 1 if it is dead or was cancelled.`,
		Example:           `  scout jobs wait "$(scout jobs add 7f3a9c2e41d0)"`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeJobs(1, anyState),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				j, err := a.awaitJob(ctx, c, args[0], false)
				if err != nil {
					return err
				}
				if err := a.showJob(&j, asJSON); err != nil {
					return err
				}
				return notSucceeded(&j)
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// awaitJob returns a job when it has ended. Unless quiet is true, a terminal shows meanwhile how far it is.
func (a *app) awaitJob(ctx context.Context, c *client.Client, id string, quiet bool) (j v1.Job, err error) {
	for ended := false; !ended; ended = store.JobState(j.State).Ended() {
		if !quiet {
			a.followJob(ctx, c, id)
		}
		j = v1.Job{}
		if err := c.Get(ctx, jobPath(id)+"?wait=60", &j); err != nil {
			return j, err
		}
	}
	return j, nil
}

// followJob shows on a terminal how far a job is, until it has ended or the daemon does.
func (a *app) followJob(ctx context.Context, c *client.Client, id string) {
	show := cli.NewConsole(a.Std.Err, false)
	if !show.Live {
		return
	}
	if held, err := a.held(ctx, c); err == nil && held { // a client may not ask
		a.noteHeld()
	}
	defer show.Clear()
	_ = c.Stream(ctx, jobPath(id)+"/events", func(e client.StreamEvent) bool { // whoever asks for the job gets the error
		var j v1.Job
		if e.Type == "job" && json.Unmarshal(e.Data, &j) == nil {
			show.Draw(jobLine(&j))
		}
		return true
	})
}

// jobLine is what there is to know of a job, in a line.
func jobLine(j *v1.Job) string {
	line := j.State
	if detail := jobDetail(j); detail != "" {
		line += ", " + detail
	}
	return printable.Line(line)
}

// notSucceeded is the error of a command that wanted the result of a job; nil if there is one. It has no code of the job's own: the code
// of what was wrong with the job would say that the command was called wrongly.
func notSucceeded(j *v1.Job) error {
	state := "is dead"
	switch store.JobState(j.State) {
	case store.JobSucceeded:
		return nil
	case store.JobCancelled:
		state = "was cancelled"
	}
	if j.Error == nil {
		return scout.Errorf(scout.CodeConflict, "job %s %s", j.ID, state)
	}
	return scout.Errorf(scout.CodeConflict, "job %s %s: %s", j.ID, state, j.Error.Message).WithHint("%s", j.Error.Hint)
}
