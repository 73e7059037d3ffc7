package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/scout-speech/scout"
)

// maxProbe limits the answer of ffprobe, which is about 300 bytes per track.
const maxProbe = 256 << 10

// probed is what ffprobe reports before decoding.
type probed struct {
	container, codec string
	duration         time.Duration // 0 unknown
	exact            bool          // the duration is stored in the container and is not an estimate
	tracks           []Track       // of audio; empty if ffprobe is missing
}

// known returns what was found without another program.
func (j *ffmpegJob) known() (probed, bool) {
	if j.what.kind == kindMP3 {
		return probed{container: "mp3", codec: "mp3"}, true // its length is only guessed
	}
	if codec := j.bareCodec(); codec != "" {
		// The frames were counted. ffprobe only estimates their length, and its start costs as much as a minute of decoding.
		return probed{container: j.what.container, codec: codec, duration: j.extent.length, tracks: []Track{{Number: 1, codec: codec}}}, true
	}
	return probed{}, false
}

// probe asks ffprobe, if it is beside ffmpeg and needed, for codec and length, and refuses files without an audio track. Without
// ffprobe nothing is known and ffmpeg decides.
func (j *ffmpegJob) probe() (probed, error) {
	if found, ok := j.known(); ok {
		return found, nil
	}
	program, err := exec.LookPath(filepath.Join(filepath.Dir(j.program), "ffprobe"))
	if err != nil {
		return probed{}, nil
	}
	args := append([]string{"-hide_banner", "-loglevel", "error", "-max_alloc", fmt.Sprint(maxFFmpegBlock)}, j.input...)
	args = append(args, "-i", j.name, "-show_entries",
		"stream=index,codec_type,codec_name,duration:stream_disposition:stream_tags:format=format_name,duration", "-of", "json")
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
		return probed{}, scout.Errorf(scout.CodeDecoderTimeout, "ffprobe produced nothing for %v", j.opts.StallTimeout)
	case err != nil:
		if failure := j.src.shrunk(); failure != nil {
			return probed{}, failure
		}
		return probed{}, j.refused(stderr.String(), err)
	}
	return parseProbe(stdout.buf.Bytes())
}

// bareCodec names the codec of a bare stream whose frames were found, with the name of ffprobe; empty for anything else.
func (j *ffmpegJob) bareCodec() string {
	at, ok := j.src.r.(io.ReaderAt)
	if !ok || !j.extent.frames.begun || j.extent.frames.rate == 0 {
		return ""
	}
	const header, lastAC3 = 8, 10
	var b [header]byte
	if _, err := at.ReadAt(b[:], j.start+j.extent.frames.first.pos); err != nil {
		return ""
	}
	switch container := j.what.container; container {
	case "aac", "dts", "sbc", "mlp", "truehd":
		return container
	case "loas":
		return "aac_latm"
	case "ac3":
		if b[5]>>3 > lastAC3 {
			return "eac3"
		}
		return "ac3"
	case "mp2":
		if h, ok := parseMPEG(b[:]); ok && h.layer == 1 {
			return "mp1"
		}
		return "mp2"
	}
	return ""
}

// limited takes output up to a limit and drops the rest.
type limited struct{ buf bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.buf.Write(p[:min(len(p), maxProbe-l.buf.Len())])
	return len(p), nil
}

// probedStream is what ffprobe reports about one stream.
type probedStream struct {
	Index       int               `json:"index"`
	Type        string            `json:"codec_type"`
	Codec       string            `json:"codec_name"`
	Duration    string            `json:"duration"`
	Disposition map[string]int    `json:"disposition"`
	Tags        map[string]string `json:"tags"`
}

func parseProbe(answer []byte) (probed, error) {
	var a struct {
		Streams []probedStream `json:"streams"`
		Format  struct {
			Name     string `json:"format_name"`
			Duration string `json:"duration"`
		} `json:"format"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return probed{}, nil //nolint:nilerr // an unusable answer counts as none; ffmpeg decides
	}
	var p probed
	p.container, _, _ = strings.Cut(a.Format.Name, ",")
	for i := range a.Streams {
		if a.Streams[i].Type == "audio" {
			p.tracks = append(p.tracks, a.Streams[i].track(len(p.tracks)+1))
		}
	}
	if len(p.tracks) == 0 {
		return probed{}, scout.Errorf(scout.CodeAudioEmpty, "%s without an audio track", p.container)
	}
	p.codec = p.tracks[0].codec
	p.duration = probedSeconds(a.Format.Duration)
	p.exact = p.duration > 0 && p.known()
	return p, nil
}

// known reports whether the container states its length.
func (p *probed) known() bool {
	return slices.Contains([]string{"mov", "matroska", "ogg", "aiff", "caf", "wav", "w64", "flac"}, p.container)
}

// choose sets the codec and the length of a track. The container's length is that of its longest stream.
func (p *probed) choose(index int) {
	t := &p.tracks[index]
	p.codec = t.codec
	switch {
	case t.duration > 0:
		p.duration, p.exact = t.duration, p.known()
	case len(p.tracks) > 1:
		p.exact = false // good enough for the progress bar
	}
}

func (s *probedStream) track(number int) Track {
	tag := func(name string) string {
		for key, value := range s.Tags {
			if strings.EqualFold(key, name) {
				return value
			}
		}
		return ""
	}
	t := Track{
		Number: number, Language: languageCode(tag("language")), Title: titleText(tag("title")),
		Default: s.Disposition["default"] != 0, codec: s.Codec, index: s.Index, duration: probedSeconds(s.Duration),
	}
	if t.Title == "" {
		// QuickTime's name of a track is its handler; programs that write files put their own names there.
		if handler := titleText(tag("handler_name")); !slices.Contains([]string{"SoundHandler", "Core Media Audio", "GPAC ISO Audio Handler"}, handler) {
			t.Title = handler
		}
	}
	for _, kind := range []string{"comment", "descriptions", "visual_impaired", "karaoke", "clean_effects", "lyrics"} {
		t.Secondary = t.Secondary || s.Disposition[kind] != 0
	}
	t.Secondary = t.Secondary || secondary(t.Title)
	if t.duration == 0 {
		t.duration = probedClock(tag("DURATION"))
	}
	return t
}

// titleText returns a title for a line on a terminal: one line of at most 60 characters.
func titleText(title string) string {
	title = strings.TrimSpace(strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(title, "?")))
	if runes := []rune(title); len(runes) > 60 {
		title = string(runes[:59]) + "…"
	}
	return title
}

// probedSeconds reads "11.064000"; 0 if it is not a length.
func probedSeconds(text string) time.Duration {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds <= 0 || seconds >= 1e9 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// probedClock reads "00:00:11.064000000", as in Matroska's statistics; 0 if it is not a length.
func probedClock(text string) time.Duration {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return 0
	}
	hours, err := strconv.Atoi(parts[0])
	minutes, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil || hours < 0 || hours > 10000 || minutes < 0 || minutes > 59 {
		return 0
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + probedSeconds(parts[2])
}

// killed reports whether a process was ended by a signal.
func killed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() < 0
}
