package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/store"
)

// changeJobs asks for a change of each job.
func (a *app) changeJobs(ctx context.Context, done, what string, ids []string, asJSON bool) error {
	return a.withDaemon(ctx, func(ctx context.Context, c *client.Client) error {
		return a.changeEach(done, ids, asJSON, func(id string) (any, string, error) {
			var j v1.Job
			if err := c.Post(ctx, jobPath(id)+"/"+what, nil, &j); err != nil {
				return nil, "", err
			}
			return id, id + " is " + j.State, nil
		})
	})
}

func newJobsCancelCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "cancel JOB…",
		Short:             "Cancel jobs",
		Long:              "Ends jobs that nobody wants any more. One that runs is stopped.",
		Example:           "  scout jobs cancel job_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:              cli.WrongArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeJobs(anyNumber, hasNotEnded),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeJobs(cmd.Context(), "cancelled", "cancel", args, asJSON)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// allOrSome checks that a command got jobs or --all.
func allOrSome(cmd *cobra.Command, args []string, all bool) error {
	switch {
	case all && len(args) > 0:
		return cli.Misuse(cmd.CommandPath()+" --all, or "+cmd.CommandPath()+" JOB…", "--all and jobs exclude each other")
	case !all && len(args) == 0:
		return cli.Misuse("see the jobs: scout jobs list", "name a job, or --all")
	}
	return nil
}

func newJobsRetryCommand(a *app) *cobra.Command {
	var all, asJSON bool
	var code string
	cmd := &cobra.Command{
		Use:   "retry [JOB…]",
		Short: "Try jobs again that are dead or cancelled",
		Long: `Lets jobs begin again, at the end of the queue. --all does so with every dead
job, --code only with those that failed with this code. Those that do not fit
into the queue stay as they are, and are counted.`,
		Example: `  scout jobs retry job_01kb5ja0c8t2v6m4q9w3e7r1ya
  scout jobs retry --all --code model_not_installed`,
		Args:              cli.WrongArgs(cobra.ArbitraryArgs),
		ValidArgsFunction: a.completeJobs(anyNumber, hasFailed),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := allOrSome(cmd, args, all); err != nil {
				return err
			}
			if !all {
				return a.changeJobs(cmd.Context(), "retried", "retry", args, asJSON)
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var retried v1.Retried
				if err := c.Post(ctx, "/jobs/retry", v1.RetryJobs{State: string(store.JobDead), Code: code}, &retried); err != nil {
					return err
				}
				if asJSON {
					return cli.WriteJSON(a.Std.Out, retried)
				}
				if retried.Left > 0 {
					return a.Say("%s queued; the queue is full, and %s left: try again when some have ended", spelling.Count(retried.Count, "job"), spelling.Count(retried.Left, "job"))
				}
				return a.Say("%s queued", spelling.Count(retried.Count, "job"))
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every dead job")
	cmd.Flags().StringVar(&code, "code", "", "with --all: only those that failed with this code")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newJobsPauseCommand(a *app) *cobra.Command {
	return newJobsHoldCommand(a, hasNotEnded, "pause", "Hold jobs back",
		`Holds jobs back. One that runs stops after the piece of audio that it is at, and
keeps what is done. --all lets no job begin any more; those that run go on.`)
}

func newJobsResumeCommand(a *app) *cobra.Command {
	return newJobsHoldCommand(a, isHeld, "resume", "Let jobs go on that were held back",
		`Lets jobs go on that were held back. They continue where they were. --all ends
what "scout jobs pause --all" has begun.`)
}

func newJobsHoldCommand(a *app, which func(store.JobState) bool, name, short, long string) *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use: name + " [JOB…]", Short: short, Long: long,
		Example:           "  scout jobs " + name + " job_01kb5ja0c8t2v6m4q9w3e7r1ya\n  scout jobs " + name + " --all",
		Args:              cli.WrongArgs(cobra.ArbitraryArgs),
		ValidArgsFunction: a.completeJobs(anyNumber, which),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := allOrSome(cmd, args, all); err != nil {
				return err
			}
			if !all {
				return a.changeJobs(cmd.Context(), name+"d", name, args, asJSON)
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var queue v1.Queue
				if err := c.Post(ctx, "/queue/"+name, nil, &queue); err != nil {
					return err
				}
				if asJSON {
					return cli.WriteJSON(a.Std.Out, queue)
				}
				if queue.Paused {
					return a.Say("no further job will start")
				}
				return a.Say("jobs start again")
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all jobs, also those that come")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newJobsForgetCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "forget JOB…",
		Short:             "Remove jobs that have ended",
		Long:              "Removes jobs that have ended from the list. What they made stays.",
		Example:           "  scout jobs forget job_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:              cli.WrongArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeJobs(anyNumber, hasEnded),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				return a.changeEach("forgotten", args, asJSON, func(id string) (any, string, error) {
					return id, id + " is forgotten", c.Do(ctx, "DELETE", jobPath(id), nil, nil)
				})
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}
