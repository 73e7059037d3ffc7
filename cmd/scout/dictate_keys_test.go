package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// pressing is one thing that a keyboard does, after a time.
type pressing struct {
	after time.Duration
	sends string
}

// repeating is a key that is held for n repetitions.
func repeating(first, every time.Duration, n int) (all []pressing) {
	all = append(all, pressing{0, " "}, pressing{first, " "})
	for range n {
		all = append(all, pressing{every, " "})
	}
	return all
}

const (
	kittyDown = "\x1b[32;1:1u"
	kittyHeld = "\x1b[32;1:2u"
	kittyUp   = "\x1b[32;1:3u"
)

// What a person does with the space bar, in terminals that report when it is let go and in those that only repeat it.
func TestHoldingTheSpaceBar(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for situation, c := range map[string]struct {
		keys   []pressing
		stops  time.Duration // when the dictation ends; 0 for not at all
		tapped bool
	}{
		"held, and reported":                           {[]pressing{{0, kittyDown}, {500 * ms, kittyHeld}, {500 * ms, kittyUp}}, 1000 * ms, false},
		"held for a moment longer than a tap":          {[]pressing{{0, kittyDown}, {250 * ms, kittyUp}}, 250 * ms, false},
		"a tap, and nothing more":                      {[]pressing{{0, kittyDown}, {249 * ms, kittyUp}}, 0, true},
		"a tap, and another one":                       {[]pressing{{0, kittyDown}, {100 * ms, kittyUp}, {3000 * ms, kittyDown}, {100 * ms, kittyUp}}, 3100 * ms, true},
		"a tap, and then held":                         {[]pressing{{0, kittyDown}, {100 * ms, kittyUp}, {3000 * ms, kittyDown}, {900 * ms, kittyUp}}, 3100 * ms, true},
		"pressed before the terminal said it can tell": {[]pressing{{0, " "}, {5 * ms, "\x1b[?0u"}, {1500 * ms, kittyUp}}, 1505 * ms, false},
		"a release of an earlier press":                {[]pressing{{0, kittyUp}, {500 * ms, kittyDown}, {500 * ms, kittyUp}}, 1000 * ms, false},
		"held, and repeated":                           {repeating(500*ms, 33*ms, 60), 500*ms + 60*33*ms + goneAfter, false},
		"held, repeated slowly":                        {repeating(250*ms, 300*ms, 10), 250*ms + 10*300*ms + goneAfterGaps*300*ms, false},
		"held over an uneven network":                  {append(repeating(500*ms, 33*ms, 20), pressing{140 * ms, " "}, pressing{380 * ms, " "}), 500*ms + 20*33*ms + 140*ms + 380*ms + goneAfterGaps*380*ms, false},
		"a tap without a report":                       {[]pressing{{0, " "}}, 0, true},
		"two taps without a report":                    {[]pressing{{0, " "}, {2000 * ms, " "}}, 2000 * ms, true},
		"two quick taps without a report":              {[]pressing{{0, " "}, {120 * ms, " "}}, 120*ms + againWithin, false},
		"Enter while it is held":                       {[]pressing{{0, " "}, {300 * ms, "\r"}}, 300 * ms, true},
		"Ctrl-C with Num Lock":                         {[]pressing{{0, kittyDown}, {300 * ms, "\x1b[99;133u"}}, 300 * ms, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := &keys{pressed: make(chan key, 4), space: make(chan struct{}), tapped: make(chan struct{}), hold: true}
				bytes, strokes := make(chan byte), make(chan stroke)
				go decodeKeys(bytes, strokes) // ends with bytes
				done := make(chan struct{})
				go func() { defer close(done); k.holding(strokes) }() // ends with strokes
				began := time.Now()
				stopped := make(chan time.Duration, 1)
				go func() { // ends with the first key, or below
					select {
					case <-k.pressed:
						stopped <- time.Since(began)
					case <-done:
						stopped <- 0
					}
				}()
				for _, p := range c.keys {
					time.Sleep(p.after)
					for _, b := range []byte(p.sends) {
						bytes <- b
					}
				}
				time.Sleep(5 * time.Second)
				close(bytes)
				<-done
				if at := <-stopped; at != c.stops {
					t.Errorf("it ended after %v, want %v", at, c.stops)
				}
				if tapped := closed(k.tapped); tapped != c.tapped || !closed(k.space) {
					t.Errorf("tapped %v, pressed %v", tapped, closed(k.space))
				}
			})
		})
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Which key a terminal means, however it says it; Alt, arrows and function keys are nobody's.
func TestKeysAsTerminalsSendThem(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string][]rune{
		"\r": {'\r'}, "\x03": {3}, "\x1a": {26}, "\x04": {4}, " ": {' '},
		"\x1b": {27}, "\x1b[27u": {27}, "\x1b[13u": {13}, "\x1b[99;5u": {3}, "\x1b[99;5:1u": {3}, "\x1b[99;69u": {3}, "\x1b[122;5u": {26},
		"\x1b[A": nil, "\x1bOP": nil, "\x1b[1;5C": nil, "\x1b[15~": nil, "\x1b[32;1:2u": nil, "\x1bx": nil, "\x1b[200~": nil,
		"ü": {0xc3, 0xbc},
	} {
		synctest.Test(t, func(t *testing.T) {
			bytes, strokes := make(chan byte, 32), make(chan stroke, 32)
			for _, b := range []byte(sent) {
				bytes <- b
			}
			go func() { time.Sleep(time.Second); close(bytes) }()
			decodeKeys(bytes, strokes)
			var got []rune
			for s := range strokes {
				got = append(got, s.code)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q is %q, want %q", sent, got, want)
			}
		})
	}
}
