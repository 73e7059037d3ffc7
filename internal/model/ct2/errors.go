package ct2

import (
	"fmt"

	"github.com/scout-speech/scout"
)

// corrupt is a file whose content contradicts itself, or does not belong to the files beside it.
func corrupt(path, format string, args ...any) error {
	return scout.Errorf(scout.CodeModelCorrupt, "%s: %s", path, fmt.Sprintf(format, args...)).
		WithHint("get the model again from where it came from")
}

// unsupported is a file that may well be sound, but is no Whisper model that Scout can run.
func unsupported(path, format string, args ...any) error {
	return scout.Errorf(scout.CodeModelUnsupported, "%s: %s", path, fmt.Sprintf(format, args...)).
		WithHint("Scout runs Whisper models that were converted for faster-whisper (CTranslate2); see docs/formats/ct2.md")
}

// quoted makes a name from a foreign file fit for a message.
func quoted(name string) string {
	const most = 80
	if len(name) > most {
		name = name[:most] + "…"
	}
	return fmt.Sprintf("%q", name)
}
