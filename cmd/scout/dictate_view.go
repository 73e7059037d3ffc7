package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/printable"
)

// typed shows a dictation. On a terminal committed text stays where it was written, and the partial text behind it is grey. Elsewhere
// nothing is shown before the end; with JSON each event is a line on standard output.
type typed struct {
	app  *app
	json *json.Encoder // nil without
	out  io.Writer     // the terminal; nil if there is none
	// onOutput is true where the text that is shown is the output: standard output is that terminal.
	onOutput bool

	size func() (columns, rows int)

	mu      sync.Mutex
	column  int  // of the committed text in its line
	begun   bool // there is committed text
	rows    int  // lines below the committed text that the partial text has
	behind  string
	partial string
	hinted  bool // the hint stands in the current line
	state   string
	waits   bool   // it was said that no sound arrives
	late    bool   // it was said that text is owed
	reduced bool   // it was said that there is less text while somebody speaks
	ends    string // what ends the dictation
	ending  bool   // it is being ended: that it listened was said when it began
}

func newTyped(a *app, asJSON bool) *typed {
	t := &typed{app: a, ends: "Enter ends", size: func() (int, int) { return terminalSize(a.Std.Err) }}
	if asJSON {
		t.json = json.NewEncoder(a.Std.Out)
		t.json.SetEscapeHTML(false)
		return t
	}
	if file, ok := a.Std.Err.(*os.File); ok && cli.NewConsole(a.Std.Err, false).Live && inForeground(file) {
		t.out, t.onOutput = a.Std.Err, cli.IsTerminal(a.Std.Out)
	}
	return t
}

// hint shows a line that disappears with the next thing to show.
func (t *typed) hint(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		return
	}
	t.erase()
	t.print(faint() + printable.Shorten(text, t.width()) + plain)
	t.hinted = true
}

// unhint removes the line of a hint.
func (t *typed) unhint() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out != nil {
		t.erase()
	}
}

// note shows a line that stays.
func (t *typed) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		t.app.Notef("%s\n", text)
		return
	}
	t.erase()
	if t.column > 0 {
		t.print("\n")
		t.column = 0
	}
	t.print(faint() + text + plain + "\n")
	t.draw()
}

// event shows an event.
func (t *typed) event(e *event.Event, raw []byte) {
	if t.json != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		_ = t.json.Encode(json.RawMessage(raw)) // a reader that has gone is noticed at the end
		return
	}
	switch e.Type {
	case event.State:
		t.tellState(e)
	case event.Gap:
		t.note(fmt.Sprintf("gap of %s: %s", clock(missing(e)), reasonText(scout.GapReason(e.Reason))))
	case event.Trouble:
		if e.Error != nil {
			t.note(e.Error.Message)
		} else {
			t.note("the disk works again")
		}
	case event.Behind:
		switch {
		case e.Error != nil:
			t.late = true
			t.note("the text comes later: " + e.Error.Message)
		case event.Length(e.Delay) == 0 && t.late:
			t.late = false
			t.note("the text has caught up")
		}
	case event.Partial, event.Committed:
		t.text(e)
	case event.Final, event.Revised:
		t.end()
	}
}

// missing is how much sound a gap is.
func missing(gap *event.Event) time.Duration { return event.Length(gap.End) - event.Length(gap.Start) }

func (t *typed) tellState(e *event.Event) {
	if e.Degradation != nil {
		t.tellDegradation(*e.Degradation)
	}
	before := t.state
	t.state = e.State
	switch e.State {
	case event.Starting:
		if e.Error != nil {
			t.waits = true
			t.note(e.Error.Message + "; waiting for it")
		}
	case event.Listening:
		if t.ending || before == event.Listening { // of another daemon, which continues
			return
		}
		if t.waits {
			t.waits = false
			t.note("listening again")
			return
		}
		if t.out == nil {
			t.app.Notef("listening…\n")
			return
		}
		t.hint(t.listening())
	}
}

// Levels of degradation: docs/RUNBOOK.md.
const (
	withoutPartial = 2
	withoutText    = 3
)

// tellDegradation says what is different because Scout reduces its work.
func (t *typed) tellDegradation(level int) {
	switch {
	case level >= withoutText:
		t.reduced = true
		t.note("the text comes after the stop, because the machine is too busy; nothing is lost")
	case level >= withoutPartial:
		t.reduced = true
		t.note("the text comes in pieces, because the machine is too busy; nothing is lost")
	case t.reduced:
		t.reduced = false
		t.note("the text comes as you speak again")
	}
}

// warns says that the microphone stays open, before it is opened.
func (t *typed) warns(warm bool) {
	if warm && t.json == nil {
		t.note("the microphone stays open for 10 minutes after this dictation, so that the next one has the word spoken just before it; that sound stays in memory")
	}
}

// listening is the hint while nothing was said yet.
func (t *typed) listening() string { return "listening… " + t.ends + ", Esc cancels" }

// endsWith says what ends the dictation from now on.
func (t *typed) endsWith(text string) {
	t.mu.Lock()
	t.ends = text
	again := t.hinted && t.state == event.Listening
	t.mu.Unlock()
	if again {
		t.hint(t.listening())
	}
}

// pause leaves the terminal to other programs, below a note, until resume.
func (t *typed) pause(note string) {
	t.note(note)
	t.mu.Lock()
	if t.out != nil {
		t.erase()
	}
}

// resume goes on where the cursor is: nobody knows where the others have left it.
func (t *typed) resume() {
	defer t.mu.Unlock()
	if t.out != nil {
		t.draw()
	}
}

// text shows committed or partial text.
func (t *typed) text(e *event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		return
	}
	t.erase()
	if e.Type == event.Partial {
		t.partial = printable.Line(e.Text)
	} else {
		t.commit(e.Text)
		rest, continues := strings.CutPrefix(t.partial, printable.Line(e.Text))
		if t.partial = ""; continues { // what follows stays grey until the next partial text
			t.partial = rest
		}
	}
	t.draw()
}

// commit writes text that stays.
func (t *typed) commit(text string) {
	if text == "" {
		return
	}
	lines, column := wrap(printable.Line(text), t.column, t.width())
	if strings.HasPrefix(text, " ") && !strings.HasPrefix(lines[0], " ") && lines[0] != "" && t.column > 0 {
		lines[0] = " " + lines[0]
	}
	t.print(strings.Join(lines, "\n"))
	t.column, t.begun = column, true
}

// draw shows the partial text behind the committed one, as much of its end as fits into the terminal.
func (t *typed) draw() {
	if t.partial == "" {
		return
	}
	lines, _ := wrap(t.partial, t.column, t.width())
	if most := t.height() - 1; len(lines) > most {
		lines = lines[:max(most, 1)]
	}
	t.print(grey() + strings.Join(lines, "\n") + plain)
	t.rows = len(lines) - 1
	t.behind = lines[len(lines)-1]
}

// erase removes what does not stay.
func (t *typed) erase() {
	if t.hinted {
		t.print("\r\x1b[J")
		t.hinted = false
	}
	if t.behind == "" && t.rows == 0 {
		return
	}
	text := ""
	if t.rows > 0 {
		text = fmt.Sprintf("\x1b[%dA", t.rows)
	}
	text += "\r"
	if t.column > 0 {
		text += fmt.Sprintf("\x1b[%dC", t.column)
	}
	t.print(text + "\x1b[J")
	t.rows, t.behind = 0, ""
}

// end completes what is shown. The committed text is the whole text, unless it came late.
func (t *typed) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		return
	}
	t.erase()
	t.partial = ""
	if t.column > 0 {
		t.print("\n")
		t.column = 0
	}
}

// shown reports whether the text stands on standard output already.
func (t *typed) shown() bool { return t.onOutput && t.begun }

func (t *typed) print(text string) { _, _ = io.WriteString(t.out, text) } // a terminal that has gone is noticed at the end

const plain = "\x1b[0m"

// grey is for text that may still change, faint for what is no text.
func grey() string {
	if os.Getenv("NO_COLOR") != "" {
		return "\x1b[2m"
	}
	return "\x1b[90m"
}

func faint() string { return "\x1b[2m" }

// width is how many columns lines have: some terminals wrap at the last one.
func (t *typed) width() int {
	columns, _ := t.size()
	return columns - 1
}

func (t *typed) height() int {
	_, rows := t.size()
	return rows
}

// terminalSize is that of a terminal at this moment, or the usual one.
func terminalSize(out io.Writer) (columns, rows int) {
	columns, rows = 80, 24
	if file, ok := out.(*os.File); ok {
		if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 1 && height > 1 {
			columns, rows = width, height
		}
	}
	return columns, rows
}

// wrap breaks text that continues at a column into lines at spaces, and returns the column where it ends. A word that is longer than
// a line is broken anywhere.
func wrap(text string, column, width int) (lines []string, end int) {
	var line strings.Builder
	state := -1
	for len(text) > 0 {
		var word string
		word, text, _, state = uniseg.FirstLineSegmentInString(text, state)
		if line.Len() == 0 && column == 0 {
			word = strings.TrimLeft(word, " ")
		}
		size := uniseg.StringWidth(strings.TrimRight(word, " "))
		if column > 0 && column+size > width {
			lines, column = append(lines, strings.TrimRight(line.String(), " ")), 0
			line.Reset()
			word = strings.TrimLeft(word, " ")
		}
		for column == 0 && uniseg.StringWidth(word) > width {
			head, rest := cut(word, width)
			lines = append(lines, head)
			word = rest
		}
		line.WriteString(word)
		column += uniseg.StringWidth(word)
	}
	return append(lines, line.String()), column
}

// cut returns as many characters as fit into the width, and the rest.
func cut(word string, width int) (head, rest string) {
	state, used := -1, 0
	for rest = word; rest != ""; {
		cluster, after, size, next := uniseg.FirstGraphemeClusterInString(rest, state)
		if used+size > width && used > 0 {
			break
		}
		head, rest, used, state = head+cluster, after, used+size, next
	}
	return head, rest
}
