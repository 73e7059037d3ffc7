package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/text"
)

// These texts explain flags that several commands have.
const (
	formatUsage  = "text, json, srt, vtt, tsv or md"
	versionUsage = "an earlier version: see scout transcripts versions"
)

// fetch returns a version of a text in a format.
func fetch(ctx context.Context, c *client.Client, id string, version int, format text.Format) ([]byte, error) {
	query := url.Values{"format": {string(format)}}
	if format == text.Plain {
		query.Set("format", "txt")
	}
	if version > 0 {
		query.Set("version", strconv.Itoa(version))
	}
	var content []byte
	err := c.Get(ctx, "/transcripts/"+url.PathEscape(id)+"?"+query.Encode(), &content)
	return content, err
}

func newTranscriptsShowCommand(a *app) *cobra.Command {
	var version int
	var format string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [ID]",
		Short: "Print a text",
		Long:  "Prints the text with this ID, otherwise the newest one.",
		Example: `  scout transcripts show
  scout transcripts show 7f3a9c2e41d0 --version 1`,
		Args:              cli.WrongArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeTranscripts(1, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			as, err := text.ParseFormat(format)
			if err != nil {
				return cli.Usage(err)
			}
			if asJSON {
				as = text.JSON
			}
			if err := checkVersion(cmd, "version", version); err != nil {
				return err
			}
			return a.withTranscript(cmd.Context(), args, func(c *client.Client, id string) error {
				return a.writeTranscript(cmd.Context(), c, id, version, as)
			})
		},
	}
	cmd.Flags().IntVar(&version, "version", 0, versionUsage)
	cmd.Flags().StringVarP(&format, "format", "f", string(text.Plain), formatUsage)
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

// writeTranscript prints a version of a text; 0 is the current one.
func (a *app) writeTranscript(ctx context.Context, c *client.Client, id string, version int, format text.Format) error {
	content, err := fetch(ctx, c, id, version, format)
	if err != nil {
		return err
	}
	if _, err := a.Std.Out.Write(content); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write to standard output", err)
	}
	return nil
}

func newTranscriptsExportCommand(a *app) *cobra.Command {
	var o exportOptions
	var format string
	cmd := &cobra.Command{
		Use:   "export ID…",
		Short: "Write texts to files",
		Long: `Writes each text to a file, and prints the paths. --output names a folder, where
each file has the id of its text as its name; for a single ID, --output may also
name the file. An existing file is replaced only with --force.`,
		Example: `  scout transcripts export --format srt --output talk.srt 7f3a9c2e41d0
  scout transcripts export --output texts/ 7f3a9c2e41d0 8e1b2c3d4f5a`,
		Args:              cli.NeedArgs("the texts to export"),
		ValidArgsFunction: a.completeTranscripts(anyNumber, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.format, err = text.ParseFormat(format); err != nil {
				return cli.Usage(err)
			}
			if err := checkVersion(cmd, "version", o.version); err != nil {
				return err
			}
			return a.exportTranscripts(cmd.Context(), args, o)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", string(text.Plain), formatUsage)
	cmd.Flags().StringVarP(&o.output, "output", "o", ".", "file, or folder for several")
	cmd.Flags().IntVar(&o.version, "version", 0, versionUsage)
	cmd.Flags().BoolVar(&o.force, "force", false, "replace existing files")
	cli.JSONFlag(cmd, &o.json)
	return cmd
}

// exportOptions say what is exported, and where to.
type exportOptions struct {
	format  text.Format
	version int // 0 is the current one
	output  string
	folder  bool // output is a folder, with a file for each text
	force   bool
	json    bool
}

// exported is a file with a text, in JSON.
type exported struct {
	ID   string `json:"id"`
	Path string `json:"path"`
}

func (a *app) exportTranscripts(ctx context.Context, parts []string, o exportOptions) error {
	info, err := os.Stat(o.output)
	o.folder = err == nil && info.IsDir() || strings.HasSuffix(o.output, string(filepath.Separator))
	if len(parts) > 1 && !o.folder {
		return cli.Misuse("name a folder: --output texts/", "--output %s: %d texts do not go into one file", o.output, len(parts))
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return a.changeEach("exported", parts, o.json, func(part string) (any, string, error) {
		id, path, err := a.exportTranscript(ctx, c, part, o)
		return exported{id, path}, path, err
	})
}

func (a *app) exportTranscript(ctx context.Context, c *client.Client, part string, o exportOptions) (id, path string, err error) {
	if id, err = a.findTranscript(ctx, c, part, false); err != nil {
		return "", "", err
	}
	content, err := fetch(ctx, c, id, o.version, o.format)
	if err != nil {
		return "", "", err
	}
	path = o.output
	if o.folder {
		if err := os.MkdirAll(path, 0o777); err != nil {
			return "", "", scout.FileError(scout.CodeWriteFailed, "make folder", err)
		}
		path = filepath.Join(path, id+o.format.Extension())
	}
	place, err := outfile.At(path)
	if err != nil {
		return "", "", err
	}
	if err := (outfile.Rules{Own: a.ownFile, Force: o.force}).Check(&place); err != nil {
		return "", "", cli.Usage(err)
	}
	return id, path, place.Write(ctx, content, o.force)
}

func newTranscriptsEditCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "edit ID [SEGMENT TEXT]",
		Short: "Correct a text",
		Long: `Corrects a text. SEGMENT is the number of a segment, counted from 0, and TEXT
its new text; an empty TEXT removes the segment. Without them, $VISUAL or
$EDITOR opens, with a line for each segment.

Each correction is a new version: "scout transcripts versions" lists them and
goes back to an earlier one. A later text by a model never replaces your
correction. Words that you keep also keep their times.`,
		Example: `  scout transcripts edit 7f3a9c2e41d0
  scout transcripts edit 7f3a9c2e41d0 3 "Ask Zoë, not Joey."`,
		Args:              cli.WrongArgs(oneOrThree),
		ValidArgsFunction: a.completeTranscripts(1, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTranscript(cmd.Context(), args[:1], func(c *client.Client, id string) error {
				if err := a.editTranscript(cmd.Context(), c, id, args[1:]); err != nil || !asJSON {
					return err
				}
				return a.writeTranscript(cmd.Context(), c, id, 0, text.JSON)
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// oneOrThree accepts an id, or an id, a segment and its text.
func oneOrThree(_ *cobra.Command, args []string) error {
	if len(args) != 1 && len(args) != 3 {
		return errors.New("want ID, or ID SEGMENT TEXT")
	}
	return nil
}

func (a *app) editTranscript(ctx context.Context, c *client.Client, id string, args []string) error {
	var t v1.Transcript
	path := "/transcripts/" + url.PathEscape(id)
	if err := c.Get(ctx, path, &t); err != nil {
		return err
	}
	var edits v1.Edits
	if len(args) > 0 {
		segment, err := strconv.Atoi(args[0])
		if err != nil || segment < 0 || segment >= len(t.Segments) {
			return cli.Misuse("see them: scout transcripts show --json "+id, "segment %q: the text has %d, counted from 0", args[0], len(t.Segments))
		}
		edits.Edits = []v1.Edit{{Segment: segment, Text: args[1]}}
	} else {
		var err error
		if edits.Edits, err = a.editByHand(ctx, &t); err != nil {
			return err
		}
	}
	if len(edits.Edits) == 0 {
		a.Notef("nothing was changed\n")
		return nil
	}
	version := t.Version
	if err := c.Change(ctx, path, strconv.Quote(strconv.Itoa(version)), edits, &t); err != nil {
		return err
	}
	if t.Version == version {
		a.Notef("nothing was changed\n")
		return nil
	}
	a.Notef("version %d of %s\n", t.Version, id)
	return nil
}

// editByHand opens an editor with a line for each segment, and returns the changes.
func (a *app) editByHand(ctx context.Context, t *v1.Transcript) ([]v1.Edit, error) {
	editor := strings.Fields(os.Getenv("VISUAL"))
	if len(editor) == 0 {
		editor = strings.Fields(os.Getenv("EDITOR"))
	}
	if len(editor) == 0 {
		return nil, cli.Misuse("set $EDITOR, or name the segment and its text: scout transcripts edit ID 3 \"TEXT\"", "no editor is set")
	}
	dir, err := os.MkdirTemp("", "scout-edit-")
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make a folder for the text", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the words are in the store
	path := filepath.Join(dir, "transcript.txt")
	var b strings.Builder
	b.WriteString("# One line for each segment: its number and its text. A line that is removed, or whose text is, removes the segment.\n")
	for i, s := range t.Segments {
		fmt.Fprintf(&b, "%d\t%s\n", i, strings.Join(strings.Fields(s.Text), " "))
	}
	// This does not need atomicfile: the file is for the editor, and is removed afterwards.
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "write the text for the editor", err)
	}
	command := exec.CommandContext(ctx, editor[0], append(editor[1:], path)...)
	command.Stdin, command.Stdout, command.Stderr = a.Std.In, a.Std.Out, a.Std.Err
	if err := command.Run(); err != nil {
		return nil, scout.Errorf(scout.CodeReadFailed, "the editor %s failed, nothing was changed: %w", editor[0], err).WithHint("set $EDITOR to an editor that works")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read the text from the editor", err)
	}
	return editsOf(t, string(content))
}

// editsOf returns the differences between a text and the lines from an editor.
func editsOf(t *v1.Transcript, content string) ([]v1.Edit, error) {
	given := make(map[int]string)
	lines := bufio.NewScanner(strings.NewReader(content))
	lines.Buffer(nil, len(content)+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		number, rest, _ := strings.Cut(line, "\t")
		if !strings.Contains(line, "\t") {
			number, rest, _ = strings.Cut(line, " ")
		}
		segment, err := strconv.Atoi(number)
		if _, twice := given[segment]; err != nil || twice || segment < 0 || segment >= len(t.Segments) {
			return nil, cli.Misuse("keep the number at the beginning of each line; nothing was changed", "line %d does not begin with the number of a segment, each of which is there once: %q", n, shortened(line, 40))
		}
		given[segment] = strings.TrimSpace(rest)
	}
	var edits []v1.Edit
	for i, s := range t.Segments {
		if after := given[i]; after != strings.Join(strings.Fields(s.Text), " ") {
			edits = append(edits, v1.Edit{Segment: i, Text: after})
		}
	}
	return edits, nil
}

func newTranscriptsRestoreCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore ID…",
		Short: "Bring texts back from the trash",
		Long: `Brings texts back from the trash. "scout transcripts list --deleted" shows what
is in it.`,
		Example: `  scout transcripts list --deleted
  scout transcripts restore 7f3a9c2e41d0`,
		Args:              cli.NeedArgs("the texts to restore"),
		ValidArgsFunction: a.completeTranscripts(anyNumber, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeTranscripts(cmd.Context(), "restored", args, asJSON, func(c *client.Client, id string) (string, error) {
				return id + " is back", c.Post(cmd.Context(), "/transcripts/"+url.PathEscape(id)+"/restore", nil, &v1.TranscriptSummary{})
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// changeTranscripts changes the texts that parts of ids name.
//
//	what    "deleted", or "restored" for texts in the trash
//	change  changes one text, and returns the line about it
func (a *app) changeTranscripts(ctx context.Context, what string, parts []string, asJSON bool, change func(c *client.Client, id string) (string, error)) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return a.changeEach(what, parts, asJSON, func(part string) (any, string, error) {
		id, err := a.findTranscript(ctx, c, part, what == "restored")
		if err != nil {
			return nil, "", err
		}
		line, err := change(c, id)
		return id, line, err
	})
}
