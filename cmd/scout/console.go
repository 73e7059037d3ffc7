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
	"github.com/scout-speech/scout/internal/printable"
)

// console writes lines that stay and, on a terminal, one line below them that is drawn again and again.
// Its methods may be called from any goroutine. Where writing fails there is nobody left to tell.
type console struct {
	out  io.Writer
	live bool // a terminal that somebody looks at

	mu    sync.Mutex
	drawn int // cells of the line that changes, 0 where there is none
}

// newConsole returns a console on w; quiet keeps it from drawing.
func newConsole(w io.Writer, quiet bool) *console {
	return &console{out: w, live: !quiet && terminal(w) && !dumb()}
}

// dumb is true for terminals that cannot go back in a line.
func dumb() bool {
	name := os.Getenv("TERM")
	return name == "dumb" || name == ""
}

const (
	eraseLine = "\r\x1b[K"
	eraseDown = "\r\x1b[J"
)

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
	width := c.width()
	text = printable.Shorten(text, width)
	_, _ = fmt.Fprint(c.out, c.back(width)+text)
	c.drawn = max(printable.Width(text), 1)
}

// clear takes the line that changes away.
func (c *console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
}

func (c *console) erase() {
	if c.drawn > 0 {
		_, _ = fmt.Fprint(c.out, c.back(c.width()))
		c.drawn = 0
	}
}

// back goes to the beginning of the line that changes and erases it. In a terminal that became narrower meanwhile it
// has been broken into several.
func (c *console) back(width int) string {
	if c.drawn <= width+1 {
		return eraseLine
	}
	return fmt.Sprintf("\x1b[%dA%s", (c.drawn-1)/(width+1), eraseDown)
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
