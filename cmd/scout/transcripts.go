package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/printable"
)

func newTranscriptsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "transcripts",
		Short: "List, search, show, correct, export and delete texts",
		Long: `Scout keeps the texts of recordings, and every version of each: the first one, a
later one by a better model, and your corrections. Commands take the id of a
text, or the beginning or the end of an id. A text has the id of its recording.`,
		Example: `  scout transcripts list
  scout transcripts search budget "next week"
  scout transcripts show 7f3a9c2e41d0
  scout transcripts export --format srt 7f3a9c2e41d0`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newTranscriptsListCommand(a), newTranscriptsSearchCommand(a), newTranscriptsShowCommand(a), newTranscriptsExportCommand(a),
		newTranscriptsEditCommand(a), newTranscriptsDeleteCommand(a), newTranscriptsRestoreCommand(a), newTranscriptsVersionsCommand(a),
	)
	return cmd
}

// listFlags select texts.
type listFlags struct {
	limit   int
	tags    []string
	labels  []string
	from    string
	to      string
	deleted bool
	json    bool
}

func (f *listFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVarP(&f.limit, "limit", "n", 50, "at most so many; 0 for all")
	flags.StringArrayVar(&f.tags, "tag", nil, "only those with this tag; may be repeated")
	flags.StringArrayVar(&f.labels, "label", nil, "only those with this label, NAME=VALUE; may be repeated")
	flags.StringVar(&f.from, "from", "", "only what was recorded at or after this day or time: 2026-11-28, 2026-11-28T09:00")
	flags.StringVar(&f.to, "to", "", "only what was recorded before")
	cli.JSONFlag(cmd, &f.json)
}

// query returns the parameters of a list.
func (f *listFlags) query() (url.Values, error) {
	q := url.Values{}
	if f.limit < 0 {
		return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--limit %d: want 0 or more", f.limit))
	}
	for _, tag := range f.tags {
		q.Add("tag", tag)
	}
	for _, label := range f.labels {
		name, value, found := strings.Cut(label, "=")
		if !found || name == "" {
			return nil, cli.Misuse("for example --label room=4", "--label %q: want NAME=VALUE", label)
		}
		q.Add("label", name+":"+value)
	}
	for name, text := range map[string]string{"from": f.from, "to": f.to} {
		if text == "" {
			continue
		}
		at, err := parseMoment(text)
		if err != nil {
			return nil, cli.Misuse("for example 2026-11-28 or 2026-11-28T09:00", "--%s %q is not a time", name, text)
		}
		q.Set(name, at.UTC().Format(time.RFC3339Nano))
	}
	if f.deleted {
		q.Set("deleted", "true")
	}
	return q, nil
}

// parseMoment reads a day or a time, in the local time zone unless it names one.
func parseMoment(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", time.DateTime} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Parse(time.RFC3339, text)
}

// pageOf is how many items are asked for at once.
const pageOf = 200

// list reads pages until it has enough items, or there are no more.
func list[T any](ctx context.Context, c *client.Client, path string, query url.Values, limit int) ([]T, error) {
	all := []T{}
	for {
		want := pageOf
		if limit > 0 {
			want = min(pageOf, limit-len(all))
		}
		query.Set("limit", strconv.Itoa(want))
		var page v1.Page[T]
		if err := c.Get(ctx, path+"?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if page.NextCursor == "" || limit > 0 && len(all) >= limit {
			return all, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

func newTranscriptsListCommand(a *app) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the texts, newest first",
		Long: `Lists the texts: when they were recorded, how long they are, and how they begin.
--tag, --label, --from and --to select some of them.`,
		Example: `  scout transcripts list --from 2026-11-01 --tag work
  scout transcripts list --json | jq -r '.transcripts[].id'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listTranscripts(cmd.Context(), &f, "") },
	}
	f.bind(cmd)
	cmd.Flags().BoolVar(&f.deleted, "deleted", false, "list what is in the trash")
	a.serverFlags(cmd)
	return cmd
}

func newTranscriptsSearchCommand(a *app) *cobra.Command {
	var f listFlags
	var best bool
	cmd := &cobra.Command{
		Use:   "search WORD…",
		Short: "Search texts, titles and tags",
		Long: `Finds the texts that contain all the words. Upper case and accents make no
difference.

  "next week"   these words, one after the other
  meet*         words that begin with "meet"
  -holiday      texts without this word (write -- before it)`,
		Example: `  scout transcripts search budget
  scout transcripts search '"next week"' 'meet*' -- -holiday`,
		Args: cli.NeedArgs("what to search for"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(strings.Join(args, "")) == "" {
				return cli.Misuse("all texts: scout transcripts list", "there is nothing to search for")
			}
			for i, arg := range args { // the shell took the quotation marks away
				if strings.ContainsAny(arg, " \t") && !strings.Contains(arg, `"`) {
					args[i] = `"` + arg + `"`
				}
			}
			query := strings.Join(args, " ")
			if best {
				return a.listTranscriptsSorted(cmd.Context(), &f, query, "relevance")
			}
			return a.listTranscripts(cmd.Context(), &f, query)
		},
	}
	f.bind(cmd)
	cmd.Flags().BoolVar(&best, "best", false, "the best matches first, instead of the newest")
	a.serverFlags(cmd)
	return cmd
}

func (a *app) listTranscripts(ctx context.Context, f *listFlags, words string) error {
	return a.listTranscriptsSorted(ctx, f, words, "")
}

func (a *app) listTranscriptsSorted(ctx context.Context, f *listFlags, words, sort string) error {
	query, err := f.query()
	if err != nil {
		return err
	}
	if words != "" {
		query.Set("q", words)
	}
	if sort != "" {
		query.Set("sort", sort)
	}
	if !f.json { // a row has only the beginning of a text
		query.Set("text", "false")
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	found, err := list[v1.TranscriptSummary](ctx, c, "/transcripts", query, f.limit)
	switch {
	case err != nil:
		return err
	case f.json:
		return cli.WriteJSON(a.Std.Out, struct {
			Transcripts []v1.TranscriptSummary `json:"transcripts"`
		}{found})
	case len(found) == 0:
		a.Notef("no texts\n")
		return nil
	}
	rows := transcriptRows(found)
	if file, is := a.Std.Out.(*os.File); is {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			fitLast(rows, width)
		}
	}
	return writeTable(a.Std.Out, rows)
}

// leastShown is how much of a text a row shows however narrow the terminal is.
const leastShown = 16

// fitLast shortens the last column so that the lines of a table are no wider than a terminal.
func fitLast(rows [][]string, width int) {
	const between = 2 // columns
	last := len(rows[0]) - 1
	for column := range last {
		widest := 0
		for _, row := range rows {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
		width -= widest + between
	}
	for _, row := range rows {
		row[last] = shortened(row[last], max(width, leastShown))
	}
}

// previewRunes is how many characters of a text a row shows.
const previewRunes = 60

func transcriptRows(all []v1.TranscriptSummary) [][]string {
	rows := [][]string{{"ID", "RECORDED", "LENGTH", "WORDS", "KIND", "TEXT"}}
	for i := range all {
		t := &all[i]
		began := ""
		if t.StartedAt != nil {
			began = t.StartedAt.Local().Format(time.DateTime)
		}
		text := t.Preview
		if len(t.Snippets) > 0 {
			text = marked(t.Snippets[0])
		}
		if t.Title != "" {
			text = t.Title + ": " + text
		}
		rows = append(rows, []string{t.ID, began, clock(inSeconds(t.Duration)), strconv.Itoa(t.Words), strings.ReplaceAll(t.Kind, "_", " "), shortened(text, previewRunes)})
	}
	return rows
}

// marked returns a snippet with its matches between asterisks. It begins shortly before the first match.
func marked(s v1.Snippet) string {
	const before = 20
	runes := []rune(s.Text)
	var b strings.Builder
	at := 0
	if len(s.Marks) > 0 && s.Marks[0][0] > before && s.Marks[0][0] <= len(runes) {
		at = s.Marks[0][0] - before
		b.WriteString("…")
	}
	for _, m := range s.Marks {
		if m[0] < at || m[1] > len(runes) || m[0] > m[1] {
			continue
		}
		b.WriteString(string(runes[at:m[0]]) + "*" + string(runes[m[0]:m[1]]) + "*")
		at = m[1]
	}
	return b.String() + string(runes[at:])
}

// shortened returns a text on one line, with at most that many characters.
func shortened(text string, most int) string {
	runes := []rune(printable.Line(text))
	if len(runes) <= most {
		return string(runes)
	}
	return strings.TrimSpace(string(runes[:most-1])) + "…"
}

// newestTranscript returns the id of the newest text.
func newestTranscript(ctx context.Context, c *client.Client) (string, error) {
	all, err := list[v1.TranscriptSummary](ctx, c, "/transcripts", url.Values{"text": {"false"}}, 1)
	if err == nil && len(all) == 0 {
		err = scout.Errorf(scout.CodeNotFound, "there is no text yet").WithHint("make one: scout record --transcribe, or scout transcribe --keep FILE")
	}
	if err != nil {
		return "", err
	}
	return all[0].ID, nil
}

// findTranscript returns the id of the one text whose id begins or ends with part.
//
//	deleted  look among the texts in the trash first
func (a *app) findTranscript(ctx context.Context, c *client.Client, part string, deleted bool) (string, error) {
	if strings.Trim(part, ".") == "" { // a variable that is not set, or a path that leads elsewhere
		return "", scout.Errorf(scout.CodeNotFound, "no text has the id %q", part).WithHint("see the ids: scout transcripts list")
	}
	const named = 3 // in the error
	for _, trash := range []bool{deleted, !deleted} {
		query := url.Values{"id": {part}, "deleted": {strconv.FormatBool(trash)}, "text": {"false"}}
		found, err := list[v1.TranscriptSummary](ctx, c, "/transcripts", query, named)
		switch {
		case err != nil:
			return "", err
		case len(found) == 1:
			return found[0].ID, nil
		case len(found) > 1:
			ids := make([]string, len(found))
			for i := range found {
				ids[i] = found[i].ID
			}
			where := ""
			if trash {
				where = " in the trash"
			}
			return "", scout.Errorf(scout.CodeInvalidArgument, "several texts%s have the id %q: %s", where, part, strings.Join(ids, ", ")).WithHint("give more of the id")
		}
	}
	return "", scout.Errorf(scout.CodeNotFound, "no text has the id %q", part).WithHint("see the ids: scout transcripts list")
}

// withTranscript connects to the daemon, finds the text that args name or else the newest one, and calls do with it.
func (a *app) withTranscript(ctx context.Context, args []string, do func(c *client.Client, id string) error) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var id string
	if len(args) == 0 {
		id, err = newestTranscript(ctx, c)
	} else {
		id, err = a.findTranscript(ctx, c, args[0], false)
	}
	if err != nil {
		return err
	}
	return do(c, id)
}

// checkVersion refuses a number that no version of a text has, where a flag was given.
func checkVersion(cmd *cobra.Command, flag string, version int) error {
	if cmd.Flags().Changed(flag) && version < 1 {
		return cli.Misuse("versions are counted from 1: scout transcripts versions ID", "--%s %d: there is no such version", flag, version)
	}
	return nil
}

func newTranscriptsVersionsCommand(a *app) *cobra.Command {
	var asJSON bool
	var restore int
	cmd := &cobra.Command{
		Use:   "versions ID",
		Short: "List the versions of a text, or go back to one",
		Long: `Lists all versions of a text. --restore makes an earlier version the current one
again. It does so by adding a version, so nothing is lost: use it to undo and to
redo.`,
		Example: `  scout transcripts versions 7f3a9c2e41d0
  scout transcripts versions 7f3a9c2e41d0 --restore 1`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeTranscripts(1, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkVersion(cmd, "restore", restore); err != nil {
				return err
			}
			return a.withTranscript(cmd.Context(), args, func(c *client.Client, id string) error {
				path := "/transcripts/" + url.PathEscape(id) + "/versions"
				if restore > 0 {
					var t v1.Transcript
					if err := c.Post(cmd.Context(), fmt.Sprintf("%s/%d/restore", path, restore), nil, &t); err != nil {
						return err
					}
					a.Notef("version %d of %s is version %d again\n", t.Version, id, restore)
				}
				var versions []v1.TextVersion
				if err := c.Get(cmd.Context(), path, &versions); err != nil {
					return err
				}
				if asJSON {
					return cli.WriteJSON(a.Std.Out, struct {
						Versions []v1.TextVersion `json:"versions"`
					}{versions})
				}
				return writeTable(a.Std.Out, versionRows(versions))
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	cmd.Flags().IntVar(&restore, "restore", 0, "make this version the current one")
	a.serverFlags(cmd)
	return cmd
}

func versionRows(all []v1.TextVersion) [][]string {
	rows := [][]string{{"", "VERSION", "MADE", "WORDS", "KIND", "MODEL"}}
	for _, v := range all {
		mark, kind := " ", strings.ReplaceAll(v.Kind, "_", " ")
		if v.Current {
			mark = "*"
		}
		if v.RestoredFrom > 0 {
			kind = fmt.Sprintf("%d again", v.RestoredFrom)
		}
		rows = append(rows, []string{mark, strconv.Itoa(v.Version), v.CreatedAt.Local().Format(time.DateTime), strconv.Itoa(v.Words), kind, v.Model})
	}
	return rows
}
