package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/printable"
)

// redrawEvery is how often the progress line is redrawn, so that the elapsed time continues while a piece is decoded.
const redrawEvery = 500 * time.Millisecond

// lengthSlack is how much longer than declared an input may be before its declared length counts as wrong.
const lengthSlack = time.Second

// progress shows how far the work is, in a line on a terminal. Without a terminal it shows nothing.
type progress struct {
	show  *cli.Console
	total int // inputs

	mu     sync.Mutex
	state  progressState
	began  time.Time
	stop   chan struct{} // closed to end the redrawing; nil if nothing is drawn
	ticker sync.WaitGroup
}

// progressState is the content of the line.
type progressState struct {
	name         string
	file, files  int // file 2 of 5
	done, length time.Duration
	elapsed      time.Duration
}

func newProgress(show *cli.Console, inputs int) *progress {
	return &progress{show: show, total: inputs}
}

// begin shows input i, which has the given length (0 if it is unknown). end removes the line.
func (p *progress) begin(i int, name string, length time.Duration) {
	p.end()
	if !p.show.Live {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = time.Now()
	p.state = progressState{name: printable.Line(filepath.Base(name)), file: i + 1, files: p.total, length: length}
	stop := make(chan struct{})
	p.stop = stop
	p.ticker.Go(func() { // ended by end, which waits for it
		ticker := time.NewTicker(redrawEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				p.draw()
			}
		}
	})
}

// update shows how much audio has become text.
func (p *progress) update(done time.Duration) {
	p.mu.Lock()
	p.state.done = done
	p.mu.Unlock()
	p.draw()
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop == nil || p.state.done == 0 {
		return // before the first text the line only says that it waits, see wait
	}
	p.state.elapsed = time.Since(p.began)
	const echo = 2 // the terminal shows ^C after the line
	p.show.Draw(p.state.line(max(p.show.Width()-echo, 8)))
}

// end removes the line.
func (p *progress) end() {
	p.mu.Lock()
	stop := p.stop
	p.stop = nil
	p.mu.Unlock()
	if stop != nil {
		close(stop)
		p.ticker.Wait()
		p.show.Clear()
	}
}

// line returns the state in at most that many cells. It shortens the name first, and then leaves out the least
// important parts.
func (s *progressState) line(cells int) string {
	const leastName, leastBar, mostBar = 8, 6, 30
	if s.done > s.length+lengthSlack {
		s.length = 0 // the stream is longer than its header says: its length is unknown
	}
	figure := printable.Length(s.done) + " done"
	left, bar := "", ""
	if s.length > 0 {
		share := min(s.done.Seconds()/s.length.Seconds(), 1)
		figure = fmt.Sprintf("%d%%", int(share*100))
		if share > 0 {
			left = "about " + ticking(time.Duration(float64(s.elapsed)/share*(1-share))) + " left"
		}
	}
	elapsed := ticking(s.elapsed) + " elapsed"
	file := ""
	if s.files > 1 {
		file = fmt.Sprintf("file %d of %d", s.file, s.files)
	}
	join := func(parts ...string) string {
		var there []string
		for _, part := range parts {
			if part != "" {
				there = append(there, part)
			}
		}
		return strings.Join(there, "  ")
	}
	for _, rest := range []string{ // the most informative one that leaves room for a name
		join(file, figure, elapsed, left),
		join(file, figure, left),
		join(figure, left),
		join(file, figure),
		figure,
	} {
		room := cells - printable.Width(rest) - 2
		if room < leastName {
			continue
		}
		name := printable.ShortenMiddle(s.name, room)
		if free := room - printable.Width(name) - 2; s.length > 0 && free >= leastBar {
			bar = drawBar(min(free, mostBar), s.done.Seconds()/s.length.Seconds())
		}
		return join(name, bar, rest)
	}
	for _, rest := range []string{join(figure, left), figure} {
		if printable.Width(rest) <= cells {
			return rest
		}
	}
	return printable.Shorten(figure, cells)
}

// drawBar draws a bar for a share from 0 to 1, in that many cells including the brackets.
func drawBar(cells int, share float64) string {
	inner := cells - 2
	full := int(min(max(share, 0), 1) * float64(inner))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", inner-full) + "]"
}
