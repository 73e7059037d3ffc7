package file

import (
	"bytes"
	"strings"
	"sync"
)

// tailBytes is how much of a program's complaints is kept, its end.
const tailBytes = 4 << 10

// tail keeps the end of what a program writes. It is written by os/exec's goroutine while the reader
// may look at it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-tailBytes):]...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}

// line returns the last line, printable and of at most 200 characters.
func (t *tail) line() string {
	all := t.String()
	last := all[strings.LastIndexByte(all, '\n')+1:]
	last = strings.ToValidUTF8(last, "?")
	// "[mp3 @ 0x5581c7f1e2c0] " is the part of ffmpeg that speaks, and its address.
	if part, rest, found := strings.Cut(last, "] "); found && strings.HasPrefix(part, "[") && strings.Contains(part, " @ 0x") {
		last = rest
	}
	last = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7F {
			return ' '
		}
		return c
	}, last)
	if runes := []rune(last); len(runes) > 200 {
		last = string(runes[:200]) + "…"
	}
	return strings.TrimSpace(last)
}
