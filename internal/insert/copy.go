package insert

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// copyWithin bounds a program that copies: each starts, takes the clipboard and goes on in the background.
const copyWithin = 3 * time.Second

// copier is a program that puts its standard input on the clipboard.
type copier struct {
	needs string // a variable of the environment; empty for none
	name  string
	args  []string
}

// copiers in the order in which they are tried.
func copiers() []copier {
	return []copier{
		{"WAYLAND_DISPLAY", "wl-copy", nil},
		{"DISPLAY", "xclip", []string{"-selection", "clipboard"}},
		{"", "pbcopy", nil},
	}
}

// Copy puts the text on the clipboard with a program of the system, and returns its name. The error has scout.CodeNoClipboard if there
// is none that fits.
func Copy(ctx context.Context, text string) (string, error) {
	var failed error
	for _, c := range copiers() {
		if c.needs != "" && os.Getenv(c.needs) == "" {
			continue
		}
		program, err := exec.LookPath(c.name)
		if err != nil {
			continue
		}
		if failed = c.run(ctx, program, text); failed == nil {
			return c.name, nil
		}
	}
	if failed != nil {
		return "", failed
	}
	return "", scout.Errorf(scout.CodeNoClipboard, "no program on this machine puts text on the clipboard")
}

// run waits until the program has the text. What it leaves in the background keeps none of our files.
func (c copier) run(ctx context.Context, program, text string) error {
	ctx, cancel := context.WithTimeout(ctx, copyWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, c.args...)
	cmd.Stdin = strings.NewReader(text)
	if err := cmd.Run(); err != nil { // its output goes nowhere: a pipe would stay open in what it leaves behind
		return scout.Errorf(scout.CodeNoClipboard, "%s: %w", c.name, err)
	}
	return nil
}
