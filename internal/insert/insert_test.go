package insert

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/insert/inserttest"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testrun.Contain(m)) }

// difficult is a text with letters of other layouts, of other scripts, and outside the first plane.
const difficult = "Grüße aus Köln, déjà vu: 5 €, Привет, 你好 👍🏽 z/y-_@"

// A real text field of GTK, with each layout of the keyboard: the text arrives whole, and the clipboard is as it was.
func TestTextArrivesInARealField(t *testing.T) {
	t.Parallel()
	inserttest.Need(t, "zenity", "xdotool")
	picture := bytes.Repeat([]byte("\x89PNG \x00\x01"), 200_000) // more than one request holds
	for layout, before := range map[string]map[string][]byte{
		"us":    {"UTF8_STRING": []byte("what was there"), "text/html": []byte("<b>what</b>")},
		"de":    {"image/png": picture, "text/uri-list": []byte("file:///a%20b.png\r\n")},
		"fr":    nil,
		"ru":    {"UTF8_STRING": []byte("что было")}, // has no v
		"us,ru": {"UTF8_STRING": nil},
	} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			name := inserttest.Server(t, layout)
			if before != nil {
				copied(t, name, before)
			}
			var out bytes.Buffer
			field := inserttest.Start(t, name, &out, "zenity", "--entry", "--title", "field", "--text", "say")
			inserttest.Focus(t, name, "^field$")
			s := session(t, name)
			r := s.Type(t.Context(), difficult)
			holding(t, s)
			if r.Method != MethodPaste || !r.Proved || r.Clipboard != ClipboardRestored || r.Err() != nil {
				t.Errorf("result %+v", r)
			}
			inserttest.Press(t, name, "key", "Return")
			if err := field.Wait(); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSuffix(out.String(), "\n"); got != difficult {
				t.Errorf("the field has %q, want %q", got, difficult)
			}
			if after := onClipboard(t, name); !maps.EqualFunc(after, before, bytes.Equal) {
				t.Errorf("the clipboard has %v, had %v", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
			}
		})
	}
}

// A terminal pastes with other keys.
func TestTextArrivesInATerminal(t *testing.T) {
	t.Parallel()
	inserttest.Need(t, "xterm", "xdotool")
	name := inserttest.Server(t, "de")
	copied(t, name, map[string][]byte{"UTF8_STRING": []byte("before")})
	file := terminal(t, name)
	s := session(t, name)
	r := s.Type(t.Context(), difficult)
	holding(t, s)
	if r.Method != MethodPaste || !r.Proved || r.Clipboard != ClipboardRestored || r.Window != "XTerm" {
		t.Errorf("result %+v", r)
	}
	inserttest.Press(t, name, "key", "Return")
	if got := fileWith(t, file, "\n"); got != difficult+"\n" {
		t.Errorf("the terminal got %q", got)
	}
	if got := onClipboard(t, name); string(got["UTF8_STRING"]) != "before" {
		t.Errorf("on the clipboard is %q", got)
	}
}

// What keeps a text from being pasted: it stays on the clipboard, and the result says so.
func TestWhatCannotBePastedStaysOnTheClipboard(t *testing.T) {
	t.Parallel()
	inserttest.Need(t, "xdotool")
	for situation, c := range map[string]struct {
		prepare func(t *testing.T, name string)
		code    scout.Code
		method  Method
	}{
		"no window": {func(*testing.T, string) {}, scout.CodeNoWindow, MethodNone},
		"a window that takes no paste, and closes": {func(t *testing.T, name string) {
			t.Helper()
			w := openWindow(t, name, xproto.EventMaskKeyPress)
			later(t, w, func(e xgb.Event) bool {
				if _, key := e.(xproto.KeyPressEvent); key {
					xproto.DestroyWindow(w.x.conn, w.id)
				}
				return true
			})
		}, scout.CodeNotInserted, MethodNone},
		"a window that takes no paste": {func(t *testing.T, name string) {
			t.Helper()
			openWindow(t, name, xproto.EventMaskKeyPress)
		}, scout.CodeNotInserted, MethodType},
		"another program asks, such as a clipboard manager": {func(t *testing.T, name string) {
			t.Helper()
			openWindow(t, name, xproto.EventMaskKeyPress)
			curious(t, name)
		}, scout.CodeNotInserted, MethodType},
		"a window that hangs": {func(t *testing.T, name string) {
			t.Helper()
			w := openWindow(t, name, xproto.EventMaskKeyPress)
			xproto.ChangeProperty(w.x.conn, xproto.PropModeReplace, w.id, w.x.atoms.protocols, xproto.AtomAtom, 32, 1, atomBytes([]xproto.Atom{w.x.atoms.ping}))
			w.x.timestamp() // the server has it
		}, scout.CodeNotInserted, MethodNone},
		"keys held down": {func(t *testing.T, name string) {
			t.Helper()
			openWindow(t, name, 0)
			inserttest.Press(t, name, "keydown", "Control_L")
		}, scout.CodeNotInserted, MethodNone},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			name := inserttest.Server(t, "")
			copied(t, name, map[string][]byte{"UTF8_STRING": []byte("before")})
			c.prepare(t, name)
			s := session(t, name)
			s.timing.modifiers = 100 * time.Millisecond
			r := s.Type(t.Context(), difficult)
			holding(t, s)
			if r.Method != c.method || r.Proved || r.Clipboard != ClipboardText || r.Code != c.code || r.Reason == "" {
				t.Errorf("result %+v", r)
			}
			if (r.Err() == nil) != (c.method == MethodType) {
				t.Errorf("error %v", r.Err())
			}
			if got := onClipboard(t, name); string(got["UTF8_STRING"]) != difficult {
				t.Errorf("on the clipboard is %q", got)
			}
		})
	}
}

// later handles events of a window in the background until the test ends.
func later(t *testing.T, w *window, handle func(xgb.Event) bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case e, open := <-w.x.events:
				if !open || !handle(e) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// curious asks for the clipboard again and again, from another program: an xclip would be one.
func curious(t *testing.T, name string) {
	t.Helper()
	inserttest.Need(t, "xclip")
	inserttest.Start(t, name, nil, "sh", "-c", "while xclip -selection clipboard -o >/dev/null; do sleep 0.02; done")
}

// xdotool types where nobody pastes, with a layout that has none of the letters.
func TestTypedWhereNothingIsPasted(t *testing.T) {
	t.Parallel()
	inserttest.Need(t, "xterm", "xdotool")
	name := inserttest.Server(t, "de")
	file := terminal(t, name)
	s := session(t, name)
	if err := s.x.xdotool(t.Context(), "Grüße, 5 €"); err != nil {
		t.Fatal(err)
	}
	inserttest.Press(t, name, "key", "Return")
	if got := fileWith(t, file, "\n"); got != "Grüße, 5 €\n" {
		t.Errorf("the terminal got %q", got)
	}
}

// A clipboard whose owner does not answer is not replaced by the text: what was copied there would be gone.
func TestAnOwnerThatHangsKeepsItsClipboard(t *testing.T) {
	t.Parallel()
	inserttest.Need(t, "xdotool")
	name := inserttest.Server(t, "")
	hung := session(t, name)
	if err := hung.x.own(hung.x.atoms.clipboard, content{}); err != nil {
		t.Fatal(err)
	}
	openWindow(t, name, xproto.EventMaskKeyPress)
	s := session(t, name)
	s.timing.transfer = 50 * time.Millisecond
	r := s.Type(t.Context(), "hello")
	if r.Method != MethodType || r.Clipboard != ClipboardKept || r.Code != scout.CodeNotInserted {
		t.Errorf("result %+v", r)
	}
	if owner, err := xproto.GetSelectionOwner(s.x.conn, s.x.atoms.clipboard).Reply(); err != nil || owner.Owner != hung.x.window {
		t.Error("the clipboard has another owner")
	}
}

// A transfer in parts, in both directions, and with MULTIPLE.
func TestLargeContentsTravelInParts(t *testing.T) {
	t.Parallel()
	name := inserttest.Server(t, "")
	whole := map[string][]byte{"image/png": bytes.Repeat([]byte("0123456789"), 300_000), "text/plain": []byte("short"), "text/html": {}}
	copied(t, name, whole)
	if got := onClipboard(t, name); !maps.EqualFunc(got, whole, bytes.Equal) {
		t.Errorf("got %d forms, %d bytes of the picture", len(got), len(got["image/png"]))
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", ":250", "nonsense"} {
		if _, err := Open(observe.NewScope(nil, nil, nil), name); scout.CodeOf(err) != scout.CodeNoDisplay || scout.HintOf(err) == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Hold ends as soon as another program has the clipboard.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	name := inserttest.Server(t, "")
	s := session(t, name)
	if err := s.Copy("mine"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Hold(t.Context()) }()
	if got := onClipboard(t, name); string(got["UTF8_STRING"]) != "mine" || string(got["STRING"]) != "mine" {
		t.Errorf("on the clipboard is %q", got)
	}
	copied(t, name, map[string][]byte{"UTF8_STRING": []byte("another's")})
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("it holds what it does not own")
	}
}
