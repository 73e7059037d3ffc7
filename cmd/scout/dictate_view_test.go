package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/dictate/event"
)

// A person at a terminal sees committed text once, solid, and what may still change behind it, grey.
func TestATerminalShowsADictation(t *testing.T) {
	t.Parallel()
	partial := func(text string) event.Event { return event.Event{Type: event.Partial, Text: text} }
	committed := func(text string) event.Event { return event.Event{Type: event.Committed, Text: text} }
	listening, final := event.Event{Type: event.State, State: event.Listening}, event.Event{Type: event.Final}
	silent := event.Event{Type: event.State, State: event.Starting, Error: &event.Problem{Message: "no sound arrives"}}
	long := strings.Repeat("never too long ", 40)
	for situation, c := range map[string]struct {
		width, height int
		events        []event.Event
		shows         string
	}{
		"nothing yet":            {80, 24, []event.Event{listening}, "[listening… Enter ends, Esc cancels]"},
		"partial text":           {80, 24, []event.Event{listening, partial("And so")}, "[And so]"},
		"a part is committed":    {80, 24, []event.Event{partial("And so my fellow"), committed("And so")}, "And so[ my fellow]"},
		"it says something else": {80, 24, []event.Event{partial("And saw my fellow"), committed("And so")}, "And so"},
		"partial text gets shorter": {
			80, 24,
			[]event.Event{committed("And so"), partial(" my fellow Americans"), partial(" my")},
			"And so[ my]",
		},
		"it breaks between words": {20, 10, []event.Event{committed("ask not what your"), partial(" country can do for you")}, "ask not what your\n[country can do for]\n[you]"},
		"the line is full":        {20, 10, []event.Event{committed("ask not what your c"), partial(" an")}, "ask not what your c\n[an]"},
		"committed over the edge": {20, 10, []event.Event{committed("ask not what your"), partial(" country can"), committed(" country can do"), final}, "ask not what your\ncountry can do"},
		"a word longer than a line": {
			10, 10,
			[]event.Event{partial("Donaudampfschifffahrt"), committed("Donaudampfschifffahrt"), final},
			"Donaudamp\nfschifffa\nhrt",
		},
		"wide characters":    {12, 10, []event.Event{partial("今日は天気がいい"), committed("今日は"), partial("天気がいいですね")}, "今日は[天気]\n[がいいです]\n[ね]"},
		"emoji":              {12, 10, []event.Event{committed("Well done 👍🏽"), partial(" 👩‍👩‍👧‍👦 all")}, "Well done\n👍🏽[ 👩‍👩‍👧‍👦 all]"},
		"more than a screen": {16, 4, []event.Event{partial(long), partial(" and"), committed("and")}, "and"},
		"a gap in the sound": {
			80, 24,
			[]event.Event{committed("And so"), partial(" my"), {Type: event.Gap, Start: event.Seconds(time.Second), End: event.Seconds(2 * time.Second), Reason: "device_lost"}},
			"And so\n[gap of 1.0 s: device lost]\n[my]",
		},
		"sound that comes back before there is text": {
			80, 24,
			[]event.Event{listening, silent, listening},
			"[no sound arrives; waiting for it]\n[listening again]",
		},
		"sound that comes back behind text": {
			80, 24,
			[]event.Event{listening, committed("And so"), partial(" my"), silent, listening, partial(" my fellow")},
			"And so\n[no sound arrives; waiting for it]\n[listening again]\n[my fellow]",
		},
		"the end of partial text":                          {80, 24, []event.Event{partial("And so"), partial(""), final}, ""},
		"escape sequences in a text are shown, not obeyed": {80, 24, []event.Event{partial("a\x1b[2Jb"), committed("a\x1b[2Jb")}, "a�[2Jb"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := &screen{width: c.width, height: c.height}
			v := &typed{app: &app{App: cli.New("scout", cli.Streams{Err: &out})}, out: &out, ends: "Enter ends", size: func() (int, int) { return c.width, c.height }}
			for i := range c.events {
				v.event(&c.events[i], nil)
				s.show(strings.ReplaceAll(out.String(), "\n", "\r\n")) // as a terminal's driver does
				out.Reset()
			}
			if got := s.text(); got != c.shows {
				t.Errorf("it shows:\n%s\nwant:\n%s", got, c.shows)
			}
		})
	}
}

// A window that changes its size while somebody speaks shows each committed word once, and loses none.
func TestATerminalThatChangesItsSize(t *testing.T) {
	t.Parallel()
	for _, to := range []int{12, 30, 200} {
		var out, all bytes.Buffer
		width := 40
		v := &typed{app: &app{App: cli.New("scout", cli.Streams{Err: &out})}, out: &out, size: func() (int, int) { return width, 24 }}
		said := strings.Fields("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen")
		for i, word := range said {
			if i == len(said)/2 {
				width = to
			}
			text := " " + word
			if i == 0 {
				text = word
			}
			v.event(&event.Event{Type: event.Partial, Text: text + " and more"}, nil)
			v.event(&event.Event{Type: event.Committed, Text: text}, nil)
			v.event(&event.Event{Type: event.Partial, Text: ""}, nil)
		}
		v.event(&event.Event{Type: event.Final}, nil)
		s := &screen{width: 200, height: 24} // lines that were written stay, however the terminal folds them
		s.show(strings.ReplaceAll(out.String(), "\n", "\r\n"))
		all.WriteString(s.text())
		if got := strings.Fields(all.String()); strings.Join(got, " ") != strings.Join(said, " ") {
			t.Errorf("to %d columns:\n%s", to, all.String())
		}
	}
}
