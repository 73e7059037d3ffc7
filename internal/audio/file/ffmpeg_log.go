package file

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxLogLine bounds one line of ffmpeg's log; the rest of a longer one is dropped.
const maxLogLine = 4 << 10

// frameNote is what ffmpeg says about one decoded frame before it converts it.
type frameNote struct {
	at           time.Duration // its time stamp; valid if timed
	timed        bool
	pos          int64 // of its first byte in the input; -1 unknown, as newer versions of ffmpeg do not print it
	samples      int   // per channel
	sampleRateHz int
	channels     int
	errors       int // complaints of the decoder since the frame before
	other        int // further complaints so far
}

// ffmpegLog reads what ffmpeg writes to standard error, in a goroutine that ends with the pipe. Each line begins with
// its level in brackets, after the name of the part that speaks.
type ffmpegLog struct {
	tail  tail   // of errors
	level string // of the last message; used by read alone

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a note came
	notes   []frameNote
	seen    bool // at least one note came
	ended   bool
	done    chan struct{}

	head     inputHead
	start    time.Duration // of the input's time stamps; valid if hasStart
	hasStart bool
	length   time.Duration // of the input, 0 unknown
	guessed  bool          // its header does not tell the length
	errors   int           // complaints of the decoder so far, not yet told with a frame
	early    bool          // the demuxer met the end too early
	torn     bool          // a packet was not whole
	blamed   bool          // a demuxer or decoder complained after the last frame
	behind   int           // frames after the last of these packets
	other    int           // further errors
}

func newFFmpegLog() *ffmpegLog {
	return &ffmpegLog{changed: make(chan struct{}), done: make(chan struct{})}
}

// read reads to the end of the pipe and closes it.
func (l *ffmpegLog) read(pipe *os.File) {
	defer close(l.done)
	defer pipe.Close() //nolint:errcheck // read only
	buf := bufio.NewReaderSize(pipe, maxLogLine)
	for {
		line, err := buf.ReadSlice('\n')
		if len(line) > 0 {
			l.line(line)
		}
		for err == bufio.ErrBufferFull { //nolint:errorlint // as documented
			_, err = buf.ReadSlice('\n')
		}
		if err != nil {
			l.end()
			return
		}
	}
}

func (l *ffmpegLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.wake()
}

func (l *ffmpegLog) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// line takes one line: "[Parsed_ashowinfo_0 @ 0x55] [info] n:0 pts:0 pts_time:0 …", "[error] text", "text".
func (l *ffmpegLog) line(line []byte) {
	text := string(bytes.TrimSpace(line))
	speaker, rest := cutSpeaker(text)
	level, message := cutLevel(rest)
	own := level != ""
	if !own {
		level = l.level // a further line of a message
	} else {
		l.level = level
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch level {
	case "info":
		if own && speaker == "" && !l.head.over {
			if l.head.line(message); l.head.over {
				l.wake()
			}
		}
		switch {
		case strings.HasPrefix(speaker, "Parsed_ashowinfo"):
			if note, ok := parseFrameNote(message); ok {
				note.errors, l.errors, note.other = l.errors, 0, l.other
				l.notes, l.seen = append(l.notes, note), true
				l.behind++
				l.blamed = false
				l.wake()
			}
		case strings.HasPrefix(message, "mlpparse: Parity check failed"):
			l.other++ // frames are left out without an error
		case !l.hasStart && strings.HasPrefix(message, "Duration: "):
			l.start, l.hasStart = parseStart(message)
			clock, _, _ := strings.Cut(strings.TrimPrefix(message, "Duration: "), ",")
			if !l.guessed {
				l.length = probedClock(clock)
			}
		}
	case "warning":
		l.guessed = l.guessed || strings.HasPrefix(message, "Estimating duration")
		if strings.Contains(message, "corrupt input packet") {
			l.torn, l.behind = true, 0
		}
	case "error", "fatal", "panic", "":
		if speaker == "" && !l.blamed && strings.HasPrefix(message, emptyPacket) && strings.HasSuffix(message, ": Invalid argument") {
			return
		}
		l.blamed = l.blamed || speaker != ""
		_, _ = l.tail.Write(append([]byte(message), '\n')) // never fails
		l.judge(message)
	}
}

// emptyPacket begins what ffmpeg says, with "Invalid argument" and without a word of the decoder, about a packet without data. Encoders of FLAC
// end with one, which tells their checksum, and NUT and AVI keep it.
const emptyPacket = "Error while decoding stream"

// judge sorts an error: a frame that could not be decoded, an end that comes too early, or something else.
func (l *ffmpegLog) judge(message string) {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(message, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has(": Operation not permitted"):
		// The demuxer of GXF ends with this at the end of the file.
	case has("Error while decoding stream", "Error submitting packet to decoder", "Decoding error"):
		l.errors++
	case has("partial file", "ended prematurely", "Packet mismatch", "truncated", "Truncat"):
		l.early = true
	default:
		l.other++
	}
}

// next returns the note for the next frame. It is false when ffmpeg tells nothing about frames, or nothing more.
// The frame's samples must have arrived: ffmpeg writes the note before them.
func (l *ffmpegLog) next(ctx context.Context, patience time.Duration) (frameNote, bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		l.mu.Lock()
		if len(l.notes) > 0 {
			note := l.notes[0]
			l.notes = l.notes[1:]
			l.mu.Unlock()
			return note, true
		}
		ended, changed := l.ended, l.changed
		l.mu.Unlock()
		if ended {
			return frameNote{}, false
		}
		select {
		case <-changed:
		case <-timer.C:
			return frameNote{}, false
		case <-ctx.Done():
			return frameNote{}, false
		}
	}
}

// origin is the time stamp of the beginning of the input, of all its streams, and its length, 0 unknown.
func (l *ffmpegLog) origin() (start time.Duration, known bool, length time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.hasStart, l.length
}

// verdict is what was complained about in the end.
func (l *ffmpegLog) verdict() (decoding, other int, early bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errors, l.other, l.early
}

// tornEnd reports whether the last packet was not whole. Decoders give out some frames after they have read the end.
func (l *ffmpegLog) tornEnd() bool {
	const held = 8
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.torn && l.behind <= held
}

// cutSpeaker splits off "[name @ 0x5581c7f1e2c0] ", as often as it stands there.
func cutSpeaker(text string) (speaker, rest string) {
	for {
		part, after, found := strings.Cut(text, "] ")
		if !found || !strings.HasPrefix(part, "[") || !strings.Contains(part, " @ ") {
			return speaker, text
		}
		if name, _, _ := strings.Cut(part[1:], " @ "); speaker == "" {
			speaker = name
		}
		text = after
	}
}

// cutLevel splits off "[error] ".
func cutLevel(text string) (level, message string) {
	part, after, found := strings.Cut(text, "]")
	if !found || !strings.HasPrefix(part, "[") {
		return "", text
	}
	switch part[1:] {
	case "panic", "fatal", "error", "warning", "info", "verbose", "debug":
		return part[1:], strings.TrimSpace(after)
	}
	return "", text
}

// parseFrameNote reads "n:0 pts:0 pts_time:0 pos:44 fmt:fltp channels:1 chlayout:mono rate:16000 nb_samples:1024 …".
func parseFrameNote(message string) (note frameNote, ok bool) {
	note.pos = -1
	for field := range strings.FieldsSeq(message) {
		name, value, _ := strings.Cut(field, ":")
		switch name {
		case "pts_time":
			if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > -1e9 && seconds < 1e9 {
				note.at, note.timed = time.Duration(seconds*float64(time.Second)), true
			}
		case "pos":
			if pos, err := strconv.ParseInt(value, 10, 64); err == nil && pos >= 0 {
				note.pos = pos
			}
		case "channels":
			note.channels = positive(value)
		case "rate":
			note.sampleRateHz = positive(value)
		case "nb_samples":
			note.samples = positive(value)
		}
	}
	return note, note.samples > 0 && note.sampleRateHz > 0
}

func positive(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return n
}

// parseStart reads "Duration: 00:00:15.00, start: 1.400000, bitrate: 206 kb/s".
func parseStart(message string) (time.Duration, bool) {
	_, after, found := strings.Cut(message, "start: ")
	if !found {
		return 0, false
	}
	text, _, _ := strings.Cut(after, ",")
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < -1e9 || seconds > 1e9 {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
