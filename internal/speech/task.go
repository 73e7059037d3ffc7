package speech

import (
	"context"
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/speech/segment"
)

// task is work for a driver.
type task struct {
	kind    taskKind
	piece   segment.Piece
	how     How
	at      int64 // for taskRead
	n       int
	began   time.Time
	scratch bool

	// from is what is known of the piece, nil if nothing is used. If whole is set it is all of its text, otherwise the
	// first of ends is decoded that gives a text which fits.
	from   *hypothesis
	whole  bool
	reused bool // the hypothesis goes on behind the piece
	ends   []segment.Piece
	endHow How
	// ahead says that all ends are decoded at once, because a second one that begins when the first has failed comes too late.
	ahead bool
}

type taskKind int

const (
	taskPeek  taskKind = iota + 1 // decode the open piece provisionally
	taskClose                     // decode a closed piece
	taskReady                     // decode the open piece as if the stop came now
	taskRead                      // read audio back
	taskAsk                       // ask for the language of the end of the open piece
)

// outcome is the result of a task.
type outcome struct {
	decoded Decoded
	known   knownTokens
	heard   time.Duration // of what is known, what was decoded all the same; 0 if nothing
	doubt   string
	samples []float32
	err     error
}

// perform does the work of a task. It does not touch the growth.
func (t *task) perform(ctx context.Context, d *Decoder, recorded Recorded) (o outcome) {
	switch t.kind {
	case taskRead:
		o.samples = make([]float32, t.n)
		_, o.err = recorded.ReadAt(ctx, o.samples, t.at)
	case taskPeek, taskAsk:
		if t.from == nil || !t.peekWindow(ctx, d, &o) {
			o.decoded, o.doubt, o.err = d.Peek(ctx, t.piece, t.how)
		}
	case taskClose:
		if t.piece.Peak() < silence {
			o.decoded = silent(t.piece)
			return o
		}
		t.decode(ctx, d, &o)
	case taskReady:
		t.decode(ctx, d, &o)
	}
	if len(o.known.tokens) == 0 {
		o.known = knownTokens{o.decoded.From, o.decoded.tokens}
	}
	return o
}

// decode returns the text of a piece, from what is known of it if possible.
func (t *task) decode(ctx context.Context, d *Decoder, o *outcome) {
	if t.from != nil {
		var ok bool
		if o.decoded, ok, o.err = t.finish(ctx, d); ok || o.err != nil {
			return
		}
	}
	if t.kind == taskReady && t.from != nil {
		o.doubt = reasonDoubtful // all of it would take too long now
		return
	}
	o.decoded, o.err = d.Decode(ctx, t.piece, t.how)
}

// finish returns the text of a piece from what is known of it: all of it if that is final, or else the hypothesis with
// its end decoded. It returns false if all of the piece must be decoded.
func (t *task) finish(ctx context.Context, d *Decoder) (Decoded, bool, error) {
	text, ok := t.from.text, t.whole
	ends, done := t.hearEnds(ctx, d)
	defer done()
	for i := 0; !ok && i < len(t.ends); i++ {
		end := ends(i)
		if end.err != nil && !concernsPiece(end.err) {
			return Decoded{}, false, end.err
		}
		if end.err == nil && end.doubt == "" {
			text, ok = t.from.extend(t.piece, end.text)
		}
	}
	done()
	if !ok {
		return Decoded{}, false, nil
	}
	if t.from.final && t.whole {
		text.Core, text.Peak = coreOf(t.piece), t.piece.Peak()
		return text, true, nil
	}
	text, err := d.complete(ctx, t.piece, t.how, func(segment.Piece, How) (Decoded, error) { return text, nil })
	return text, err == nil, err
}

// heardEnd is what Peek made of an end of a piece.
type heardEnd struct {
	text  Decoded
	doubt string
	err   error
	panic any
}

// hearEnds returns a function that returns what is heard in the end with a number. It decodes the end then, or has begun with all
// of them if the task is ahead. What has not been asked for when done is called is called off; done returns when it has ended.
func (t *task) hearEnds(ctx context.Context, d *Decoder) (hear func(i int) heardEnd, done func()) {
	peek := func(ctx context.Context, i int) (h heardEnd) {
		how := t.endHow
		if i > 0 {
			how.Known = nil // they are those of the first end
		}
		h.text, h.doubt, h.err = d.Peek(ctx, t.ends[i], how)
		return h
	}
	if !t.ahead || len(t.ends) < 2 {
		return func(i int) heardEnd { return peek(ctx, i) }, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make([]chan heardEnd, len(t.ends))
	var running sync.WaitGroup
	for i := range t.ends {
		results[i] = make(chan heardEnd, 1)
		running.Go(func() {
			var h heardEnd
			defer func() {
				h.panic = recover() // it goes on in the goroutine that asks
				results[i] <- h
			}()
			h = peek(ctx, i)
		})
	}
	hear = func(i int) heardEnd {
		h := <-results[i]
		if h.panic != nil {
			panic(h.panic)
		}
		return h
	}
	return hear, func() {
		cancel()
		running.Wait()
	}
}

// silent is what was heard in a piece that is silent throughout. Only such pieces are not decoded.
func silent(p segment.Piece) Decoded {
	d := Decoded{Core: coreOf(p), Peak: p.Peak()}
	d.From, d.To = p.HeardFrom(), p.HeardTo()
	return d
}

// lost reports whether the model was lost in a peek, and may not be if it hears the audio in other ways: sometimes it finds
// nothing as long as a piece begins where it does. It is not lost where it is sure that nothing was said.
func (o *outcome) lost() bool {
	return o.doubt != "" && o.doubt != reasonForgets && (o.doubt != reasonEmpty || o.decoded.wavers())
}
