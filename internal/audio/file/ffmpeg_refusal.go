package file

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/scout-speech/scout"
)

// ffmpeg's messages are for experts; the log has them (decoder_ended). Users get an explanation.

// refused returns the error for an input of which ffmpeg did not read a single sample.
//
//	said   ffmpeg's complaints, one per line
//	cause  how it ended; nil for success
func (j *ffmpegJob) refused(said string, cause error) error {
	if j.what.kind == kindUnknown {
		return errUnknownFile(true)
	}
	why := explain(said, cause, "no audio can be decoded from it")
	for _, missing := range []string{"Decoder (codec", "no decoder found", "Unsupported codec", "codec not currently supported"} {
		if strings.Contains(said, missing) {
			return scout.Errorf(scout.CodeAudioUnsupported, "%s: %s", j.what.container, why).
				WithHint("convert it with the program that made it, for example to WAV or FLAC")
		}
	}
	return scout.Errorf(scout.CodeAudioCorrupt, "damaged %s: %s", j.what.container, why)
}

// explain says in plain words why ffmpeg could not continue.
//
//	otherwise  the explanation for all other complaints
func explain(said string, cause error, otherwise string) string {
	for _, known := range []struct{ said, means string }{
		{"moov atom not found", "its index is missing, as where a recording was not finished or not copied whole"},
		{"Decoder (codec", "the installed ffmpeg cannot decode its audio"},
		{"no decoder found", "the installed ffmpeg cannot decode its audio"},
		{"Unsupported codec", "the installed ffmpeg cannot decode its audio"},
		{"codec not currently supported", "the installed ffmpeg cannot decode its audio"},
		{"timeline data missing", "its index is missing, as where it was written to a pipe"},
		{"not on whitelist", "its audio is in other files, which are not opened"},
		{"Cannot allocate memory", "it asks for more memory than a recording needs"},
		{"No space left on device", "a disk is full"},
	} {
		if strings.Contains(said, known.said) {
			return known.means
		}
	}
	var exit *exec.ExitError
	switch {
	case said != "" || cause == nil:
		return otherwise
	case errors.As(cause, &exit) && exit.ExitCode() >= 0:
		return fmt.Sprintf("ffmpeg ended with exit status %d and told no reason", exit.ExitCode())
	case errors.As(cause, &exit):
		return fmt.Sprintf("ffmpeg was ended by a signal (%s)", strings.TrimPrefix(exit.String(), "signal: "))
	}
	return "ffmpeg failed"
}
