// Package insert delivers text to other programs: to the clipboard, or into the window that has the keyboard focus.
//
// Insertion into a window is for X11. The text goes onto the clipboard, the window is told to paste, and the paste is proved by
// the window asking for the clipboard. Only then is the former content of the clipboard put back.
// Source: docs/adr/0060-insertion.md.
package insert

import (
	"context"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// Log events.
const (
	eventInserted    = "text_inserted"
	eventNotInserted = "text_not_inserted"
)

// Method is how text got into a window.
type Method string

// The methods.
const (
	// MethodPaste: the window was told to paste, and asked for the clipboard.
	MethodPaste Method = "paste"
	// MethodType: xdotool typed it. Nothing tells whether the window took it.
	MethodType Method = "type"
	// MethodNone: the text was not given to a window.
	MethodNone Method = "none"
)

// Clipboard is what is on the clipboard after an insertion.
type Clipboard string

// What may be on it.
const (
	ClipboardRestored Clipboard = "restored" // what was there before
	ClipboardText     Clipboard = "text"     // the text
	ClipboardKept     Clipboard = "kept"     // it was not touched
)

// Result is what became of a text.
type Result struct {
	Method Method `json:"method"`
	// Proved is true if the window asked for the text.
	Proved    bool      `json:"proved"`
	Clipboard Clipboard `json:"clipboard"`
	// Window is the class of the window that had the focus, empty if there was none.
	Window string `json:"window,omitempty"`
	// Code and Reason say why the text was not pasted; empty if it was.
	Code   scout.Code `json:"code,omitempty"`
	Reason string     `json:"reason,omitempty"`
	// Millis is how long it took.
	Millis int64 `json:"duration_ms"`
}

// Err is the failure that keeps the text from being where the user wanted it; nil if it was pasted or typed.
func (r *Result) Err() error {
	if r.Method != MethodNone {
		return nil
	}
	err := scout.Errorf(r.Code, "%s", r.Reason)
	if r.Clipboard == ClipboardText {
		return err.WithHint("the text is on the clipboard: paste it where it belongs")
	}
	return err
}

// Timing of an insertion. Tests make it shorter.
type timing struct {
	prove     time.Duration // how long a window may take to ask for the clipboard
	save      time.Duration // to read all of the clipboard's former content
	transfer  time.Duration // for one step of a transfer, after which the other side is given up
	modifiers time.Duration // to wait until the user has let go of Shift, Ctrl and their like
}

func ordinary() timing {
	return timing{prove: 500 * time.Millisecond, save: 2 * time.Second, transfer: time.Second, modifiers: time.Second}
}

// Session owns the clipboard for one insertion. One goroutine uses it.
type Session struct {
	log    *slog.Logger
	timing timing
	x      *display
}

// Open connects to an X server by the name that $DISPLAY has. The error has scout.CodeNoDisplay if there is none. The caller closes
// the session.
func Open(scope observe.Scope, name string) (*Session, error) {
	x, err := connect(name)
	if err != nil {
		return nil, err
	}
	return &Session{log: scope.Component("insert").Log(), timing: ordinary(), x: x}, nil
}

// Close ends the connection. What the session had on the clipboard is gone then: see Hold.
func (s *Session) Close() { s.x.close() }

// Copy puts the text on the clipboard.
func (s *Session) Copy(text string) error {
	return s.x.own(s.x.atoms.clipboard, textContent(s.x, text))
}

// Hold serves what is on the clipboard until another program puts something there, the X server ends, or ctx does.
func (s *Session) Hold(ctx context.Context) {
	s.x.serve(ctx, func() bool { return len(s.x.owned) == 0 })
}

// Type puts the text into the window that has the focus, in one piece. It always returns what became of it. Afterwards Hold keeps
// the clipboard filled.
func (s *Session) Type(ctx context.Context, text string) Result {
	began := time.Now()
	r := s.insert(ctx, text)
	r.Millis = time.Since(began).Milliseconds()
	log := s.log.With(slog.String("method", string(r.Method)), slog.String("clipboard", string(r.Clipboard)), slog.String("window", r.Window))
	if r.Method == MethodNone {
		log.Warn(eventNotInserted, slog.String(observe.KeyCode, string(r.Code)), slog.String(observe.KeyError, r.Reason), slog.Int64(observe.KeyDurationMS, r.Millis))
		return r
	}
	log.Info(eventInserted, slog.Bool("proved", r.Proved), slog.Int64(observe.KeyDurationMS, r.Millis))
	return r
}

func (s *Session) insert(ctx context.Context, text string) Result {
	x := s.x
	target := x.focused()
	if target.window == 0 {
		return s.leave(text, Result{Code: scout.CodeNoWindow, Reason: "no window has the keyboard focus"})
	}
	r := Result{Window: target.class}
	saved, err := x.save(ctx, target, s.timing)
	if err != nil { // what is on the clipboard could not be put back: it stays, and the text is typed
		if typeErr := x.xdotool(ctx, text); typeErr == nil {
			r.Method, r.Clipboard, r.Code, r.Reason = MethodType, ClipboardKept, scout.CodeOf(err), scout.Plain(err)
			return r
		}
		r.Method, r.Clipboard, r.Code, r.Reason = MethodNone, ClipboardKept, scout.CodeOf(err), scout.Plain(err)
		return r
	}
	if !x.letGo(ctx, s.timing) {
		r.Code, r.Reason = scout.CodeNotInserted, "keys were held down on the keyboard"
		return s.leave(text, r)
	}
	if now := x.focused(); now.window != target.window {
		r.Code, r.Reason = scout.CodeNotInserted, "another window got the keyboard focus"
		return s.leave(text, r)
	}
	content := textContent(x, text)
	if err := x.offer(content, target); err != nil {
		r.Code, r.Reason = scout.CodeOf(err), scout.Plain(err)
		return s.leave(text, r)
	}
	if err := x.paste(target); err == nil && x.asked(ctx, target, s.timing) {
		r.Method, r.Proved = MethodPaste, true
		r.Clipboard = ClipboardRestored
		if err := x.restore(saved); err != nil {
			r.Clipboard = ClipboardText
		}
		return r
	}
	return s.typed(ctx, text, target, r)
}

// typed is the second way: xdotool types. The text stays on the clipboard, since nothing proves that it arrived.
func (s *Session) typed(ctx context.Context, text string, target target, r Result) Result {
	x := s.x
	r.Code, r.Reason = scout.CodeNotInserted, "the window did not take the text from the clipboard"
	if now := x.focused(); now.window != target.window {
		r.Reason = "the window was closed, or another one got the keyboard focus"
		return s.leave(text, r)
	}
	if x.silent(ctx, target, s.timing) { // it would paste when it wakes up, and then read what was typed as well
		r.Reason = "the window does not answer"
		return s.leave(text, r)
	}
	x.refused = &target
	defer func() { x.refused = nil }()
	err := x.during(ctx, func(ctx context.Context) error { return x.xdotool(ctx, text) })
	if err != nil {
		return s.leave(text, r)
	}
	r.Method, r.Clipboard = MethodType, ClipboardText
	x.serveFor(ctx, s.timing.prove) // a paste that comes late is refused: the window has the text
	return r
}

// leave leaves the text on the clipboard.
func (s *Session) leave(text string, r Result) Result {
	r.Method, r.Clipboard = MethodNone, ClipboardText
	if err := s.Copy(text); err != nil {
		r.Clipboard = ClipboardKept
	}
	return r
}
