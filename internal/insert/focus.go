package insert

import (
	"context"
	"slices"
	"strings"

	"github.com/jezek/xgb/res"
	"github.com/jezek/xgb/xproto"
)

// target is the window that a text is for.
type target struct {
	window xproto.Window // 0 for none
	class  string        // WM_CLASS of it or of the window around it; empty if it has none
	pid    uint32        // of its program; 0 where the server does not tell
}

// terminal reports whether the window is a terminal's, to which Ctrl+V is a key like others.
func (t target) terminal() bool {
	class := strings.ToLower(t.class)
	return strings.Contains(class, "term") || slices.Contains([]string{
		"alacritty", "kitty", "konsole", "urxvt", "rxvt", "tilix", "terminator", "yakuake", "guake", "tilda", "st-256color", "st", "eterm",
		"org.wezfurlong.wezterm", "com.mitchellh.ghostty", "ghostty", "cool-retro-term", "console", "kgx", "org.gnome.console", "ptyxis", "org.gnome.ptyxis",
	}, class)
}

// focused returns the window that gets what is typed.
func (x *display) focused() target {
	reply, err := xproto.GetInputFocus(x.conn).Reply()
	if err != nil {
		return target{}
	}
	window := reply.Focus
	if window == xproto.InputFocusPointerRoot { // keys go to whatever is below the pointer
		window = x.pointed()
	}
	if window == xproto.InputFocusNone || window == x.root {
		return target{}
	}
	return target{window: window, class: x.class(window), pid: x.pid(window)}
}

// pointed returns the innermost window below the pointer.
func (x *display) pointed() xproto.Window {
	window := x.root
	for {
		reply, err := xproto.QueryPointer(x.conn, window).Reply()
		if err != nil {
			return xproto.WindowNone
		}
		if reply.Child == xproto.WindowNone {
			return window
		}
		window = reply.Child
	}
}

// upwards calls each with a window and those around it, until it returns true.
func (x *display) upwards(window xproto.Window, each func(xproto.Window) bool) {
	for window != xproto.WindowNone && window != x.root && !each(window) {
		tree, err := xproto.QueryTree(x.conn, window).Reply()
		if err != nil {
			return
		}
		window = tree.Parent
	}
}

// class returns the class of a window, for example XTerm.
func (x *display) class(window xproto.Window) (class string) {
	x.upwards(window, func(w xproto.Window) bool {
		reply, err := xproto.GetProperty(x.conn, false, w, xproto.AtomWmClass, xproto.AtomString, 0, 256).Reply()
		if err != nil || len(reply.Value) == 0 {
			return false
		}
		instance, rest, _ := strings.Cut(string(reply.Value), "\x00")
		class, _, _ = strings.Cut(rest, "\x00")
		if class == "" {
			class = instance
		}
		return true
	})
	return class
}

// pid returns the process of a window's program, 0 if the server does not know it: of a client over the network, for example.
func (x *display) pid(window xproto.Window) uint32 {
	if !x.pids {
		return 0
	}
	reply, err := res.QueryClientIds(x.conn, 1, []res.ClientIdSpec{{Client: uint32(window), Mask: res.ClientIdMaskLocalClientPID}}).Reply()
	if err != nil {
		return 0
	}
	for _, id := range reply.Ids {
		if id.Spec.Mask == res.ClientIdMaskLocalClientPID && len(id.Value) > 0 {
			return id.Value[0]
		}
	}
	return 0
}

// belongs reports whether a window is of the same program as the target: programs ask for a selection through a window of their own,
// some through a connection of their own. A clipboard manager, which asks at every change, is another program.
func (x *display) belongs(window xproto.Window, t target) bool {
	mask := xproto.Window(xproto.Setup(x.conn).ResourceIdMask)
	return window&^mask == t.window&^mask || t.pid != 0 && x.pid(window) == t.pid
}

// silent reports whether the window's program promises to answer a ping and does not.
// Source: Extended Window Manager Hints, _NET_WM_PING.
func (x *display) silent(ctx context.Context, t target, limits timing) bool {
	var asked xproto.Window
	x.upwards(t.window, func(w xproto.Window) bool {
		reply, err := xproto.GetProperty(x.conn, false, w, x.atoms.protocols, xproto.AtomAtom, 0, 64).Reply()
		if err == nil && slices.Contains(atomsOf(reply.Value), x.atoms.ping) {
			asked = w
		}
		return asked != 0
	})
	if asked == 0 {
		return false
	}
	x.listen(xproto.EventMaskSubstructureNotify) // answers go to the root
	defer x.listen(xproto.EventMaskNoEvent)
	before := x.pongs
	message := xproto.ClientMessageEvent{Format: 32, Window: asked, Type: x.atoms.protocols, Data: xproto.ClientMessageDataUnionData32New([]uint32{
		uint32(x.atoms.ping), uint32(x.timestamp()), uint32(asked), 0, 0,
	})}
	xproto.SendEvent(x.conn, false, asked, xproto.EventMaskNoEvent, string(message.Bytes()))
	ctx, cancel := context.WithTimeout(ctx, limits.prove)
	defer cancel()
	x.serve(ctx, func() bool { return x.pongs > before })
	return x.pongs == before
}

func (x *display) listen(mask uint32) {
	xproto.ChangeWindowAttributes(x.conn, x.root, xproto.CwEventMask, []uint32{mask})
}
