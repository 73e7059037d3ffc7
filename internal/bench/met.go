package bench

import (
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/spelling"
)

// Met returns nil if all figures are what they should be, and otherwise an error that names those that are not. A figure that should have a
// value and has none is one of them.
func Met(figures []Figure) error {
	var short []string
	for i := range figures {
		if f := &figures[i]; !f.OK {
			short = append(short, strings.TrimSpace(f.Name))
		}
	}
	if len(short) == 0 {
		return nil
	}
	return scout.Errorf(scout.CodeConflict, "%s not met: %s", spelling.Count(len(short), "bound"), strings.Join(short, "; ")).WithHint("the report says by how much")
}
