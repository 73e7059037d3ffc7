// Package file turns any recording into the canonical stream: 16 kHz mono float32.
//
// What a file is, its content decides and never its name. WAV, FLAC, MP3 and Ogg Vorbis are decoded in
// this process, everything else by ffmpeg where it is installed. All of it is streamed: an hour takes
// no more memory than a minute. Source: docs/adr/0005-file-decoding.md.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
)

// NoFFmpeg as Options.FFmpeg forbids the use of ffmpeg.
const NoFFmpeg = "none"

// Defaults of Options.
const (
	// DefaultStallTimeout is far beyond the first output of a large video on a busy disk.
	DefaultStallTimeout = 30 * time.Second
	// DefaultTotalTimeout is enough for days of audio: ffmpeg decodes several hundred times faster
	// than real time.
	DefaultTotalTimeout = time.Hour
)

// Options are the limits and companions of a Reader. The zero value is ready to use.
type Options struct {
	// FFmpeg is the program for formats that are not decoded here; empty takes the one on the PATH,
	// NoFFmpeg none. ffprobe is used when it stands beside it.
	FFmpeg string
	// StallTimeout ends an ffmpeg that yields nothing for so long while it is waited for. Default
	// DefaultStallTimeout.
	StallTimeout time.Duration
	// TotalTimeout bounds all waiting for one ffmpeg; time in which nobody reads does not count.
	// Default DefaultTotalTimeout.
	TotalTimeout time.Duration
	// TempDir takes a copy of input that is no file but must be one for ffmpeg. Default os.TempDir.
	TempDir string
	// Track is which of several audio tracks is read.
	Track TrackChoice
	// Channel is what is taken of several channels. Default: their mix, chosen so that speech survives.
	Channel audio.Channel
	// ChannelAlone is set where channels are read one after the other: a part of the input that does not have the channel is
	// silence, which otherwise is heard with all it has.
	ChannelAlone bool
	// SpoolLimit bounds that copy in bytes. Default DefaultSpoolLimit; the disk's last 512 MB stay free in any case.
	SpoolLimit int64
	// Raw says what samples without a header are; nil for input that says by itself what it is.
	Raw *RawFormat
	// Survey asks for Info.Sounds, which costs little.
	Survey bool
	// Log receives what is of use when a file fails, never audio or text. Default: nothing is logged.
	Log *slog.Logger
	// Panicked is told of a panic in a decoding library, which damaged files can provoke; the Reader
	// itself reports scout.CodeAudioCorrupt. It is called in the goroutine that reads.
	Panicked func(decoder string, value any)
}

func (o Options) withDefaults() Options {
	if o.StallTimeout <= 0 {
		o.StallTimeout = DefaultStallTimeout
	}
	if o.TotalTimeout <= 0 {
		o.TotalTimeout = DefaultTotalTimeout
	}
	if o.SpoolLimit <= 0 {
		o.SpoolLimit = DefaultSpoolLimit
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Info is what is known about an input.
type Info struct {
	// Container and Codec are lower-case names as ffmpeg has them, for example "wav" and "pcm_s16le",
	// "mp4" and "aac". Codec is empty where ffmpeg decodes and ffprobe is missing.
	Container, Codec string
	// SampleRateHz and Channels are those of the input, before conversion. Of files behind each other the rate is that of the
	// first, and the channels are the most that one has, of those that were reached.
	SampleRateHz, Channels int
	// Duration is what the headers declare, of all files that stand behind each other. It is 0 where one declares nothing, or where
	// that is not looked for. After io.EOF it is the true one.
	Duration time.Duration
	// Sounds are what the channels of the input hold, where Options.Survey asks for it; complete after io.EOF.
	Sounds []audio.ChannelSummary
	// Tracks are the audio tracks of a container, empty where it can have one only; Track is the number of the one that is
	// read.
	Tracks []Track
	Track  int
	// Warnings say what was wrong with the input, in the order of time where they have one.
	Warnings []scout.Warning
	// NonFinite counts samples that were NaN or infinite and became 0 or full scale.
	NonFinite int64
}

// Open opens a file for reading. The reader is bound to ctx: when it ends, so does an ffmpeg at work,
// and Read returns the context's error. Close must be called.
//
// The beginning is decoded at once, so that what can be known of a bad file is known here:
//
//	scout.CodeFileNotFound, CodeFilePermission, CodeFileIsDirectory, CodeReadFailed  the file system
//	scout.CodeAudioEmpty          no frame of audio, or no audio track
//	scout.CodeAudioCorrupt        damage before the first frame
//	scout.CodeAudioUnsupported    no audio format, a playlist, a rate outside 8 to 192 kHz, too many channels
//	scout.CodeDecoderMissing      the format needs ffmpeg
//	scout.CodeDecoderTimeout      ffmpeg yielded nothing in time
func Open(ctx context.Context, path string, opts Options) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open audio", err)
	}
	if info.IsDir() {
		return nil, scout.Errorf(scout.CodeFileIsDirectory, "open audio: %s is a directory", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open audio", err)
	}
	src := &source{name: path, r: f, closer: f, size: -1}
	if info.Mode().IsRegular() {
		src.path, src.size = path, info.Size()
	}
	return open(ctx, src, opts)
}

// New reads from a stream, for example standard input. It is not closed. Formats that ffmpeg decodes
// are copied to a temporary file first, since some can only be read with their end at hand.
//
//	name  stands for the stream in errors
//
// Errors as of Open, and scout.CodeDiskFull or CodeWriteFailed for the temporary file.
func New(ctx context.Context, r io.Reader, name string, opts Options) (*Reader, error) {
	return open(ctx, &source{name: name, r: r, size: -1}, opts)
}

func open(ctx context.Context, src *source, opts Options) (*Reader, error) {
	src.begin(ctx)
	r := &Reader{ctx: ctx, src: src, opts: opts.withDefaults()}
	if err := r.open(); err != nil { //nolint:contextcheck // the reader keeps ctx, as Open says
		if closeErr := r.Close(); closeErr != nil && !errors.Is(closeErr, fs.ErrClosed) {
			err = errors.Join(err, closeErr)
		}
		return nil, fmt.Errorf("decode %s: %w", src.name, err)
	}
	return r, nil
}
