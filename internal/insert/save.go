package insert

import (
	"context"
	"slices"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/scout-speech/scout"
)

// maxSavedBytes bounds what is kept of a clipboard: pictures of a few screens.
const maxSavedBytes = 256 << 20

// save reads what the selections that a paste uses are in all their forms, so that they can be put back.
func (x *display) save(ctx context.Context, to target, t timing) (map[xproto.Atom]content, error) {
	ctx, cancel := context.WithTimeout(ctx, t.save)
	defer cancel()
	saved := make(map[xproto.Atom]content)
	room := maxSavedBytes
	for _, name := range x.selections(to) {
		c, err := x.read(ctx, name, t, &room)
		if err != nil && name == x.atoms.clipboard {
			return nil, err
		}
		saved[name] = c // the primary selection is a convenience: what of it cannot be read is no reason to stop
	}
	return saved, nil
}

// read reads one selection in all its forms; nil if nobody owns it.
func (x *display) read(ctx context.Context, name xproto.Atom, t timing, room *int) (content, error) {
	owner, err := xproto.GetSelectionOwner(x.conn, name).Reply()
	if err != nil || owner.Owner == xproto.WindowNone {
		return nil, nil //nolint:nilerr // there is nothing to save
	}
	list, err := x.fetch(ctx, name, x.atoms.targets, t, room)
	if err != nil {
		return nil, err
	}
	forms := atomsOf(list.data)
	if len(forms) == 0 { // a program that knows no TARGETS
		forms = []xproto.Atom{x.atoms.utf8, x.atoms.str}
	}
	c := make(content)
	for _, form := range forms {
		if x.action(form) {
			continue
		}
		d, err := x.fetch(ctx, name, form, t, room)
		if err != nil {
			return nil, err
		}
		if d.format != 0 {
			c[form] = d
		}
	}
	return c, nil
}

// action reports whether a form is none, but asks the owner for something. ICCCM 2.6.3, and the clipboard manager of freedesktop.org.
func (x *display) action(form xproto.Atom) bool {
	if slices.Contains([]xproto.Atom{xproto.AtomNone, x.atoms.targets, x.atoms.multiple, x.atoms.timestamp, x.atoms.saveTargets}, form) {
		return true
	}
	name, err := xproto.GetAtomName(x.conn, form).Reply()
	return err != nil || slices.Contains([]string{"DELETE", "INSERT_SELECTION", "INSERT_PROPERTY"}, name.Name)
}

// fetch reads a selection in one form; a zero datum if its owner does not give that. The error says that the owner does not answer.
func (x *display) fetch(ctx context.Context, name, form xproto.Atom, t timing, room *int) (datum, error) {
	xproto.DeleteProperty(x.conn, x.window, x.atoms.property)
	xproto.ConvertSelection(x.conn, x.window, name, form, x.atoms.property, x.timestamp())
	event, err := x.await(ctx, t.transfer, func(e xgb.Event) bool {
		n, is := e.(xproto.SelectionNotifyEvent)
		return is && n.Selection == name && n.Target == form
	})
	if err != nil {
		return datum{}, err
	}
	if n, is := event.(xproto.SelectionNotifyEvent); !is || n.Property == xproto.AtomNone {
		return datum{}, nil
	}
	d, err := x.take(room)
	if err != nil || d.kind != x.atoms.incr {
		return d, err
	}
	var whole datum
	for { // taking a part asks for the next one
		_, err := x.await(ctx, t.transfer, func(e xgb.Event) bool {
			p, is := e.(xproto.PropertyNotifyEvent)
			return is && p.Window == x.window && p.Atom == x.atoms.property && p.State == xproto.PropertyNewValue
		})
		if err != nil {
			return datum{}, err
		}
		part, err := x.take(room)
		if err != nil {
			return datum{}, err
		}
		if len(part.data) == 0 {
			return whole, nil
		}
		whole.kind, whole.format = part.kind, part.format
		whole.data = append(whole.data, part.data...)
	}
}

// take reads and removes our property.
func (x *display) take(room *int) (datum, error) {
	var d datum
	for offset := uint32(0); ; {
		const words = 1 << 18 // a megabyte
		reply, err := xproto.GetProperty(x.conn, false, x.window, x.atoms.property, xproto.GetPropertyTypeAny, offset, words).Reply()
		if err != nil {
			return datum{}, scout.Errorf(scout.CodeNotInserted, "the content of the clipboard could not be read")
		}
		if *room -= len(reply.Value); *room < 0 {
			return datum{}, scout.Errorf(scout.CodeNotInserted, "more is on the clipboard than Scout can keep")
		}
		d.kind, d.format = reply.Type, reply.Format
		d.data = append(d.data, reply.Value...)
		offset += uint32(len(reply.Value) / 4)
		if reply.BytesAfter == 0 {
			break
		}
	}
	xproto.DeleteProperty(x.conn, x.window, x.atoms.property)
	return d, nil
}

// await answers other programs until an event fits.
func (x *display) await(ctx context.Context, within time.Duration, fits func(xgb.Event) bool) (xgb.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		select {
		case event, open := <-x.events:
			switch {
			case !open:
				x.lost = true
				return nil, scout.Errorf(scout.CodeNoDisplay, "the X server ended")
			case fits(event):
				return event, nil
			}
			x.handle(event)
		case <-ctx.Done():
			return nil, scout.Errorf(scout.CodeNotInserted, "the program that owns the clipboard does not answer")
		}
	}
}
