package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// maxProbe bounds the answer of ffprobe, which is some 300 bytes a track.
const maxProbe = 256 << 10

// probed is what ffprobe tells before decoding.
type probed struct {
	container, codec string
	duration         time.Duration // 0 unknown
	exact            bool          // the duration stands in the container, it is no estimate
}

// probe asks ffprobe, where it stands beside ffmpeg, for codec and length, and refuses files without
// an audio track. Without ffprobe nothing is known and ffmpeg decides.
func (j *ffmpegJob) probe() (probed, error) {
	if j.what.kind == kindMP3 {
		return probed{container: "mp3", codec: "mp3"}, nil // known, and its length is only guessed
	}
	program, err := exec.LookPath(filepath.Join(filepath.Dir(j.program), "ffprobe"))
	if err != nil {
		return probed{}, nil
	}
	args := append([]string{"-hide_banner", "-loglevel", "error", "-max_alloc", fmt.Sprint(maxFFmpegBlock)}, j.input...)
	args = append(args, "-show_entries", "stream=codec_type,codec_name:format=format_name,duration", "-of", "json")
	ctx, cancel := context.WithTimeout(j.ctx, j.opts.StallTimeout)
	defer cancel()
	var stdout limited
	var stderr tail
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = decoderEnv()
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = exitGrace
	ownGroup(cmd)
	cmd.Cancel = func() error {
		killGroup(cmd)
		return nil
	}
	err = cmd.Run()
	switch {
	case j.ctx.Err() != nil:
		return probed{}, j.ctx.Err()
	case ctx.Err() != nil:
		return probed{}, scout.Errorf(scout.CodeDecoderTimeout, "ffprobe yielded nothing for %v", j.opts.StallTimeout)
	case err != nil:
		if failure := j.src.shrunk(); failure != nil {
			return probed{}, failure
		}
		return probed{}, j.refused(stderr.line(), err)
	}
	return parseProbe(stdout.buf.Bytes())
}

// limited takes output up to a limit and drops the rest.
type limited struct{ buf bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.buf.Write(p[:min(len(p), maxProbe-l.buf.Len())])
	return len(p), nil
}

func parseProbe(answer []byte) (probed, error) {
	var a struct {
		Streams []struct {
			Type  string `json:"codec_type"`
			Codec string `json:"codec_name"`
		} `json:"streams"`
		Format struct {
			Name     string `json:"format_name"`
			Duration string `json:"duration"`
		} `json:"format"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return probed{}, nil //nolint:nilerr // a strange answer is none; ffmpeg decides
	}
	var p probed
	p.container, _, _ = strings.Cut(a.Format.Name, ",")
	found := false
	for _, s := range a.Streams {
		if s.Type == "audio" && !found {
			found, p.codec = true, s.Codec
		}
	}
	if !found {
		return probed{}, scout.Errorf(scout.CodeAudioEmpty, "%s without an audio track", p.container)
	}
	seconds, err := strconv.ParseFloat(a.Format.Duration, 64)
	if err == nil && seconds > 0 && seconds < 1e9 {
		p.duration = time.Duration(seconds * float64(time.Second))
		p.exact = slices.Contains([]string{"mov", "matroska", "ogg", "aiff", "caf", "wav", "w64", "flac"}, p.container)
	}
	return p, nil
}

// killed tells whether a process was ended by a signal.
func killed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() < 0
}
