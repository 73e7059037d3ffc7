package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store/sqlite/original"
)

func newImportCommand(a *app) *cobra.Command {
	var quiet, asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take over the texts of the original Scout",
		Long: `Takes over what the original Scout, the desktop program, has kept: FILE is its
database, scout.db in the folder of its data. Each text becomes a recording
with that text, of the time at which it was spoken. Its audio comes along where
the database says a path on this machine at which it still lies; it is copied,
and the original Scout keeps everything.

Repeating the command adds what is new since then, and nothing twice. What was
deleted in this Scout stays deleted. The import is a job: it goes on if the
command ends, and the next daemon continues it.

With --server it is the Scout of another machine that takes the texts over,
without their audio.`,
		Example: `  scout import ~/.local/share/com.scout.app/scout.db
  scout import --json scout.db
  scout recordings list`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				return a.importOriginal(ctx, c, args[0], quiet, asJSON)
			})
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress")
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

// imported is what was taken over, in JSON.
type imported struct {
	Job string `json:"job_id"`
	v1.Imported
}

// importOriginal sends a database, waits for its import, and says what came of it.
func (a *app) importOriginal(ctx context.Context, c *client.Client, path string, quiet, asJSON bool) (err error) {
	file, size, discard, err := openOriginal(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard()) }()
	show := &sendProgress{show: newPullProgress(cli.NewConsole(a.Std.Err, quiet)), name: filepath.Base(path), size: size, began: time.Now(), first: -1}
	j, err := c.Import(ctx, file, size, show.update)
	show.end()
	if err != nil {
		return err
	}
	if !quiet {
		a.Notef("job %s imports it, also when this command ends; to stop it: scout jobs cancel %s\n", j.ID, j.ID)
	}
	ended, err := a.awaitJob(ctx, c, j.ID, quiet)
	if err == nil {
		err = notSucceeded(&ended)
	}
	if err != nil {
		return err
	}
	out := imported{Job: ended.ID}
	if ended.Result != nil && ended.Result.Imported != nil {
		out.Imported = *ended.Result.Imported
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, out)
	}
	return a.Say("%s", importText(&out.Imported))
}

// openOriginal opens a copy of the file to send. SQLite makes it: what lies in the log of a database that is open, or was not closed, is in it, too,
// and no transaction is there by half.
func openOriginal(ctx context.Context, path string) (file *os.File, size int64, discard func() error, err error) {
	doing := "import " + path
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, nil, scout.FileError(scout.CodeReadFailed, doing, err)
	case info.IsDir():
		return nil, 0, nil, scout.Errorf(scout.CodeFileIsDirectory, "%s: it is a folder", doing).WithHint("name the file scout.db in it")
	case !info.Mode().IsRegular():
		return nil, 0, nil, scout.Errorf(scout.CodeInvalidArgument, "%s: it is not a regular file", doing).WithHint("write it into a file first")
	}
	if err := isDatabase(path); err != nil { // before it is copied
		return nil, 0, nil, err
	}
	dir, err := os.MkdirTemp("", "scout-import-")
	if err != nil {
		return nil, 0, nil, scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	remove := func() error { return scout.FileError(scout.CodeWriteFailed, "remove a copy", os.RemoveAll(dir)) }
	whole := filepath.Join(dir, "whole.db")
	if err := original.Copy(ctx, path, whole); err != nil {
		return nil, 0, nil, errors.Join(err, remove())
	}
	if file, err = os.Open(whole); err != nil {
		return nil, 0, nil, errors.Join(scout.FileError(scout.CodeReadFailed, doing, err), remove())
	}
	if info, err = file.Stat(); err != nil {
		return nil, 0, nil, errors.Join(scout.FileError(scout.CodeReadFailed, doing, err), file.Close(), remove())
	}
	return file, info.Size(), func() error { return errors.Join(file.Close(), remove()) }, nil
}

func isDatabase(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "import "+path, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	head := make([]byte, original.HeadBytes)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return scout.FileError(scout.CodeReadFailed, "import "+path, err)
	}
	if !original.IsDatabase(head[:n]) {
		return original.Foreign("%s is no database of SQLite", path)
	}
	return nil
}

// importText says what came of an import.
func importText(i *v1.Imported) string {
	parts := []string{strconv.Itoa(i.Recordings) + " imported"}
	for _, p := range []struct {
		n    int
		what string
	}{{i.Audio, "with audio"}, {i.AudioMissing, "whose audio is missing"}, {i.Already, "there already"}, {i.Undated, "without a time, as of 1970"}} {
		if p.n > 0 {
			parts = append(parts, strconv.Itoa(p.n)+" "+p.what)
		}
	}
	text := "texts: " + strings.Join(parts, ", ")
	for _, table := range slices.Sorted(maps.Keys(i.LeftOut)) {
		text += "\nnot taken over: " + strconv.Itoa(i.LeftOut[table]) + " of " + table
	}
	return text
}
