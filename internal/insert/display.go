package insert

import (
	"context"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/res"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"github.com/scout-speech/scout"
)

// display is a connection to an X server, with a window of our own that owns selections. One goroutine uses it.
type display struct {
	conn   *xgb.Conn
	name   string
	root   xproto.Window
	window xproto.Window
	atoms  atoms
	pids   bool // the server tells the processes of its clients
	events chan xgb.Event
	lost   bool // the connection ended

	owned   map[xproto.Atom]*selection
	sending map[transferKey]*transfer // what goes out in parts
	heard   []request                 // who asked for what, since the last clear
	refused *target                   // gets nothing for now
	now     xproto.Timestamp          // of the last change of our own window
	pongs   int                       // answers to our pings
}

// atoms are the names that we use.
type atoms struct {
	clipboard, primary, targets, multiple, timestamp, incr, utf8, text, plain, plainUTF8, property, stamp xproto.Atom
	pair, atom, integer, str, saveTargets, protocols, ping                                                xproto.Atom
}

// quiet silences the log of the X library, once for the process: what it has to say comes as errors, too.
var quiet = sync.OnceFunc(func() { xgb.Logger = log.New(io.Discard, "", 0) })

func connect(name string) (*display, error) {
	if name == "" {
		return nil, scout.Errorf(scout.CodeNoDisplay, "there is no X server to insert text through: DISPLAY is not set")
	}
	quiet()
	conn, err := xgb.NewConnDisplay(name)
	if err != nil {
		return nil, scout.Errorf(scout.CodeNoDisplay, "the X server %s does not answer: %w", name, err)
	}
	x := &display{conn: conn, name: name, owned: make(map[xproto.Atom]*selection), sending: make(map[transferKey]*transfer), events: make(chan xgb.Event, 16)}
	if err := x.setUp(); err != nil {
		conn.Close()
		return nil, scout.Errorf(scout.CodeNoDisplay, "the X server %s: %w", name, err)
	}
	go func() { // ends with the connection
		defer close(x.events)
		for {
			event, err := conn.WaitForEvent()
			if event == nil && err == nil {
				return
			}
			if event != nil { // errors are those of windows that were closed meanwhile
				x.events <- event
			}
		}
	}()
	return x, nil
}

func (x *display) setUp() error {
	setup := xproto.Setup(x.conn)
	screen := setup.DefaultScreen(x.conn)
	x.root = screen.Root
	if err := xtest.Init(x.conn); err != nil {
		return fmt.Errorf("it does not let programs press keys: %w", err)
	}
	if err := res.Init(x.conn); err == nil {
		version, err := res.QueryVersion(x.conn, 1, 2).Reply()
		x.pids = err == nil && (version.ServerMajor > 1 || version.ServerMinor >= 2)
	}
	for _, a := range []struct {
		name string
		atom *xproto.Atom
	}{
		{"CLIPBOARD", &x.atoms.clipboard},
		{"PRIMARY", &x.atoms.primary},
		{"TARGETS", &x.atoms.targets},
		{"MULTIPLE", &x.atoms.multiple},
		{"TIMESTAMP", &x.atoms.timestamp},
		{"INCR", &x.atoms.incr},
		{"UTF8_STRING", &x.atoms.utf8},
		{"TEXT", &x.atoms.text},
		{"text/plain", &x.atoms.plain},
		{"text/plain;charset=utf-8", &x.atoms.plainUTF8},
		{"_SCOUT_INSERT", &x.atoms.property},
		{"_SCOUT_TIME", &x.atoms.stamp},
		{"ATOM_PAIR", &x.atoms.pair},
		{"ATOM", &x.atoms.atom},
		{"INTEGER", &x.atoms.integer},
		{"STRING", &x.atoms.str},
		{"SAVE_TARGETS", &x.atoms.saveTargets},
		{"WM_PROTOCOLS", &x.atoms.protocols},
		{"_NET_WM_PING", &x.atoms.ping},
	} {
		reply, err := xproto.InternAtom(x.conn, false, uint16(len(a.name)), a.name).Reply()
		if err != nil {
			return err
		}
		*a.atom = reply.Atom
	}
	window, err := xproto.NewWindowId(x.conn)
	if err != nil {
		return err
	}
	x.window = window
	return xproto.CreateWindowChecked(x.conn, screen.RootDepth, window, x.root, -1, -1, 1, 1, 0, xproto.WindowClassInputOutput, screen.RootVisual,
		xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange}).Check()
}

// close ends the connection and waits for the reading of its events.
func (x *display) close() {
	x.conn.Close()
	for range x.events { // until it has ended
	}
}

// serve answers other programs until done reports true, ctx ends, or the connection does.
func (x *display) serve(ctx context.Context, done func() bool) {
	for !x.lost && ctx.Err() == nil && !done() {
		select {
		case event, open := <-x.events:
			if !open {
				x.lost = true
				return
			}
			x.handle(event)
		case <-ctx.Done():
		}
	}
}

// serveFor answers other programs for that long.
func (x *display) serveFor(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	x.serve(ctx, func() bool { return false })
}

// during answers other programs while work is done, and returns its error.
func (x *display) during(ctx context.Context, work func(context.Context) error) error {
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }() // waited for below
	for {
		select {
		case err := <-ended:
			return err
		case event, open := <-x.events:
			if !open {
				x.lost = true
				return <-ended
			}
			x.handle(event)
		}
	}
}

// handle acts on one event.
func (x *display) handle(event xgb.Event) {
	switch e := event.(type) {
	case xproto.SelectionRequestEvent:
		x.answer(e)
	case xproto.SelectionClearEvent:
		if s := x.owned[e.Selection]; s != nil && e.Owner == x.window && s.at <= e.Time {
			delete(x.owned, e.Selection)
		}
	case xproto.PropertyNotifyEvent:
		if e.Window == x.window {
			x.now = e.Time
		}
		if e.State == xproto.PropertyDelete {
			x.proceed(transferKey{e.Window, e.Atom})
		}
	case xproto.DestroyNotifyEvent:
		for key := range x.sending {
			if key.window == e.Window {
				delete(x.sending, key)
			}
		}
	case xproto.ClientMessageEvent:
		if e.Type == x.atoms.protocols && len(e.Data.Data32) > 0 && xproto.Atom(e.Data.Data32[0]) == x.atoms.ping {
			x.pongs++
		}
	}
}

// timestamp returns the server's time, which it puts on a change of our own window.
func (x *display) timestamp() xproto.Timestamp {
	x.now = 0
	xproto.ChangeProperty(x.conn, xproto.PropModeAppend, x.window, x.atoms.stamp, x.atoms.str, 8, 0, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	x.serve(ctx, func() bool { return x.now != 0 })
	return x.now
}
