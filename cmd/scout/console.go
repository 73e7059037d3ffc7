package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/scout-speech/scout/internal/audio/level"
)

// console writes lines that stay and, on a terminal, one line below them that is drawn again and again.
// Its methods may be called from any goroutine. Where writing fails there is nobody left to tell.
type console struct {
	out  io.Writer
	live bool // a terminal that somebody looks at

	mu    sync.Mutex
	drawn bool
}

// newConsole returns a console on w; quiet keeps it from drawing.
func newConsole(w io.Writer, quiet bool) *console {
	return &console{out: w, live: !quiet && terminal(w)}
}

const eraseLine = "\r\x1b[K"

// linef writes a line that stays.
func (c *console) linef(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// draw shows text in the line that changes; nothing where this is no terminal.
func (c *console) draw(text string) {
	if !c.live {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprint(c.out, eraseLine+shorten(text, c.width()))
	c.drawn = true
}

// clear takes the line that changes away.
func (c *console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
}

func (c *console) erase() {
	if c.drawn {
		_, _ = fmt.Fprint(c.out, eraseLine)
		c.drawn = false
	}
}

// width is how many characters fit: one less than the terminal has, since some wrap at the last.
func (c *console) width() int {
	const usual = 80
	file, ok := c.out.(*os.File)
	if !ok {
		return usual - 1
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 2 {
		return usual - 1
	}
	return width - 1
}

func shorten(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:width])
}

// meterCells is how many cells the meter has: 3 dB each.
const meterCells = 20

// meterBar draws a level on the scale from -60 to 0 dBFS: full cells up to the RMS, a mark at the peak.
func meterBar(rms, peak float64) string {
	cell := func(linear float64) int {
		share := 1 - level.DBFS(linear)/level.FloorDBFS
		return int(math.Round(share * meterCells))
	}
	full, mark := cell(rms), cell(peak)-1
	var b strings.Builder
	for i := range meterCells {
		switch {
		case i < full:
			b.WriteRune('█')
		case i == mark:
			b.WriteRune('│')
		default:
			b.WriteRune('·')
		}
	}
	return b.String()
}
