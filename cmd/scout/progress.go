package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/scout-speech/scout/internal/speech"
)

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar
	name  string
	began time.Time
}

// newProgress starts a bar for audio of the given length, 0 where it is unknown.
func newProgress(a *app, quiet bool, name string, length time.Duration) *progress {
	p := &progress{name: filepath.Base(name), began: time.Now()}
	if quiet || !terminal(a.std.err) {
		return p
	}
	total := length.Milliseconds()
	if total <= 0 {
		total = -1 // a spinner
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(a.std.err),
		progressbar.OptionSetDescription(p.name),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // else it draws by itself, even when it is taken away
	)
	return p
}

// update shows how far the transcription is and how many times faster than speech.
func (p *progress) update(now speech.Progress) {
	if p.bar == nil {
		return
	}
	speed := now.Done.Seconds() / max(time.Since(p.began).Seconds(), 0.001)
	p.bar.Describe(fmt.Sprintf("%s  %s  %.0fx", p.name, clock(now.Done), speed))
	_ = p.bar.Set64(now.Done.Milliseconds()) // a bar that cannot be drawn stops nothing
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
