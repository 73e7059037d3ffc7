package insert

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"github.com/scout-speech/scout"
)

// Keysyms. Source: X11/keysymdef.h.
const (
	symV       = 0x0076
	symInsert  = 0xff63
	symShift   = 0xffe1
	symControl = 0xffe3
)

// held are the modifiers that change what a key means. Caps Lock and Num Lock (Mod2) do not.
const held = xproto.ModMaskShift | xproto.ModMaskControl | xproto.ModMask1 | xproto.ModMask4 | xproto.ModMask5

// heldEvery is how often the keyboard is looked at while modifiers are down: another program's keys come as no event.
const heldEvery = 10 * time.Millisecond

// letGo waits until no modifier is down: the key that ended the dictation may be one of several still held.
func (x *display) letGo(ctx context.Context, t timing) bool {
	for until := time.Now().Add(t.modifiers); ; {
		reply, err := xproto.QueryPointer(x.conn, x.root).Reply()
		if err != nil || reply.Mask&held == 0 {
			return err == nil
		}
		if ctx.Err() != nil || time.Now().After(until) {
			return false
		}
		x.serveFor(ctx, heldEvery)
	}
}

// selections are those that a paste into the window uses.
func (x *display) selections(to target) []xproto.Atom {
	if to.terminal() { // Shift+Insert: some paste the one, some the other
		return []xproto.Atom{x.atoms.clipboard, x.atoms.primary}
	}
	return []xproto.Atom{x.atoms.clipboard}
}

// offer makes the content ready to be pasted.
func (x *display) offer(c content, to target) error {
	for _, name := range x.selections(to) {
		if err := x.own(name, c); err != nil {
			return err
		}
	}
	return nil
}

// paste presses the keys for it: Shift+Insert in a terminal and where the keyboard has no v, else Ctrl+V.
func (x *display) paste(to target) error {
	keyboard, err := x.keyboard()
	if err != nil {
		return err
	}
	modifier, key := keyboard.code(symControl), keyboard.code(symV)
	if to.terminal() || modifier == 0 || key == 0 {
		modifier, key = keyboard.code(symShift), keyboard.code(symInsert)
	}
	if modifier == 0 || key == 0 {
		return scout.Errorf(scout.CodeNotInserted, "the keyboard has no keys to paste with")
	}
	x.heard = x.heard[:0] // whoever asked before was no paste
	for _, k := range []struct {
		event byte
		code  xproto.Keycode
	}{{xproto.KeyPress, modifier}, {xproto.KeyPress, key}, {xproto.KeyRelease, key}, {xproto.KeyRelease, modifier}} {
		if err := xtest.FakeInputChecked(x.conn, k.event, byte(k.code), 0, x.root, 0, 0, 0).Check(); err != nil {
			return scout.Errorf(scout.CodeNotInserted, "press keys: %w", err)
		}
	}
	return nil
}

// keyboard is what the keys mean.
type keyboard struct {
	first   xproto.Keycode
	columns int // of each key: two for each group, without and with Shift
	group   int // which is active: the second of two layouts, for example
	syms    []xproto.Keysym
}

func (x *display) keyboard() (*keyboard, error) {
	setup := xproto.Setup(x.conn)
	reply, err := xproto.GetKeyboardMapping(x.conn, setup.MinKeycode, byte(setup.MaxKeycode-setup.MinKeycode+1)).Reply()
	if err != nil {
		return nil, scout.Errorf(scout.CodeNotInserted, "read the keyboard: %w", err)
	}
	k := &keyboard{first: setup.MinKeycode, columns: int(reply.KeysymsPerKeycode), syms: reply.Keysyms}
	if pointer, err := xproto.QueryPointer(x.conn, x.root).Reply(); err == nil {
		k.group = int(pointer.Mask>>13) & 3 // XKB puts it there: X Keyboard Extension, 11.1
	}
	return k, nil
}

// code returns the key for a symbol: that of the active layout, else of another one, since programs look for shortcuts there too.
// It is 0 if there is none.
func (k *keyboard) code(sym xproto.Keysym) xproto.Keycode {
	columns := []int{2 * k.group}
	for i := 0; i < k.columns; i += 2 {
		columns = append(columns, i)
	}
	for _, column := range columns {
		for i := column; column < k.columns && i < len(k.syms); i += k.columns {
			if k.syms[i] == sym {
				return k.first + xproto.Keycode(i/k.columns)
			}
		}
	}
	return 0
}

// asked waits until the window has asked for the text, and got all of it.
func (x *display) asked(ctx context.Context, t target, limits timing) bool {
	prove, cancel := context.WithTimeout(ctx, limits.prove)
	defer cancel()
	count := func(done bool) (n int) {
		for _, r := range x.heard {
			if (r.done || !done) && x.belongs(r.by, t) {
				n++
			}
		}
		return n
	}
	x.serve(prove, func() bool { return count(false) > 0 })
	if count(false) == 0 {
		return false
	}
	all, stop := context.WithTimeout(ctx, 10*limits.transfer)
	defer stop()
	x.serve(all, func() bool { return count(true) > 0 })
	return count(true) > 0
}

// xdotool changes the keyboard map for each letter that the layout does not have, and programs read the map late. Of six texts with
// such letters five arrived incomplete with 2 ms between the keys, two with 12 ms, none with 25 ms (docs/adr/0060-insertion.md).
const keyEvery = 25 * time.Millisecond

// maxTyped is the most characters that are typed: 25 s, in which the user cannot use the keyboard.
const maxTyped = 1000

// xdotool types the text. It gets it through a pipe, so that no other program sees it.
func (x *display) xdotool(ctx context.Context, text string) error {
	program, err := exec.LookPath("xdotool")
	if err != nil {
		return scout.Errorf(scout.CodeNotInserted, "xdotool is not installed")
	}
	runes := utf8.RuneCountInString(text)
	if runes > maxTyped {
		return scout.Errorf(scout.CodeNotInserted, "the text is too long to be typed: it has %d characters", runes)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second+4*time.Duration(runes)*keyEvery)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "type", "--clearmodifiers", "--delay", strconv.FormatInt(keyEvery.Milliseconds(), 10), "--file", "-")
	cmd.Stdin = strings.NewReader(text)
	cmd.Env = append(cmd.Environ(), "DISPLAY="+x.name, "LC_ALL=C.UTF-8") // it reads the text as the locale says
	if out, err := cmd.CombinedOutput(); err != nil {
		return scout.Errorf(scout.CodeNotInserted, "xdotool: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
