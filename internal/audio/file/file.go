// Package file turns any recording into the canonical stream: 16 kHz mono float32.
//
// The content of a file decides what it is, never its name. WAV, FLAC, MP3, Ogg Vorbis and Ogg Opus are decoded in this process,
// everything else by ffmpeg if it is installed. Everything is streamed: an hour takes no more memory than a minute.
// Source: docs/adr/0005-file-decoding.md.
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

// Options are the limits and services of a Reader. The zero value is ready to use.
type Options struct {
	// FFmpeg is the program for formats that are not decoded here; empty means the one on the PATH, NoFFmpeg means
	// none. ffprobe, if it is beside it, is asked about files with several streams.
	FFmpeg string
	// StallTimeout ends an ffmpeg that yields nothing for that long while the reader waits for it. Default
	// DefaultStallTimeout.
	StallTimeout time.Duration
	// TotalTimeout bounds all waiting for one ffmpeg; time in which nobody reads does not count.
	// Default DefaultTotalTimeout.
	TotalTimeout time.Duration
	// TempDir is for a copy of streams that ffmpeg can read only as a file. Default os.TempDir.
	TempDir string
	// Track is which of several audio tracks is read.
	Track TrackChoice
	// Channel is the part of several channels that is read. Default: their mix, chosen so that speech survives.
	Channel audio.Channel
	// ChannelAlone is set if channels are read one after the other: a part of the input without the channel is then
	// silence. Otherwise all channels of such a part are read.
	ChannelAlone bool
	// SpoolLimit bounds that copy in bytes. Default DefaultSpoolLimit; the disk's last 512 MB always stay free.
	SpoolLimit int64
	// Unfinished says that a stream is a file that is still being written. What can be decoded as it comes is then: see docs/adr/0103. New fails
	// with ErrUnfinished where the whole file must be there, or the beginning is not recognised.
	Unfinished bool
	// Programs is asked before ffmpeg is started for an unfinished file, which then waits for its writer. It says whether there is a place for one
	// more, and how it is left. nil means that there is none.
	Programs func() (leave func(), ok bool)
	// Raw describes samples without a header; nil for input with a header.
	Raw *RawFormat
	// Survey requests Info.Sounds, which costs little.
	Survey bool
	// Log receives information for failures of a file, never audio or text. By default nothing is logged.
	Log *slog.Logger
	// Panicked is called after a panic in a decoding library, which damaged files can provoke. The Reader itself
	// reports scout.CodeAudioCorrupt. It is called in the goroutine that reads.
	Panicked func(decoder string, value any)
}

// ErrUnfinished is the error of New for a file that must be complete to be decoded.
var ErrUnfinished = scout.Errorf(scout.CodeAudioUnsupported, "its decoder needs the whole file")

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
	// Container and Codec are lower-case names as in ffmpeg, for example "wav" and "pcm_s16le", "mp4" and "aac". Codec
	// is empty if ffmpeg decodes a file with several streams and ffprobe is missing.
	Container, Codec string
	// SampleRateHz and Channels are those of the input, before conversion. For joined files the rate is that of the
	// first, and the channels are the largest number of those reached.
	SampleRateHz, Channels int
	// Duration is what the headers declare, for all joined files. It is 0 if one declares nothing, or if it is not
	// determined. After io.EOF it is the true one.
	Duration time.Duration
	// Sounds describes the channels of the input, if Options.Survey is set; complete after io.EOF.
	Sounds []audio.ChannelSummary
	// Tracks are the audio tracks of a container, empty if it can have only one; Track is the number of the one that is
	// read.
	Tracks []Track
	Track  int
	// Warnings say what was wrong with the input. Those with a time are in order of time.
	Warnings []scout.Warning
	// NonFinite counts samples that were NaN or infinite and became 0 or full scale.
	NonFinite int64
}

// Open opens a file for reading. The reader is bound to ctx: when ctx ends, so does a running ffmpeg, and Read returns
// the context's error. Close must be called.
//
// The beginning is decoded at once, so that a bad file is reported here:
//
//	scout.CodeFileNotFound, CodeFilePermission, CodeFileIsDirectory, CodeReadFailed  the file system
//	scout.CodeAudioEmpty          no frame of audio, or no audio track
//	scout.CodeAudioCorrupt        damage before the first frame
//	scout.CodeAudioUnsupported    no audio format, a playlist, a rate outside 2 kHz to 3 MHz, too many channels
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

// New reads from a stream, for example standard input. It does not close the stream. Formats that ffmpeg decodes are
// copied to a temporary file first, since some can be read only if their end is available.
//
//	name  the name of the stream in errors
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
