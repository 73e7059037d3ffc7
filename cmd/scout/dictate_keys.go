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
	keyStop      key = iota
	keyInterrupt     // stops; again: leaves the text to the daemon
	keyCancel
	keySuspend
)

// Times of the keyboard.
const (
	// tapWithin is the longest a tap takes.
	tapWithin = 250 * time.Millisecond
	// escapeWithin is how quickly the rest of a sequence follows Esc.
	escapeWithin = 30 * time.Millisecond
	// repeatWithin is the longest that a keyboard takes until a key that is held repeats, and againWithin until it repeats once more.
	repeatWithin = 700 * time.Millisecond
	againWithin  = 400 * time.Millisecond
	// goneAfter is the least time without a repetition after which a key was let go, and goneAfterGaps how many times the longest gap
	// between repetitions so far that takes: keyboards repeat at 2 to 40 a second, and a network delivers unevenly.
	goneAfter     = 150 * time.Millisecond
	goneAfterGaps = 3
)

// keys reads the keyboard of a dictation: Enter, Ctrl-C and Ctrl-D stop, Esc cancels. With hold the space bar stops when it is let go.
type keys struct {
	terminal bool
	pressed  chan key
	space    chan struct{} // closed when the space bar goes down for the first time
	tapped   chan struct{} // closed when that was a tap: the next one stops

	file *os.File // nil without a terminal
	hold bool

	mu      sync.Mutex
	restore func() // gives the terminal back; nil while it has it
	pushed  bool   // the terminal reports when a key is let go
}

// stroke is one key as the terminal sends it.
type stroke struct {
	code    rune
	release bool
	exact   bool // the terminal tells releases, so that this is no guess
	offers  bool // no key: the terminal says that it can tell them
}

// openKeys begins to read. The caller closes. Where this program is in the background of its terminal, the keys are for others.
func openKeys(in io.Reader, hold bool) (*keys, error) {
	k := &keys{pressed: make(chan key, 4), space: make(chan struct{}), tapped: make(chan struct{}), hold: hold}
	file, ok := in.(*os.File)
	if !ok {
		return k, nil
	}
	if term.IsTerminal(int(file.Fd())) {
		if !inForeground(file) {
			return k, nil
		}
		k.terminal, k.file = true, file
		if err := k.open(); err != nil {
			return nil, err
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

// Kitty's protocol. A terminal that knows it answers the question; others ignore it, as they would not ignore what follows.
// Source: sw.kovidgoyal.net/kitty/keyboard-protocol.
const (
	askReleases  = "\x1b[?u"
	pushReleases = "\x1b[>11u" // every key as a sequence, with its release
	popReleases  = "\x1b[<u"
)

// open makes the terminal give each key at once; close and open may be called in turn.
func (k *keys) open() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil || k.restore != nil {
		return nil
	}
	restore, err := keyByKey(k.file)
	if err != nil {
		return err
	}
	k.restore = restore
	if k.hold {
		_, _ = k.file.WriteString(askReleases) // without an answer it is a guess
	}
	return nil
}

// close gives the terminal back.
func (k *keys) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.restore == nil {
		return
	}
	if k.pushed {
		_, _ = k.file.WriteString(popReleases)
	}
	k.restore()
	k.restore, k.pushed = nil, false
}

// push makes a terminal that can tell it report when a key is let go.
func (k *keys) push() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.restore != nil && !k.pushed {
		_, _ = k.file.WriteString(pushReleases)
		k.pushed = true
	}
}

// waitForSpace waits until the space bar is pressed; false if something else ended that.
func (k *keys) waitForSpace(ctx context.Context) bool {
	for {
		select {
		case <-k.space:
			return true
		case what := <-k.pressed:
			if what != keySuspend {
				return false
			}
			k.close()
			stopHere()
			if k.open() != nil {
				return false
			}
		case <-ctx.Done():
			return false
		}
	}
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
	if s.offers {
		k.push()
		return true
	}
	switch s.code {
	case '\r', '\n', 4:
		k.tell(keyStop)
	case 3:
		k.tell(keyInterrupt)
	case 26:
		k.tell(keySuspend)
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

// holding tells a tap of the space bar from holding it. Terminals that do not report when it is let go repeat it while it is held: the
// end of that is the only sign, and a press that ends before the first repetition cannot be told from a tap.
func (k *keys) holding(strokes <-chan stroke) {
	var down, last time.Time
	var longest time.Duration // between two repetitions
	exact, repeated, toggled := false, false, false
	toggle := func() {
		if !toggled {
			toggled = true
			close(k.tapped)
		}
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case s, open := <-strokes:
			switch {
			case !open:
				return
			case k.common(s) || s.code != ' ':
				exact = exact || s.offers
				continue
			}
			now := time.Now()
			exact = exact || s.exact
			switch {
			case down.IsZero():
				if s.release { // of a press before this began
					continue
				}
				down = now
				close(k.space)
				timer.Reset(repeatWithin)
			case s.release && now.Sub(down) >= tapWithin && !toggled:
				k.tell(keyStop)
			case s.release:
				toggle()
			case toggled: // the second tap
				k.tell(keyStop)
			case exact:
			case !repeated:
				repeated = true
				timer.Reset(againWithin)
			default:
				longest = max(longest, now.Sub(last))
				timer.Reset(max(goneAfter, goneAfterGaps*longest))
			}
			last = now
		case <-timer.C:
			switch {
			case exact || down.IsZero() || toggled:
			case repeated:
				k.tell(keyStop) // it was let go
			default:
				toggle()
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

// Modifiers of kitty's protocol.
const (
	ctrl  = 4
	locks = 64 | 128 // Caps Lock and Num Lock
)

// sequence reads the rest of a control sequence. Known are those of kitty's protocol: CSI code ; modifiers : event u.
func sequence(bytes <-chan byte) (s stroke, known bool) {
	numbers := [3]int{0, 1, 1} // code, modifiers, event
	at, sub, reply := 0, false, false
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
		case b == '?':
			reply = true
		case b == 'u' && reply:
			return stroke{offers: true}, true
		case b == 'u':
			s = stroke{code: rune(numbers[0]), release: numbers[2] == 3, exact: true}
			if (numbers[1]-1)&^locks == ctrl {
				s.code &= 0x1f
			}
			return s, numbers[2] != 2
		case b >= 0x40 && b <= 0x7e:
			return stroke{}, false
		}
	}
}
