package main

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// key is what a person wants with a key.
type key int

const (
	keyStop key = iota
	keyCancel
)

// Times of the keyboard.
const (
	// tapWithin is the longest a tap takes.
	tapWithin = 250 * time.Millisecond
	// escapeWithin is how quickly the rest of a sequence follows Esc.
	escapeWithin = 30 * time.Millisecond
	// repeatWithin is how long a keyboard may take until a key that is held repeats, and goneAfter how far two repeats are apart at most.
	repeatWithin = 700 * time.Millisecond
	goneAfter    = 150 * time.Millisecond
)

// keys reads the keyboard of a dictation: Enter, Ctrl-C and Ctrl-D stop, Esc cancels. With hold the space bar stops when it is let go.
type keys struct {
	terminal bool
	pressed  chan key
	space    chan struct{} // the space bar went down for the first time

	restore func()
	once    sync.Once
}

// stroke is one key as the terminal sends it.
type stroke struct {
	code    rune
	release bool
	exact   bool // the terminal tells releases, so that this is no guess
}

// openKeys begins to read. The caller closes.
func openKeys(in io.Reader, hold bool) (*keys, error) {
	k := &keys{pressed: make(chan key, 4), space: make(chan struct{}), restore: func() {}}
	file, ok := in.(*os.File)
	if !ok {
		return k, nil
	}
	if k.terminal = term.IsTerminal(int(file.Fd())); k.terminal {
		restore, err := keyByKey(file)
		if err != nil {
			return nil, err
		}
		k.restore = restore
		if hold { // kitty's protocol: terminals that know it tell when a key is let go, others ignore this
			_, _ = file.WriteString("\x1b[>11u")
			k.restore = func() {
				_, _ = file.WriteString("\x1b[<u")
				restore()
			}
		}
	}
	bytes := make(chan byte, 64)
	go func() { // ends with the input, at the latest with the process: reading a terminal cannot be interrupted
		defer close(bytes)
		buffer := make([]byte, 64)
		for {
			n, err := file.Read(buffer)
			for _, b := range buffer[:n] {
				bytes <- b
			}
			if err != nil {
				return
			}
		}
	}()
	strokes := make(chan stroke, 16)
	go decodeKeys(bytes, strokes) // ends with bytes
	if hold {
		go k.holding(strokes) // ends with strokes
	} else {
		go k.ordinary(strokes) // the same
	}
	return k, nil
}

// close gives the terminal back.
func (k *keys) close() { k.once.Do(func() { k.restore() }) }

// waitForSpace waits until the space bar is pressed; false if something else ended that.
func (k *keys) waitForSpace(ctx context.Context) bool {
	select {
	case <-k.space:
		return true
	case <-k.pressed:
	case <-ctx.Done():
	}
	return false
}

func (k *keys) tell(what key) {
	select {
	case k.pressed <- what:
	default: // it was said often enough
	}
}

// common acts on the keys that always mean the same; false if it is none.
func (k *keys) common(s stroke) bool {
	if s.release {
		return s.code != ' '
	}
	switch s.code {
	case '\r', '\n', 3, 4:
		k.tell(keyStop)
	case 27:
		k.tell(keyCancel)
	default:
		return false
	}
	return true
}

func (k *keys) ordinary(strokes <-chan stroke) {
	for s := range strokes {
		k.common(s)
	}
}

// holding tells a tap of the space bar from holding it. Terminals that do not tell when it is let go repeat it while it is held.
func (k *keys) holding(strokes <-chan stroke) {
	var down, last time.Time
	exact, repeated, toggled := false, false, false
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case s, open := <-strokes:
			switch {
			case !open:
				return
			case k.common(s) || s.code != ' ':
				continue
			}
			now := time.Now()
			exact = exact || s.exact
			switch {
			case s.release:
				if !down.IsZero() && now.Sub(down) >= tapWithin && !toggled {
					k.tell(keyStop)
				} else {
					toggled = true
				}
			case down.IsZero():
				down = now
				close(k.space)
				timer.Reset(repeatWithin)
			case toggled: // the second tap
				k.tell(keyStop)
			case !exact:
				repeated = true
				timer.Reset(goneAfter)
			}
			last = now
		case <-timer.C:
			switch {
			case exact || down.IsZero() || toggled:
			case repeated:
				k.tell(keyStop) // it was let go
			default:
				toggled = time.Since(last) >= tapWithin
			}
		}
	}
}

// decodeKeys makes strokes of what a terminal sends.
func decodeKeys(bytes <-chan byte, strokes chan<- stroke) {
	defer close(strokes)
	for b := range bytes {
		if b != 27 {
			strokes <- stroke{code: rune(b)}
			continue
		}
		next, more := within(bytes, escapeWithin)
		switch {
		case !more:
			strokes <- stroke{code: 27}
		case next != '[' && next != 'O': // Alt with a key
		default:
			if s, known := sequence(bytes); known {
				strokes <- s
			}
		}
	}
}

func within(bytes <-chan byte, d time.Duration) (byte, bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case b, open := <-bytes:
		return b, open
	case <-timer.C:
		return 0, false
	}
}

// sequence reads the rest of a control sequence. Known are those of kitty's protocol: CSI code ; modifiers : event u.
// Source: sw.kovidgoyal.net/kitty/keyboard-protocol.
func sequence(bytes <-chan byte) (s stroke, known bool) {
	numbers := [3]int{0, 1, 1} // code, modifiers, event
	at, sub := 0, false
	for {
		b, more := within(bytes, escapeWithin)
		switch {
		case !more:
			return stroke{}, false
		case b >= '0' && b <= '9':
			if field := at; field == 0 && !sub || field == 1 && !sub {
				numbers[field] = (numbers[field]*10 + int(b-'0')) % 1_000_000
			} else if field == 1 {
				numbers[2] = int(b - '0')
			}
		case b == ';':
			at, sub = at+1, false
			if at == 1 {
				numbers[1] = 0
			}
		case b == ':':
			sub = true
		case b == 'u':
			s = stroke{code: rune(numbers[0]), release: numbers[2] == 3, exact: true}
			if numbers[1]-1 == 4 { // Ctrl
				s.code &= 0x1f
			}
			return s, numbers[2] != 2
		case b >= 0x40 && b <= 0x7e:
			return stroke{}, false
		}
	}
}
