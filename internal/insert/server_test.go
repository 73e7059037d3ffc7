package insert

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/scout-speech/scout/internal/insert/inserttest"
	"github.com/scout-speech/scout/internal/observe"
)

// session is one of the display.
func session(t *testing.T, name string) *Session {
	t.Helper()
	s, err := Open(observe.NewScope(slog.New(slog.DiscardHandler), nil, nil), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// copied puts something on the clipboard through another connection, which serves it until the test ends.
func copied(t *testing.T, name string, forms map[string][]byte) *Session {
	t.Helper()
	s := session(t, name)
	c := make(content)
	for form, data := range forms {
		atom := intern(t, s.x, form)
		c[atom] = datum{kind: atom, format: 8, data: data}
	}
	if err := s.x.own(s.x.atoms.clipboard, c); err != nil {
		t.Fatal(err)
	}
	holding(t, s)
	return s
}

// holding serves what the session owns in the background.
func holding(t *testing.T, s *Session) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Hold(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func intern(t *testing.T, x *display, name string) xproto.Atom {
	t.Helper()
	reply, err := xproto.InternAtom(x.conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		t.Fatal(err)
	}
	return reply.Atom
}

// onClipboard returns what is on the clipboard, in every form.
func onClipboard(t *testing.T, name string) map[string][]byte {
	t.Helper()
	s := session(t, name)
	room := maxSavedBytes
	c, err := s.x.read(t.Context(), s.x.atoms.clipboard, ordinary(), &room)
	if err != nil {
		t.Fatal(err)
	}
	forms := make(map[string][]byte)
	for atom, d := range c {
		reply, err := xproto.GetAtomName(s.x.conn, atom).Reply()
		if err != nil {
			t.Fatal(err)
		}
		forms[reply.Name] = d.data
	}
	return forms
}

// window is one of ours that has the focus and does nothing by itself.
type window struct {
	*Session
	id xproto.Window
}

func openWindow(t *testing.T, name string, mask uint32) *window {
	t.Helper()
	s := session(t, name)
	w := &window{Session: s}
	var err error
	if w.id, err = xproto.NewWindowId(s.x.conn); err != nil {
		t.Fatal(err)
	}
	screen := xproto.Setup(s.x.conn).DefaultScreen(s.x.conn)
	xproto.CreateWindow(s.x.conn, screen.RootDepth, w.id, s.x.root, 0, 0, 100, 100, 0, xproto.WindowClassInputOutput, screen.RootVisual,
		xproto.CwEventMask, []uint32{mask | xproto.EventMaskStructureNotify})
	xproto.MapWindow(s.x.conn, w.id)
	if _, err := s.x.await(t.Context(), 5*time.Second, func(e xgb.Event) bool { _, is := e.(xproto.MapNotifyEvent); return is }); err != nil {
		t.Fatal("the window did not appear")
	}
	if err := xproto.SetInputFocusChecked(s.x.conn, xproto.InputFocusParent, w.id, xproto.TimeCurrentTime).Check(); err != nil {
		t.Fatal(err)
	}
	return w
}

// fileWith waits until the file has that text, and returns what it has.
func fileWith(t *testing.T, path, want string) string {
	t.Helper()
	var data []byte
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		data, _ = os.ReadFile(path)
		if strings.Contains(string(data), want) {
			break
		}
	}
	return string(data)
}

// terminal starts an xterm that writes what it gets into a file, and returns the file.
func terminal(t *testing.T, name string) string {
	t.Helper()
	inserttest.Need(t, "xterm")
	file := filepath.Join(t.TempDir(), "typed")
	inserttest.Start(t, name, nil, "xterm", "-u8", "-T", "field", "-e", "sh", "-c", fmt.Sprintf("cat > '%s'", file))
	inserttest.Focus(t, name, "^field$")
	fileThere(t, file)
	return file
}

func fileThere(t *testing.T, path string) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatal("the terminal did not start")
}
