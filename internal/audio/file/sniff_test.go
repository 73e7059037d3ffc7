package file

import (
	"slices"
	"strings"
	"testing"
)

// TestEveryContainerIsRecognised: a container that ffmpeg may read has a signature, since a stream in none that is known
// is refused after its first bytes while the same bytes in a file are read.
func TestEveryContainerIsRecognised(t *testing.T) {
	t.Parallel()
	other := []string{"mov", "m4a", "3gp", "webm", "ogg", "wav", "flac", "ircam"} // another name of mp4 and matroska, or recognised in another way
	for name := range strings.SplitSeq(containers, ",") {
		known := slices.ContainsFunc(signatures(), func(s signature) bool { return s.container == name }) ||
			slices.ContainsFunc(pairs(), func(s [2]signature) bool { return s[0].container == name })
		if !known && !slices.Contains(other, name) {
			t.Errorf("%s has no signature", name)
		}
	}
}
