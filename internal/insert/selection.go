package insert

import (
	"encoding/binary"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"

	"github.com/scout-speech/scout"
)

// datum is what a selection is in one form.
type datum struct {
	kind   xproto.Atom // its type: that of the form, as a rule
	format byte        // bits of an item: 8, 16, 32
	data   []byte
}

// content is what a selection is in all its forms.
type content map[xproto.Atom]datum

// selection is one that we own.
type selection struct {
	content content
	at      xproto.Timestamp // since when
}

// textContent is a text as a selection.
func textContent(x *display, text string) content {
	unicode := datum{kind: x.atoms.utf8, format: 8, data: []byte(text)}
	c := content{
		x.atoms.utf8: unicode, x.atoms.text: unicode,
		x.atoms.plainUTF8: {kind: x.atoms.plainUTF8, format: 8, data: []byte(text)}, x.atoms.plain: {kind: x.atoms.plain, format: 8, data: []byte(text)},
	}
	if latin, ok := latin1(text); ok { // STRING has no other characters: ICCCM 2.7.1
		c[x.atoms.str] = datum{kind: x.atoms.str, format: 8, data: latin}
	}
	return c
}

func latin1(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff || r == utf8.RuneError {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

// own takes a selection.
func (x *display) own(name xproto.Atom, c content) error {
	at := x.timestamp()
	xproto.SetSelectionOwner(x.conn, x.window, name, at)
	owner, err := xproto.GetSelectionOwner(x.conn, name).Reply()
	if err != nil || owner.Owner != x.window {
		return scout.Errorf(scout.CodeNotInserted, "the X server did not give Scout the clipboard")
	}
	x.owned[name] = &selection{content: c, at: at}
	return nil
}

// restore puts former content back, also nothing if there was none.
func (x *display) restore(saved map[xproto.Atom]content) error {
	for name, c := range saved {
		if x.owned[name] == nil {
			continue // another program has put something there meanwhile
		}
		if len(c) > 0 {
			if err := x.own(name, c); err != nil {
				return err
			}
			continue
		}
		xproto.SetSelectionOwner(x.conn, xproto.WindowNone, name, x.timestamp())
		delete(x.owned, name)
	}
	return nil
}

// request is what somebody asked of us.
type request struct {
	by     xproto.Window
	target xproto.Atom
	done   bool // everything was handed over
}

// answer gives somebody what they ask for. ICCCM 2.2.
func (x *display) answer(e xproto.SelectionRequestEvent) {
	property := e.Property
	if property == xproto.AtomNone { // a client of the time before ICCCM
		property = e.Target
	}
	s := x.owned[e.Selection]
	given := false
	if s != nil && (x.refused == nil || !x.belongs(e.Requestor, *x.refused)) {
		if e.Target == x.atoms.multiple {
			given = x.giveSeveral(s, e.Requestor, property)
		} else {
			given = x.give(s, e.Requestor, property, e.Target)
		}
	}
	if !given {
		property = xproto.AtomNone
	}
	notify := xproto.SelectionNotifyEvent{Time: e.Time, Requestor: e.Requestor, Selection: e.Selection, Target: e.Target, Property: property}
	xproto.SendEvent(x.conn, false, e.Requestor, xproto.EventMaskNoEvent, string(notify.Bytes()))
}

// give hands one form over; false if there is none such.
func (x *display) give(s *selection, to xproto.Window, property, form xproto.Atom) bool {
	var d datum
	switch form {
	case x.atoms.targets:
		list := []xproto.Atom{x.atoms.targets, x.atoms.multiple, x.atoms.timestamp}
		for known := range s.content {
			list = append(list, known)
		}
		slices.Sort(list[3:])
		d = datum{kind: x.atoms.atom, format: 32, data: atomBytes(list)}
	case x.atoms.timestamp:
		d = datum{kind: x.atoms.integer, format: 32, data: binary.LittleEndian.AppendUint32(nil, uint32(s.at))}
	default:
		var known bool
		if d, known = s.content[form]; !known {
			return false
		}
		defer func() {
			x.heard = append(x.heard, request{by: to, target: form, done: x.sending[transferKey{to, property}] == nil})
		}()
	}
	if len(d.data) <= x.partBytes() {
		x.put(to, property, d)
		return true
	}
	key := transferKey{to, property}
	x.sending[key] = &transfer{datum: d, at: time.Now(), form: form}
	xproto.ChangeWindowAttributes(x.conn, to, xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange | xproto.EventMaskStructureNotify})
	x.put(to, property, datum{kind: x.atoms.incr, format: 32, data: binary.LittleEndian.AppendUint32(nil, uint32(len(d.data)))})
	return true
}

// giveSeveral hands several forms over: the property has pairs of a form and the property for it. Those that could not be given
// become None.
func (x *display) giveSeveral(s *selection, to xproto.Window, property xproto.Atom) bool {
	reply, err := xproto.GetProperty(x.conn, false, to, property, x.atoms.pair, 0, 1<<16).Reply()
	if err != nil || reply.Format != 32 {
		return false
	}
	pairs := atomsOf(reply.Value)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == xproto.AtomNone || !x.give(s, to, pairs[i+1], pairs[i]) {
			pairs[i+1] = xproto.AtomNone
		}
	}
	x.put(to, property, datum{kind: x.atoms.pair, format: 32, data: atomBytes(pairs)})
	return true
}

// transferKey names a transfer in parts: each is through a property of its own.
type transferKey struct {
	window   xproto.Window
	property xproto.Atom
}

// transfer is one in parts (INCR, ICCCM 2.7.2): the next part goes out when the receiver has removed the one before.
type transfer struct {
	datum
	at   time.Time // of its last step
	form xproto.Atom
}

// proceed sends the next part. An empty one is the end.
func (x *display) proceed(key transferKey) {
	t := x.sending[key]
	if t == nil {
		return
	}
	n := min(len(t.data), x.partBytes())
	x.put(key.window, key.property, datum{kind: t.kind, format: t.format, data: t.data[:n]})
	t.data, t.at = t.data[n:], time.Now()
	if n > 0 {
		return
	}
	delete(x.sending, key)
	for i := range x.heard {
		if r := &x.heard[i]; r.by == key.window && r.target == t.form {
			r.done = true
		}
	}
}

// partBytes is how much goes in one request, divisible by any item.
func (x *display) partBytes() int {
	const most = 64 << 10
	return min(most, int(xproto.Setup(x.conn).MaximumRequestLength)*4-64) &^ 3
}

// put changes a property of another program's window.
func (x *display) put(to xproto.Window, property xproto.Atom, d datum) {
	xproto.ChangeProperty(x.conn, xproto.PropModeReplace, to, property, d.kind, d.format, uint32(len(d.data)/int(d.format/8)), d.data)
}

func atomBytes(list []xproto.Atom) []byte {
	out := make([]byte, 0, 4*len(list))
	for _, a := range list {
		out = binary.LittleEndian.AppendUint32(out, uint32(a))
	}
	return out
}

func atomsOf(data []byte) []xproto.Atom {
	var list []xproto.Atom
	for ; len(data) >= 4; data = data[4:] {
		list = append(list, xproto.Atom(binary.LittleEndian.Uint32(data)))
	}
	return list
}
