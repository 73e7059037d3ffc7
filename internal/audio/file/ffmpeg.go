package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/wav"
)

const (
	// maxFFmpegBlock bounds one allocation in ffmpeg: a crafted file cannot ask for more.
	maxFFmpegBlock = 256 << 20
	// exitGrace is what a process has for its end after its output ended.
	exitGrace = 5 * time.Second
	// ffmpegDrift is how much shorter than declared a file may be before that is worth a warning;
	// containers round, and count what encoders put before the first sample.
	ffmpegDrift = 500 * time.Millisecond
)

// Demuxers that ffmpeg may use. None of them opens another file: playlists (hls, concat, dash) and
// sequences of images are not among them, so that a file decides nothing about other files.
const (
	// containers have a signature that ffmpeg recognises beyond doubt.
	containers = "mov,mp4,m4a,3gp,matroska,webm,ogg,wav,w64,aiff,caf,au,asf,avi,flv,flac,amr,iff,voc," +
		"wv,ape,tta,tak,mpc,mpc8,dsf,rm,mxf,nut"
	// guesses are bare streams, recognised by how their frames follow each other. They are allowed
	// where sniff found them: otherwise ffmpeg would hear noise in any file.
	guesses = "mp3,aac,ac3,eac3,dts,mpeg,mpegts,loas"
)

// ffmpegPath returns the program, empty when there is none.
func (r *Reader) ffmpegPath() string {
	switch r.opts.FFmpeg {
	case NoFFmpeg:
		return ""
	case "":
		path, err := exec.LookPath("ffmpeg")
		if err != nil {
			return "" // not installed, or in the current directory, from where nothing is run
		}
		return path
	}
	return r.opts.FFmpeg
}

// ffmpeg returns a decoder that runs it.
func (r *Reader) ffmpeg(what sniffed) (decoder, error) {
	program := r.ffmpegPath()
	if program == "" {
		return nil, missing(what.container, nil)
	}
	if err := r.src.spool(r.opts.TempDir); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(r.src.path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "find the file", err)
	}
	job := ffmpegJob{ctx: r.ctx, opts: r.opts, program: program, what: what, src: r.src}
	// The prefix keeps names with a colon or a leading dash what they are: names.
	job.input = []string{
		"-protocol_whitelist", "file", "-format_whitelist", job.formats(), "-i", "file:" + path,
	}
	d := &ffmpegDecoder{job: job}
	// ffmpeg decodes to its pipe while ffprobe looks: each takes a fifth of a second to begin.
	err = d.start()
	if err == nil {
		d.found, err = job.probe()
	}
	if err == nil {
		err = d.header()
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// ffmpegJob is one file for ffmpeg and ffprobe.
type ffmpegJob struct {
	ctx     context.Context
	opts    Options
	program string
	what    sniffed
	src     *source
	input   []string // arguments that name the input
}

func (j *ffmpegJob) formats() string {
	if j.what.kind == kindUnknown {
		return containers
	}
	return containers + "," + guesses
}

// refused is the error for an input that ffmpeg did not read one sample of.
func (j *ffmpegJob) refused(said string, cause error) error {
	code, text := scout.CodeAudioCorrupt, "damaged "+j.what.container
	if j.what.kind == kindUnknown {
		code, text = scout.CodeAudioUnsupported, "not a known audio format"
	}
	if said == "" && cause != nil {
		said = cause.Error()
	}
	return scout.Errorf(code, "%s: ffmpeg: %s", text, said)
}

// ffmpegDecoder reads the WAV stream that an ffmpeg process writes to a pipe.
type ffmpegDecoder struct {
	job    ffmpegJob
	found  probed
	tagged bool // the duration is that of an MP3's own tag

	cmd    *exec.Cmd
	pipe   *watchedPipe
	stderr tail
	unhook func() bool // of the context
	reader *wav.Reader
	format stream
	frames int64
	notes  []scout.Warning
	waited bool
}

// start starts the process, which begins to decode at once.
func (d *ffmpegDecoder) start() error {
	args := append([]string{
		"-nostdin", "-hide_banner", "-nostats", "-loglevel", "error",
		"-max_alloc", fmt.Sprint(maxFFmpegBlock), "-threads", "1",
	}, d.job.input...)
	args = append(args, "-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1",
		// Holes in the time stamps become silence: browsers record none where nobody speaks.
		"-af", "aresample=async=1:first_pts=0",
		"-c:a", "pcm_f32le", "-bitexact", "-f", "wav", "pipe:1")
	read, write, err := os.Pipe()
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "make a pipe for ffmpeg", err)
	}
	cmd := exec.Command(d.job.program, args...)
	cmd.Env = decoderEnv()
	cmd.Stdout, cmd.Stderr = write, &d.stderr
	cmd.WaitDelay = exitGrace
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return errors.Join(scout.Errorf(scout.CodeDecoderMissing, "start ffmpeg: %w", err), read.Close(), write.Close())
	}
	d.cmd = cmd
	limitMemory(cmd)
	d.unhook = context.AfterFunc(d.job.ctx, func() { killGroup(cmd) })
	d.pipe = &watchedPipe{file: read, stall: d.job.opts.StallTimeout, left: d.job.opts.TotalTimeout}
	if err := write.Close(); err != nil {
		return scout.FileError(scout.CodeReadFailed, "close the pipe of ffmpeg", err)
	}
	return nil
}

// header reads what ffmpeg says about its output before the first sample.
func (d *ffmpegDecoder) header() error {
	var err error
	if d.reader, err = wav.NewReader(d.pipe); err != nil {
		return d.notStarted(err)
	}
	format := d.reader.Format()
	d.format = stream{
		container: d.job.what.container, codec: d.found.codec,
		sampleRateHz: format.SampleRateHz, channels: format.Channels,
		duration: d.found.duration, float: true,
	}
	if d.format.container == "" {
		d.format.container = d.found.container
	}
	return nil
}

// notStarted explains why there is no audio at all.
func (d *ffmpegDecoder) notStarted(err error) error {
	if d.pipe.late != nil {
		return d.pipe.late
	}
	waitErr := d.wait()
	switch {
	case d.job.ctx.Err() != nil:
		return d.job.ctx.Err()
	case scout.CodeOf(err) == scout.CodeAudioUnsupported:
		return err // a rate or channel count out of bounds, as the header tells
	}
	if failure := d.job.src.shrunk(); failure != nil {
		return failure
	}
	said := d.stderr.line()
	if waitErr == nil && said == "" {
		if scout.CodeOf(err) != scout.CodeAudioEmpty {
			return d.job.refused("", err)
		}
		return scout.Errorf(scout.CodeAudioEmpty, "no audio in it")
	}
	return d.job.refused(said, waitErr)
}

// expect sets the length that an MP3's own tag promises: ffprobe's is an estimate without one.
func (d *ffmpegDecoder) expect(tag mpegTag, header mpegHeader) {
	if tag.frames > 0 {
		d.tagged = true
		d.format.duration = framesToTime(tag.length(header), header.sampleRateHz)
	}
}

func (d *ffmpegDecoder) stream() stream { return d.format }

func (d *ffmpegDecoder) warnings() []scout.Warning { return d.notes }

func (d *ffmpegDecoder) decode(dst []float32) (int, error) {
	frames, err := d.reader.Read(dst)
	d.frames += int64(frames)
	if err == nil {
		return frames * d.format.channels, nil
	}
	if d.pipe.late != nil {
		return 0, d.pipe.late
	}
	waitErr := d.wait()
	if !errors.Is(err, io.EOF) {
		return 0, err
	}
	if failure := d.job.src.shrunk(); failure != nil {
		return 0, failure
	}
	if killed(waitErr) && d.job.ctx.Err() == nil {
		return 0, scout.Errorf(scout.CodeReadFailed, "ffmpeg ended after %v of audio: %w", d.decoded(), waitErr)
	}
	d.conclude(waitErr)
	return 0, io.EOF
}

// conclude notes what ffmpeg complained about, and what is missing.
func (d *ffmpegDecoder) conclude(waitErr error) {
	if said := d.stderr.line(); said != "" {
		d.notes = append(d.notes, scout.Warnf(scout.WarningFormat, "ffmpeg: %s", said))
	} else if waitErr != nil {
		d.notes = append(d.notes, scout.Warnf(scout.WarningFormat, "ffmpeg: %v", waitErr))
	}
	if d.job.what.container == "ogg" {
		// ffmpeg takes a missing end for the end.
		if end, ok := oggTail(d.job.src.path, d.job.src.size); ok && (end.cut || !end.ended) {
			d.notes = append(d.notes, scout.Warnf(scout.WarningCutOff, "no end mark: it may be cut off"))
		}
	}
	short := d.format.duration - d.decoded()
	if short > ffmpegDrift+d.format.duration/100 && (d.found.exact || d.tagged) {
		d.notes = append(d.notes, cutOff(d.format.duration, d.decoded()))
	}
}

func (d *ffmpegDecoder) decoded() time.Duration {
	return framesToTime(d.frames, d.format.sampleRateHz)
}

// wait reaps the process, which has closed its output or is about to be killed.
func (d *ffmpegDecoder) wait() error {
	if d.cmd == nil || d.waited {
		return nil
	}
	d.waited = true
	d.unhook() // nothing may kill by number once the process is reaped
	slow := time.AfterFunc(exitGrace, func() { killGroup(d.cmd) })
	err := d.cmd.Wait()
	slow.Stop()
	if err != nil || d.stderr.String() != "" {
		d.job.opts.Log.Debug("decoder_ended", slog.String("error", fmt.Sprint(err)), slog.String("stderr", d.stderr.String()))
	}
	return err
}

// close ends the process, at work or not. That it was killed is no error.
func (d *ffmpegDecoder) close() error {
	if d.cmd == nil {
		return nil
	}
	if !d.waited {
		killGroup(d.cmd)
		if err := d.wait(); err != nil {
			d.job.opts.Log.Debug("decoder_stopped", slog.String("error", err.Error()))
		}
	}
	if err := d.pipe.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("close the pipe of ffmpeg: %w", err)
	}
	return nil
}

// watchedPipe ends reads that wait too long. Time in which nobody reads does not count: a decoder that
// waits for its reader is not slow.
type watchedPipe struct {
	file  *os.File
	stall time.Duration
	left  time.Duration // of all waiting
	late  error         // set once a deadline passed
}

func (p *watchedPipe) Read(b []byte) (int, error) {
	if p.late != nil {
		return 0, p.late
	}
	begin := time.Now()
	limit := min(p.stall, p.left)
	if err := p.file.SetReadDeadline(begin.Add(limit)); err != nil {
		return 0, fmt.Errorf("watch the output of ffmpeg: %w", err)
	}
	n, err := p.file.Read(b)
	p.left -= time.Since(begin)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.late = scout.Errorf(scout.CodeDecoderTimeout, "ffmpeg yielded nothing for %v", limit)
		return n, p.late
	}
	return n, err
}

// decoderEnv is the environment without what makes ffmpeg write files of its own.
func decoderEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FFREPORT=") {
			env = append(env, v)
		}
	}
	return env
}
