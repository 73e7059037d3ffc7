package transcribe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/text"
)

// Target says where the texts of a run go.
type Target struct {
	// Output is a file, or a folder; empty or "-" for Stdout.
	Output string
	// Format of the texts; empty for the one that the ending of Output names, else plain text.
	Format text.Format
	// Layout is the layout of subtitles.
	Layout text.Layout
	// Stdout takes the texts if no output is named.
	Stdout io.Writer
	// Rules say what may not be replaced. The inputs of the run are added by Plan.
	Rules outfile.Rules
}

// Destination is where the texts of a run go: one stream or one file for all inputs, or a file for each. It is a Sink.
type Destination struct {
	format text.Format
	layout text.Layout
	rules  outfile.Rules
	inputs []Input

	out    *outfile.Writer // a stream for all; nil for files
	opens  *outfile.Place  // a stream that is opened with the first text; nil if out is standard output
	one    *outfile.Place  // a file for all
	each   []outfile.Place // a file for each
	folder string          // to be created before the first text; empty if it exists

	shared  bytes.Buffer // the single text, until Close
	shown   map[int]*shown
	titles  int  // number of texts in out or shared
	partial bool // shared is incomplete
	stale   []string
}

// shown is the part of an input's text that went to a stream.
type shown struct {
	text     text.Growing
	segments int    // in text
	pending  string // of text, not written yet
	bytes    int    // written
}

// Plan decides where the text of each input goes. It refuses an output that cannot be written or that would destroy
// something, and writes nothing itself.
func Plan(t Target, inputs []Input) (*Destination, error) {
	format, err := formatOf(t.Format, t.Output)
	if err != nil {
		return nil, err
	}
	d := &Destination{format: format, layout: t.Layout, rules: t.Rules, inputs: inputs, shown: map[int]*shown{}}
	for i := range inputs {
		if inputs[i].Path != "" {
			d.rules.Inputs = append(d.rules.Inputs, outfile.InputAt(inputs[i].Path))
		} else if f, ok := inputs[i].Stream.(*os.File); ok {
			d.rules.Inputs = append(d.rules.Inputs, outfile.InputFile(inputs[i].Label, f))
		}
	}
	if t.Output == "" || t.Output == "-" {
		d.out = outfile.NewWriter(t.Stdout)
		if f, ok := t.Stdout.(*os.File); ok {
			if err := d.rules.CheckOpen("standard output", f); err != nil {
				return nil, err
			}
		}
		err := d.checkShared("standard output")
		return d, err
	}
	info, err := os.Stat(t.Output)
	if err == nil && info.IsDir() || strings.HasSuffix(t.Output, string(filepath.Separator)) {
		err = d.planFolder(t.Output, err == nil)
		return d, err
	}
	err = d.planFile(t.Output)
	return d, err
}

// formatOf returns the requested format, else the one that the ending of the output names, else text. Both must agree.
func formatOf(asked text.Format, output string) (text.Format, error) {
	ending, err := text.ParseFormat(strings.TrimPrefix(filepath.Ext(output), "."))
	known := err == nil
	switch {
	case !known && asked == "":
		return text.Plain, nil
	case !known || asked == ending:
		return asked, nil
	case asked == "":
		return ending, nil
	}
	return "", scout.Errorf(scout.CodeInvalidArgument, "--format %s and the name %s contradict each other", asked, filepath.Base(output)).
		WithHint("name it %s%s, or leave --format out", strings.TrimSuffix(filepath.Base(output), filepath.Ext(output)), asked.Extension())
}

// checkShared refuses several texts in one stream or file if they do not make a valid document together.
func (d *Destination) checkShared(where string) error {
	if len(d.inputs) < 2 || d.format == text.Plain || d.format == text.Markdown {
		return nil
	}
	return scout.Errorf(scout.CodeInvalidArgument, "%d inputs cannot share %s as %s: one file holds one of them", len(d.inputs), where, d.format).
		WithHint("write a file for each: --output FOLDER/")
}

func (d *Destination) planFile(path string) error {
	place, err := outfile.At(path)
	if err != nil {
		return err
	}
	if err := d.checkShared(path); err != nil {
		return err
	}
	if err := errors.Join(d.rules.Check(&place)); err != nil {
		return err
	}
	if place.Stream() {
		d.opens = &place
		return nil
	}
	d.one = &place
	if len(d.inputs) == 1 {
		d.one, d.each = nil, []outfile.Place{place}
	}
	return place.Probe()
}

// planFolder gives each input a file in the folder.
func (d *Destination) planFolder(folder string, exists bool) error {
	if !exists {
		d.folder = folder
		if err := checkNewFolder(folder); err != nil {
			return err
		}
	}
	names := namer{extension: d.format.Extension(), limit: outfile.NameLimit(folder), taken: map[string]bool{}}
	for i := range d.inputs {
		path := filepath.Join(folder, names.next(&d.inputs[i]))
		if !exists {
			d.each = append(d.each, outfile.Place{Path: path})
			continue
		}
		place, err := outfile.At(path)
		if err == nil {
			err = d.rules.Check(&place)
		}
		for j := range d.each {
			if err == nil && place.Same(&d.each[j]) {
				err = scout.Errorf(scout.CodeInvalidArgument, "%s and %s are one file: two texts cannot be in it", place.Path, d.each[j].Path).
					WithHint("choose another folder for --output")
			}
		}
		if err != nil {
			return err
		}
		d.each = append(d.each, place)
	}
	if exists {
		return d.each[0].Probe()
	}
	return nil
}

// checkNewFolder refuses a folder that cannot be created, and creates none.
func checkNewFolder(folder string) error {
	above := filepath.Clean(folder)
	for {
		info, err := os.Stat(above)
		if err == nil && !info.IsDir() {
			return scout.Errorf(scout.CodeInvalidArgument, "cannot make the folder %s: %s is a file", folder, above).WithHint("choose another name for --output")
		}
		if err == nil {
			place, err := outfile.At(filepath.Join(above, "probe.txt"))
			if err == nil {
				err = place.Probe()
			}
			if err != nil {
				return scout.Errorf(scout.CodeOf(err), "cannot make the folder %s: %s", folder, scout.Reason(err))
			}
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) || above == filepath.Dir(above) {
			return outfile.Explain("make the folder "+folder, err)
		}
		above = filepath.Dir(above)
	}
}

// namer names the file of each input: the input's name with another ending. A repeated name gets a number.
type namer struct {
	extension string
	limit     int
	taken     map[string]bool // in lower case, because some file systems do not distinguish case
}

func (n *namer) next(in *Input) string {
	stem := "stdin"
	if in.Path != "" {
		base := filepath.Base(in.Path)
		if stem = strings.TrimSuffix(base, filepath.Ext(base)); stem == "" {
			stem = base // .hidden
		}
		stem = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == unicode.ReplacementChar || printable.Line(string(r)) != string(r) {
				return '_'
			}
			return r
		}, stem)
	}
	name := outfile.FitName(stem, n.extension, n.limit)
	for number := 2; n.taken[strings.ToLower(name)]; number++ {
		name = outfile.FitName(stem, "-"+strconv.Itoa(number)+n.extension, n.limit)
	}
	n.taken[strings.ToLower(name)] = true
	return name
}

// Streams reports whether text is shown as soon as it is settled.
func (d *Destination) Streams() bool {
	return (d.out != nil || d.opens != nil) && d.format == text.Plain
}

// Settled writes the new part of a text if it goes to a stream, as plain text: other formats are known only when
// complete.
func (d *Destination) Settled(ctx context.Context, i int, doc text.Document) error {
	if !d.Streams() {
		return nil
	}
	begun, err := d.begin(ctx, i)
	if err != nil {
		return err
	}
	for ; begun.segments < len(doc.Transcript.Segments); begun.segments++ {
		begun.pending += begun.text.Next(&doc.Transcript.Segments[begun.segments])
	}
	n, err := d.write(ctx, begun, []byte(begun.pending))
	begun.pending = begun.pending[n:]
	return err
}

// render returns the text of a document. Its name appears in Markdown, where a terminal could interpret it.
func (d *Destination) render(doc text.Document) ([]byte, error) {
	if d.format != text.JSON {
		doc.File = printable.Line(doc.File)
	}
	doc.Layout = d.layout
	var all bytes.Buffer
	err := text.Write(&all, d.format, doc)
	return all.Bytes(), err
}

// Finish writes the text of an input; a file is written completely or not at all.
func (d *Destination) Finish(ctx context.Context, i int, doc text.Document) error {
	all, err := d.render(doc)
	if err != nil {
		return err
	}
	switch {
	case len(d.each) > 0:
		if err := d.makeFolder(); err != nil {
			return err
		}
		return d.complete(ctx, &d.each[i], all)
	case d.one != nil:
		d.shared.WriteString(d.title(i))
		d.shared.Write(all)
		return nil
	}
	return d.stream(ctx, i, all)
}

// Abandon keeps the beginning of a text: in its stream, or beside the file as FILE.partial.
func (d *Destination) Abandon(ctx context.Context, i int, doc text.Document) (string, error) {
	all, err := d.render(doc)
	if err != nil {
		return "", err
	}
	switch {
	case len(d.each) > 0:
		if err := d.makeFolder(); err != nil {
			return "", err
		}
		return d.writePartial(ctx, &d.each[i], all)
	case d.one != nil:
		d.partial = true
		d.shared.WriteString(d.title(i))
		d.shared.Write(all)
		return d.one.Path + partialEnding, nil
	}
	return "", d.stream(ctx, i, all)
}

// Close writes the file that all inputs share.
func (d *Destination) Close(ctx context.Context) error {
	var err error
	switch {
	case d.opens != nil && d.out != nil:
		err = d.out.Close()
	case d.one == nil || d.shared.Len() == 0:
	case d.partial:
		_, err = d.writePartial(ctx, d.one, d.shared.Bytes())
	default:
		err = d.complete(ctx, d.one, d.shared.Bytes())
	}
	return err
}

// partialEnding is added to the name of a file whose text is not complete.
const partialEnding = ".partial"

// writePartial writes an incomplete text beside its file, and returns where.
func (d *Destination) writePartial(ctx context.Context, place *outfile.Place, content []byte) (string, error) {
	folder, base := filepath.Split(place.Path)
	limit := outfile.NameLimit(filepath.Dir(place.Path))
	for number := 1; ; number++ {
		ending := partialEnding
		if number > 1 {
			ending += "-" + strconv.Itoa(number)
		}
		partial, err := outfile.At(folder + outfile.FitName(base, ending, limit))
		if err != nil {
			return "", err
		}
		if d.rules.Check(&partial) != nil || partial.Stream() {
			continue // another user's file: try another name
		}
		return partial.Path, partial.Write(ctx, content, d.rules.Force)
	}
}

// complete writes a complete text and removes what an interrupted run left beside it: a file with the beginning of the same text.
func (d *Destination) complete(ctx context.Context, place *outfile.Place, content []byte) error {
	if err := place.Write(ctx, content, d.rules.Force); err != nil {
		return err
	}
	folder, base := filepath.Split(place.Path)
	path := folder + outfile.FitName(base, partialEnding, outfile.NameLimit(filepath.Dir(place.Path)))
	partial, err := outfile.At(path)
	if err != nil {
		return nil //nolint:nilerr // the text is written; nothing can be said about a file that cannot be looked at
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || (outfile.Rules{Inputs: d.rules.Inputs, Own: d.rules.Own, Force: true}).Check(&partial) != nil {
		return nil //nolint:nilerr // there is none, or it is something else
	}
	if !beginningOf(path, info.Size(), content) || os.Remove(path) != nil {
		d.stale = append(d.stale, path)
	}
	return nil
}

// beginningOf reports whether a file of that size has the beginning of a text, and nothing else.
func beginningOf(path string, size int64, content []byte) bool {
	if size > int64(len(content)) {
		return false
	}
	begun, err := os.ReadFile(path)
	return err == nil && bytes.HasPrefix(content, bytes.TrimRight(begun, "\n"))
}

// Stale returns the files FILE.partial of earlier runs that were left beside complete texts, because something else is in them.
func (d *Destination) Stale() []string { return d.stale }

func (d *Destination) makeFolder() error {
	if d.folder == "" {
		return nil
	}
	if err := os.MkdirAll(d.folder, 0o755); err != nil {
		return outfile.Explain("make the folder "+d.folder, err)
	}
	d.folder = ""
	for i := range d.each {
		place, err := outfile.At(d.each[i].Path)
		if err == nil {
			err = d.rules.Check(&place)
		}
		if err != nil {
			return err
		}
		d.each[i] = place
	}
	return nil
}

// title returns the heading of a text that shares its place with others.
func (d *Destination) title(i int) string {
	d.titles++
	if len(d.inputs) < 2 {
		return ""
	}
	gap := ""
	if d.titles > 1 {
		gap = "\n"
	}
	if d.format != text.Plain {
		return gap
	}
	return fmt.Sprintf("%s==> %s <==\n", gap, printable.Line(d.inputs[i].Name()))
}

// stream writes the part of the whole text of an input that has not been written.
func (d *Destination) stream(ctx context.Context, i int, all []byte) error {
	begun, err := d.begin(ctx, i)
	if err != nil {
		return err
	}
	_, err = d.write(ctx, begun, all[min(begun.bytes, len(all)):])
	return err
}

// begin opens the stream if necessary, and writes the title of an input once.
func (d *Destination) begin(ctx context.Context, i int) (*shown, error) {
	if d.out == nil {
		out, err := d.opens.Open(ctx)
		if err != nil {
			return nil, errors.Join(err, errSinkGone)
		}
		d.out = out
	}
	begun := d.shown[i]
	if begun == nil {
		begun = &shown{}
		d.shown[i] = begun
		if title := d.title(i); title != "" {
			if _, err := d.out.Write(ctx, []byte(title)); err != nil {
				return nil, goneError(err)
			}
		}
	}
	return begun, nil
}

// write writes more of the text of an input.
func (d *Destination) write(ctx context.Context, begun *shown, more []byte) (n int, err error) {
	if len(more) == 0 {
		return 0, nil
	}
	n, err = d.out.Write(ctx, more)
	begun.bytes += n
	if err != nil {
		return n, goneError(err)
	}
	return n, nil
}

// goneError explains why a stream accepted no more text.
func goneError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &sinkError{outfile.Explain("write the text", err)}
}

// sinkError is an error of the output that all inputs share.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// Is makes errors.Is find errSinkGone in it.
func (e *sinkError) Is(target error) bool { return target == errSinkGone }
