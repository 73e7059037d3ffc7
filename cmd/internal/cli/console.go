package cli

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"github.com/scout-speech/scout/internal/printable"
)

// Console writes permanent lines and, on a terminal, one line below them that is redrawn. Its methods may be called
// from any goroutine. A failure to write cannot be reported.
type Console struct {
	out io.Writer
	// Live is true on a terminal with a person in front of it.
	Live bool

	mu    sync.Mutex
	drawn bool // the changing line is shown
}

// NewConsole returns a console on w; quiet prevents drawing.
func NewConsole(w io.Writer, quiet bool) *Console {
	return &Console{out: w, Live: !quiet && IsTerminal(w) && !dumb()}
}

// dumb reports whether the terminal cannot go back in a line.
func dumb() bool {
	name := os.Getenv("TERM")
	return name == "dumb" || name == ""
}

// Linef writes a permanent line.
func (c *Console) Linef(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// Draw shows text in the changing line; it does nothing if this is not a terminal.
func (c *Console) Draw(text string) {
	if !c.Live {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text = printable.Shorten(text, c.Width())
	_, _ = fmt.Fprint(c.out, eraseLine+text)
	c.drawn = true
}

// Clear removes the changing line.
func (c *Console) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
}

func (c *Console) erase() {
	if c.drawn {
		_, _ = fmt.Fprint(c.out, eraseLine)
		c.drawn = false
	}
}

// eraseLine goes to the beginning of the changing line and erases it. If the terminal has become narrower, some
// terminals have broken the line into several and others have cut it. Nothing says which, so the cursor never moves up:
// it could reach a line of another program. A part of the old line may stay above.
const eraseLine = "\r\x1b[J"

// Width returns how many characters fit: one less than the terminal has, since some wrap at the last.
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
