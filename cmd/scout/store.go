package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

func newBackupCommand(a *app) *cobra.Command {
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the database to a file",
		Long: `Writes a consistent copy of the database: all texts with their versions, titles,
tags and labels. Scout keeps working meanwhile.

Recordings are files of their own. To save them, copy their folder as well: see
scout settings show recordings.dir.`,
		Example: `  scout backup ~/backup/scout-$(date +%F).db
  scout backup --json scout.db | jq .size_bytes`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backup(cmd.Context(), args[0], force, asJSON)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) backup(ctx context.Context, path string, force, asJSON bool) error {
	place, err := outfile.At(path)
	if err != nil {
		return err
	}
	if err := (outfile.Rules{Own: a.ownFile, Force: force}).Check(&place); err != nil {
		return cli.Usage(err)
	}
	if info, err := os.Stat(place.Target()); err == nil && !info.Mode().IsRegular() {
		return cli.Misuse("name a file", "%s is not a file", path)
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var size int64
	err = atomicfile.WriteFrom(place.Target(), atomicfile.Options{Mode: 0o600}, func(w io.Writer) (err error) {
		size, err = c.Copy(ctx, "/backup", w)
		return err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, struct {
			Path string `json:"path"`
			Size int64  `json:"size_bytes"`
		}{path, size})
	}
	a.Notef("%s written to %s\n", sizeText(size), path)
	return nil
}

// storePath returns the path of the database.
func (a *app) storePath() (string, error) {
	dir, err := a.dataDir()
	return filepath.Join(dir, sqlite.FileName), err
}

func newCheckCommand(a *app) *cobra.Command {
	var asJSON bool
	var rescue string
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check the database, or a backup of it",
		Long: `Reads the whole database, or a backup, and checks it. It changes nothing and
needs no daemon. To check recordings: scout recordings verify.

With --rescue, it copies what can be read of a damaged database to a new one,
and says what is lost.

Exit codes: 0 the database is intact, or everything could be rescued, 1
something is wrong or lost, 2 wrong usage.`,
		Example: `  scout check
  scout check ~/backup/scout.db
  scout check --rescue rescued.db && scout restore rescued.db`,
		Args: cli.WrongArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := a.storePath()
			if err != nil {
				return err
			}
			named := len(args) > 0
			if named {
				path = args[0]
			}
			if rescue != "" {
				return a.rescue(cmd.Context(), path, rescue, asJSON)
			}
			return sayForeign(a.check(cmd.Context(), path, asJSON), path, named)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&rescue, "rescue", "", "write what can be read of a damaged database to this new `FILE`")
	return cmd
}

func (a *app) rescue(ctx context.Context, path, to string, asJSON bool) error {
	result, err := sqlite.Rescue(ctx, path, to)
	if err != nil {
		return err
	}
	if asJSON {
		err = cli.WriteJSON(a.Std.Out, struct {
			Path        string   `json:"path"`
			Recordings  int      `json:"recordings"`
			Transcripts int      `json:"transcripts"`
			Versions    int      `json:"versions"`
			Segments    int      `json:"segments"`
			Lost        []string `json:"lost"`
		}{to, result.Recordings, result.Transcripts, result.Versions, result.Segments, append([]string{}, result.Lost...)})
	} else {
		err = a.Say("%s: %s, %s in %s", to, spelling.Count(result.Recordings, "recording"), spelling.Count(result.Transcripts, "text"), spelling.Count(result.Versions, "version"))
	}
	if err != nil || len(result.Lost) == 0 {
		return err
	}
	return scout.Errorf(scout.CodeStoreCorrupt, "not all of %s could be read: lost are %s", path, strings.Join(result.Lost, "; ")).
		WithHint("put what was rescued in its place: scout restore %s", to)
}

// sayForeign gives an error about a file that a person named, and that is not a database, a hint that fits.
func sayForeign(err error, path string, named bool) error {
	if !named || scout.CodeOf(err) != scout.CodeStoreCorrupt {
		return err
	}
	return scout.Errorf(scout.CodeStoreCorrupt, "%w", err).
		WithHint("name a database of Scout, or a backup of it; or save what can be read of this one: scout check --rescue NEW %s", path)
}

func (a *app) check(ctx context.Context, path string, asJSON bool) error {
	report, err := sqlite.CheckFile(ctx, path)
	if scout.CodeOf(err) == scout.CodeFileNotFound {
		return scout.Errorf(scout.CodeFileNotFound, "there is no database at %s", path).WithHint("there is one as soon as the daemon has run: scout status")
	}
	if err != nil {
		return err
	}
	if asJSON {
		err = cli.WriteJSON(a.Std.Out, struct {
			Path        string   `json:"path"`
			Version     int      `json:"version"`
			Recordings  int      `json:"recordings"`
			Transcripts int      `json:"transcripts"`
			Versions    int      `json:"versions"`
			Events      int      `json:"events"`
			Incomplete  bool     `json:"incomplete,omitempty"`
			Problems    []string `json:"problems"`
		}{path, report.Version, report.Recordings, report.Transcripts, report.Versions, report.Events, report.Incomplete, append([]string{}, report.Problems...)})
	} else if !report.Incomplete { // numbers that are too low would say that nothing is there
		err = a.Say("%s: %s, %s in %s", path, spelling.Count(report.Recordings, "recording"), spelling.Count(report.Transcripts, "text"), spelling.Count(report.Versions, "version"))
	}
	if err != nil {
		return err
	}
	return report.Err(path)
}

func newRestoreCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the database with a backup",
		Long: `Checks a backup, and puts it in the place of the database. The database that was
there is kept beside it, and its path is printed.

The daemon is ended first; the next command that needs it starts a new one. A
recording that is under way continues.`,
		Example: "  scout restore ~/backup/scout.db",
		Args:    cli.WrongArgs(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.restore(cmd.Context(), args[0], asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) restore(ctx context.Context, from string, asJSON bool) error {
	path, err := a.storePath()
	if err != nil {
		return err
	}
	if err := sayForeign(a.checkBackup(ctx, from), from, true); err != nil {
		return err
	}
	if _, _, err := a.stopDaemon(ctx); err != nil {
		return err
	}
	kept, err := sqlite.Restore(ctx, from, path, time.Now())
	if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, struct {
			Path string `json:"path"`
			From string `json:"from"`
			Kept string `json:"kept,omitempty"`
		}{path, from, kept})
	}
	text := "restored from " + from
	if kept != "" {
		text += "; the database that was there is now " + kept
	}
	a.Notef("%s\n", text)
	return nil
}

// checkBackup checks a backup before the daemon is ended for it.
func (a *app) checkBackup(ctx context.Context, path string) error {
	report, err := sqlite.CheckFile(ctx, path)
	if err != nil {
		return err
	}
	return report.Err(path)
}
