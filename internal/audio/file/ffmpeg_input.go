package file

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// inputPatience is how much later than the first output ffmpeg's description of its input may arrive: it is written before.
const inputPatience = time.Second

// inputHead collects what ffmpeg's log says about its input before it decodes. For a file with a single stream that is all that is
// needed, and ffprobe need not be started. Of several streams it does not say how long each is.
type inputHead struct {
	container string
	duration  string
	streams   []probedStream // without pictures of a cover
	about     map[string]string
	over      bool
}

// line takes a message of the level "info", without the spaces around it.
func (h *inputHead) line(message string) {
	if h.over {
		return
	}
	if input, ok := strings.CutPrefix(message, "Input #0, "); ok {
		h.container, _, _ = strings.Cut(input, ",")
		return
	}
	if strings.HasPrefix(message, "Stream mapping:") || strings.HasPrefix(message, "Output #") {
		h.over = true
		return
	}
	if rest, ok := strings.CutPrefix(message, "Duration: "); ok && h.duration == "" {
		h.duration, _, _ = strings.Cut(rest, ",")
		return
	}
	if s, ok := parseStreamLine(message); ok {
		h.about = s.Tags
		if s.Disposition["attached_pic"] == 0 {
			h.streams = append(h.streams, s)
		}
		return
	}
	if key, value, ok := strings.Cut(message, ": "); ok && h.about != nil {
		h.about[strings.TrimSpace(key)] = value
	}
}

// single returns what is known about an input with one stream, of audio.
func (h *inputHead) single() (probed, bool) {
	if !h.over || h.container == "" || len(h.streams) != 1 || h.streams[0].Type != "audio" || h.streams[0].Codec == "none" {
		return probed{}, false
	}
	p := probed{container: h.container, duration: probedClock(h.duration), tracks: []Track{h.streams[0].track(1)}}
	p.codec = p.tracks[0].codec
	p.exact = p.duration > 0 && p.known()
	return p, true
}

// parseStreamLine reads "Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, mono, fltp, 69 kb/s (default)".
func parseStreamLine(message string) (s probedStream, ok bool) {
	rest, ok := strings.CutPrefix(message, "Stream #0:")
	if !ok {
		return s, false
	}
	name, rest, ok := strings.Cut(rest, ": ")
	kind, about, isStream := strings.Cut(rest, ": ")
	if !ok || !isStream {
		return s, false
	}
	digits := len(name) - len(strings.TrimLeft(name, "0123456789"))
	index, err := strconv.Atoi(name[:digits])
	if err != nil {
		return s, false
	}
	s = probedStream{Index: index, Type: strings.ToLower(kind), Disposition: map[string]int{}, Tags: map[string]string{}}
	if _, language, ok := strings.Cut(name, "("); ok {
		s.Tags["language"] = strings.TrimSuffix(language, ")")
	}
	codec, _, _ := strings.Cut(about, " ")
	s.Codec = strings.TrimSuffix(codec, ",")
	for part := range strings.SplitSeq(about, "(") {
		flag, _, _ := strings.Cut(part, ")")
		s.Disposition[strings.ReplaceAll(flag, " ", "_")] = 1
	}
	return s, true
}

// input returns what the log says about an input with one stream, after output has arrived. It is false for any other input.
func (l *ffmpegLog) input(ctx context.Context) (probed, bool) {
	timer := time.NewTimer(inputPatience)
	defer timer.Stop()
	for {
		l.mu.Lock()
		found, ok := l.head.single()
		over, changed := l.head.over || l.ended, l.changed
		l.mu.Unlock()
		if over {
			return found, ok
		}
		select {
		case <-changed:
		case <-timer.C:
			return probed{}, false
		case <-ctx.Done():
			return probed{}, false
		}
	}
}
