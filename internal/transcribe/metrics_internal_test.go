package transcribe

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recognize"
)

// What the reader told of an input is counted once, however many of its channels are read.
func TestWarningsOfInputsAreCounted(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	scope := observe.NewScope(nil, registry, nil)
	s := split{t: New(scope, observe.NewFailures(scope), &recognize.Recognizer{}), channels: 2, channel: 1}
	info := file.Info{Warnings: []scout.Warning{{Code: scout.WarningTracks, Message: "two tracks"}, {Code: scout.WarningCutOff, Message: "cut off"}}}
	s.result.Info = info
	for ; s.channel <= 2; s.channel++ {
		s.explain(&scout.Transcript{}, info)
	}
	const want = `# HELP scout_input_warnings_total Warnings about the audio of inputs, by code: what is missing, and which tracks and channels were chosen.
# TYPE scout_input_warnings_total counter
scout_input_warnings_total{code="cut_off"} 1
scout_input_warnings_total{code="several_tracks"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "scout_input_warnings_total"); err != nil {
		t.Error(err)
	}
}
