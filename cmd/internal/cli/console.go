package cli

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"github.com/scout-speech/scout/internal/printable"
)

// Console writes lines that stay and, on a terminal, one line below them that is drawn again and again.
// Its methods may be called from any goroutine. Where writing fails there is nobody left to tell.
type Console struct {
	out io.Writer
	// Live is true on a terminal that somebody looks at.
	Live bool

	mu    sync.Mutex
	drawn int // cells of the line that changes, 0 where there is none
}

// NewConsole returns a console on w; quiet keeps it from drawing.
func NewConsole(w io.Writer, quiet bool) *Console {
	return &Console{out: w, Live: !quiet && IsTerminal(w) && !dumb()}
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

// Linef writes a line that stays.
func (c *Console) Linef(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// Draw shows text in the line that changes; nothing where this is no terminal.
func (c *Console) Draw(text string) {
	if !c.Live {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	width := c.Width()
	text = printable.Shorten(text, width)
	_, _ = fmt.Fprint(c.out, c.back(width)+text)
	c.drawn = max(printable.Width(text), 1)
}

// Clear takes the line that changes away.
func (c *Console) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
}

func (c *Console) erase() {
	if c.drawn > 0 {
		_, _ = fmt.Fprint(c.out, c.back(c.Width()))
		c.drawn = 0
	}
}

// back goes to the beginning of the line that changes and erases it. In a terminal that became narrower meanwhile it
// has been broken into several.
func (c *Console) back(width int) string {
	if c.drawn <= width+1 {
		return eraseLine
	}
	return fmt.Sprintf("\x1b[%dA%s", (c.drawn-1)/(width+1), eraseDown)
}

// Width is how many characters fit: one less than the terminal has, since some wrap at the last.
func (c *Console) Width() int {
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
