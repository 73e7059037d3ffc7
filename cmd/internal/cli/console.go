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
	drawn bool // the line that changes is there
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
	text = printable.Shorten(text, c.Width())
	_, _ = fmt.Fprint(c.out, eraseLine+text)
	c.drawn = true
}

// Clear takes the line that changes away.
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

// eraseLine goes to the beginning of the line that changes and erases it. Where the terminal became narrower meanwhile,
// some terminals have broken it into several lines and others have cut it. Nothing tells which, so the cursor never goes
// up: it could reach a line that is not the console's. A part of the old line may stay above.
const eraseLine = "\r\x1b[J"

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
