package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/wav"
)

const (
	// maxFFmpegBlock limits one allocation in ffmpeg, so that a crafted file cannot request more.
	maxFFmpegBlock = 256 << 20
	// exitGrace is how long a process may take to end after its output ended.
	exitGrace = 5 * time.Second
	// notePatience is how much later than the samples the log may arrive: both have been written, and the reader of the
	// log only has to be scheduled.
	notePatience = 5 * time.Second
	// mostLostAtBegin is the latest time of a first frame that tells how much is destroyed before it: recordings begin at 0, pieces of a
	// broadcast anywhere.
	mostLostAtBegin = time.Minute
	// samePlace is how far after damage a complaint still belongs to it: codecs use earlier frames.
	samePlace = 300 * time.Millisecond
	// ffmpegDrift is how much shorter than declared a file may be without a warning; containers round, and count what
	// encoders add before the first sample.
	ffmpegDrift = 500 * time.Millisecond
)

// Demuxers that ffmpeg may use. None of them opens another file. Playlists (hls, concat, dash) and sequences of images
// are not among them, so a file cannot make ffmpeg open other files.
const (
	// containers have a signature that ffmpeg recognises beyond doubt.
	containers = "mov,mp4,m4a,3gp,matroska,webm,ogg,wav,w64,aiff,caf,au,asf,avi,flv,flac,amr,iff,voc," +
		"wv,ape,tta,tak,mpc,mpc8,dsf,rm,mxf,nut,sox,wtv,nistsphere,dss,aa,shn,qcp,xwma,wve,vqf,avr,epaf,pvf,oma,mmf,nsv,dhav,lxf," +
		"smjpeg,kvag,dtshd,gxf,ircam,hcom,alp,ast"
	// guesses are bare streams, recognised by consecutive frames. They are allowed only if sniff found them: otherwise
	// ffmpeg would find noise in any file.
	guesses = "mp3,aac,ac3,eac3,dts,mpeg,mpegts,loas,mlp,truehd,codec2,argo_asf,apm,adx,swf,spdif,dv,sbc,gsm"
)

// ffmpegPath returns the program, empty when there is none.
func (r *Reader) ffmpegPath() string {
	switch r.opts.FFmpeg {
	case NoFFmpeg:
		return ""
	case "":
		path, err := exec.LookPath("ffmpeg")
		if err != nil {
			return "" // not installed, or in the current directory, from which nothing is run
		}
		return path
	}
	return r.opts.FFmpeg
}

// ffmpegJob is what ffmpeg reads of the source, from its position on.
func (r *Reader) ffmpegJob(what sniffed) (ffmpegJob, error) {
	job := ffmpegJob{ctx: r.ctx, opts: r.opts, program: r.ffmpegPath(), what: what, src: r.src}
	if r.unfinished() {
		return job, ErrUnfinished
	}
	if job.program == "" {
		return job, missing(what.container, nil)
	}
	if err := r.src.spool(r.opts); err != nil {
		return job, err
	}
	path, err := filepath.Abs(r.src.path)
	if err != nil {
		return job, scout.FileError(scout.CodeReadFailed, "find the file", err)
	}
	job.start, job.extent = r.src.pos(), r.src.extent(what.container)
	// The prefix makes names with a colon or a leading dash plain names.
	name := "file:" + path
	if job.start > 0 || job.extent.end < r.src.size {
		// Another file stands before or after it, which ffmpeg must not see.
		name = fmt.Sprintf("subfile,,start,%d,end,%d,,:%s", job.start, job.extent.end, name)
	}
	job.input = []string{"-protocol_whitelist", "file,subfile,pipe", "-format_whitelist", job.formats()}
	switch {
	case what.kind == kindMP3, what.container == "mp2":
		job.input = append(job.input, "-f", "mp3") // a short part is not enough to recognise it
	case what.container == "sbc":
		job.input = append(job.input, "-f", "sbc") // it is not recognised by its content
	}
	if checked(what.container) || what.container == "ac3" {
		job.input = append(job.input, "-err_detect", "crccheck") // else damage of what is lossless becomes noise
	}
	job.name = name
	return job, nil
}

// ffmpeg returns a decoder that runs it.
func (r *Reader) ffmpeg(what sniffed) (decoder, error) {
	job, err := r.ffmpegJob(what)
	if err != nil {
		return nil, err
	}
	d := &ffmpegDecoder{job: job, log: newFFmpegLog()}
	err = d.start()
	if found, known := r.probed[job.name]; known {
		d.found = found
	} else if err == nil {
		d.found, err = d.look()
	}
	if err == nil {
		err = d.turnToTrack()
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
	start   int64 // of the part in the file
	extent  extent
	input   []string // arguments for the input
	name    string   // of the input
	track   *Track   // nil for the first
	feed    *feeder  // what comes while it is decoded; nil for a file
}

// frames returns the frames of a bare stream without what is destroyed between them, or fragments with headers in place of destroyed ones;
// nil if nothing is destroyed. ffmpeg would look for the next
// frame in what is destroyed: it finds false ones there, loses true ones behind it, or gives up.
func (j *ffmpegJob) frames() io.Reader {
	at, ok := j.src.r.(io.ReaderAt)
	if !ok || len(j.extent.holes)+len(j.extent.patches) == 0 {
		return nil
	}
	var pieces []io.Reader
	from := j.start
	for _, p := range j.extent.patches {
		pieces = append(pieces, io.NewSectionReader(at, from, p.at-from), bytes.NewReader(p.head[:]))
		from = p.at + boxHeader
	}
	for _, h := range j.extent.holes {
		pieces = append(pieces, io.NewSectionReader(at, from, h.from-from))
		from = h.to
	}
	return io.MultiReader(append(pieces, io.NewSectionReader(at, from, j.extent.end-from))...)
}

func (j *ffmpegJob) formats() string {
	if j.what.kind == kindUnknown {
		return containers
	}
	return containers + "," + guesses
}

// ffmpegDecoder reads the WAV stream that an ffmpeg process writes to a pipe.
type ffmpegDecoder struct {
	job    ffmpegJob
	found  probed
	tagged bool // the duration is that of an MP3's own tag

	cmd     *exec.Cmd
	pipe    *watchedPipe
	log     *ffmpegLog
	logPipe *os.File
	unhook  func() bool // from the context
	reader  *wav.Reader
	unread  error // why there is no reader
	format  stream
	notes   []scout.Warning
	waited  bool

	line       timeline
	untimed    bool          // ffmpeg reports nothing about frames
	silence    int64         // frames to come before those of reader
	left       int64         // frames to come from reader before the next note
	frames     int64         // given out
	lead       time.Duration // silence before the first frame
	damages    int           // how often the decoder complained
	damaged    time.Duration // time of the first of these places
	damageEnd  time.Duration // time of the last of them
	lost       time.Duration // silence in place of the lost audio
	complained int           // complaints of the demuxer about the same places
	place      int64         // of the frame before, in its part; -1 unknown
}

// start starts the process, which begins to decode at once, and waits for the header of its output.
func (d *ffmpegDecoder) start() error {
	args := append([]string{
		"-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+info", "-copyts",
		"-max_alloc", fmt.Sprint(maxFFmpegBlock), "-threads", "1",
	}, d.job.input...)
	frames := d.job.frames()
	var fed *os.File
	if d.job.feed != nil {
		var err error
		if fed, d.job.feed.pipe, err = os.Pipe(); err != nil {
			return scout.FileError(scout.CodeReadFailed, "make a pipe for ffmpeg", err)
		}
		defer fed.Close() //nolint:errcheck // only where the process does not start
		frames = fed
	}
	if frames == nil {
		args = append(args, "-i", d.job.name)
	} else {
		args = append(args, "-i", "pipe:0")
	}
	args = append(args, "-map", d.job.mapping(), "-vn", "-sn", "-dn", "-map_metadata", "-1",
		// Its log has the time of each frame: timeline makes silence of holes, as browsers leave them while nobody
		// speaks. aresample=async=1:first_pts=0 does so too, but restarts where the format changes: it inserts silence
		// as long as everything before.
		"-af", "ashowinfo",
		"-c:a", "pcm_f32le", "-bitexact", "-f", "wav")
	if fed != nil {
		args = append(args, "-flush_packets", "1") // each frame at once
	}
	args = append(args, "pipe:1")
	read, write, err := os.Pipe()
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "make a pipe for ffmpeg", err)
	}
	logRead, logWrite, err := os.Pipe()
	if err != nil {
		return errors.Join(scout.FileError(scout.CodeReadFailed, "make a pipe for ffmpeg", err), read.Close(), write.Close())
	}
	cmd := exec.Command(d.job.program, args...)
	cmd.Env = decoderEnv()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = frames, write, logWrite // Wait waits for the copy of frames, which ends with the process
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return errors.Join(scout.Errorf(scout.CodeDecoderMissing, "start ffmpeg: %w", err),
			read.Close(), write.Close(), logRead.Close(), logWrite.Close())
	}
	d.cmd = cmd
	d.logPipe = logRead
	go d.log.read(logRead) // until the process and its children have ended, or wait closes it
	limitMemory(cmd)
	d.unhook = context.AfterFunc(d.job.ctx, func() { killGroup(cmd) })
	d.pipe = &watchedPipe{file: read, stall: d.job.opts.StallTimeout, left: d.job.opts.TotalTimeout, feed: d.job.feed}
	err = errors.Join(write.Close(), logWrite.Close())
	if fed != nil {
		err = errors.Join(err, fed.Close())
	}
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "close the pipe of ffmpeg", err)
	}
	d.reader, d.unread = wav.NewReader(d.pipe)
	return nil
}

// look finds out what is in the input: from ffmpeg's log if it has one stream, from ffprobe otherwise, which takes a tenth of a second
// to start. Where there is no output, ffprobe also says whether another track could be read.
func (d *ffmpegDecoder) look() (probed, error) {
	if d.pipe.late != nil {
		return probed{}, d.pipe.late
	}
	if found, ok := d.job.known(); ok {
		return found, nil
	}
	if d.unread == nil {
		if found, ok := d.log.input(d.job.ctx); ok {
			return found, nil
		}
	}
	return d.job.probe()
}

// header takes what ffmpeg says about its output before the first sample.
func (d *ffmpegDecoder) header() error {
	if d.unread != nil {
		return d.notStarted(d.unread)
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
	d.line = timeline{
		pauses:    d.job.pauses(),
		container: d.format.container, rate: format.SampleRateHz, length: d.format.duration,
		holes: slices.Clone(d.job.extent.holes), clock: d.job.extent.frames.clock(),
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
	said := d.log.tail.String()
	if waitErr == nil && said == "" {
		if scout.CodeOf(err) != scout.CodeAudioEmpty {
			return d.job.refused("", err)
		}
		return scout.Errorf(scout.CodeAudioEmpty, "no audio in it")
	}
	return d.job.refused(said, waitErr)
}

// expect sets the length that an MP3's own tag promises; without a tag, ffprobe only estimates.
func (d *ffmpegDecoder) expect(tag mpegTag, header mpegHeader) {
	if tag.frames > 0 {
		d.tagged = true
		d.format.duration = framesToTime(tag.length(header), header.sampleRateHz)
	}
}

func (d *ffmpegDecoder) stream() stream { return d.format }

func (d *ffmpegDecoder) warnings() []scout.Warning { return d.notes }

func (d *ffmpegDecoder) partEnd() int64 { return d.job.extent.end }

func (d *ffmpegDecoder) decode(dst []float32) (int, error) {
	channels := d.format.channels
	room := int64(len(dst) / channels)
	for d.silence == 0 && d.left == 0 {
		if err := d.reader.Wait(); err != nil {
			break // Read reports which
		}
		d.next()
	}
	if d.silence > 0 {
		n := min(room, d.silence)
		d.silence -= n
		d.frames += n
		clear(dst[:n*int64(channels)])
		return int(n) * channels, nil
	}
	if d.left > 0 && !d.untimed {
		room = min(room, d.left)
	}
	frames, err := d.reader.Read(dst[:room*int64(channels)])
	if noise := dst[:frames*channels]; d.besideHole() && tooLoud(noise) {
		clear(noise)
		d.lost += framesToTime(int64(frames), d.format.sampleRateHz)
	}
	d.frames += int64(frames)
	d.left = max(d.left-int64(frames), 0)
	if err == nil {
		return frames * channels, nil
	}
	return 0, d.ended(err)
}

// next takes the note for the samples that have arrived.
func (d *ffmpegDecoder) next() {
	note, ok := frameNote{}, false
	if !d.untimed {
		note, ok = d.log.next(d.job.ctx, min(d.job.opts.StallTimeout, notePatience))
	}
	if !ok {
		d.untimed, d.left = true, blockSamples
		return
	}
	origin, hasOrigin, length := d.log.origin()
	first := !d.line.started
	lost := d.lostBefore(note)
	if begun := first && lost && note.at > 0 && note.at < mostLostAtBegin; begun && d.job.what.container == "mp4" {
		origin, hasOrigin = 0, true // the first fragment is destroyed
	} else if first {
		lost = false
	}
	d.line.length = length
	pause := d.line.pause(note)
	missing := d.line.bridge(note)
	d.silence, d.left = d.line.place(note, origin, hasOrigin)
	places := note.errors
	if missing > 0 {
		d.silence += missing
		places = max(places, 1)
	}
	if first && !lost {
		d.lead = framesToTime(d.silence+pause, d.format.sampleRateHz)
	} else if places == 0 && d.silence > 0 && (note.other > d.complained || lost) {
		places = 1 // the demuxer complained before the hole, or packets are missing there
	}
	d.place = note.pos
	if places > 0 {
		d.complained = note.other
		if d.damages == 0 {
			d.damaged = d.decoded()
		}
		if d.damages == 0 || d.decoded() > d.damageEnd+samePlace {
			d.damages++
		}
		d.damageEnd = d.decoded() + framesToTime(d.silence, d.format.sampleRateHz)
		d.lost += framesToTime(d.silence, d.format.sampleRateHz)
	}
	d.silence += pause
}

// lostBefore reports whether packets are missing between the frame before and the noted one.
func (d *ffmpegDecoder) lostBefore(note frameNote) bool {
	return slices.ContainsFunc(d.job.extent.losses, func(at int64) bool {
		at -= d.job.start
		return note.pos < 0 || d.place < 0 || at > d.place && at <= note.pos
	})
}

// besideHole reports whether the next frame is near destroyed bytes: it may be torn, or need what was destroyed.
func (d *ffmpegDecoder) besideHole() bool {
	if len(d.job.extent.holes) == 0 {
		return false
	}
	return d.damages > 0 && d.decoded() < d.damageEnd+samePlace || d.line.holeWithin(samePlace)
}

// tooLoud reports whether samples are what remains of a torn frame. That decodes to noise of any level.
func tooLoud(samples []float32) bool {
	return slices.ContainsFunc(samples, func(v float32) bool { return v > loudPeak || v < -loudPeak })
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
	// A child of the process may hold the pipe open.
	if deadlineErr := d.logPipe.SetReadDeadline(time.Now().Add(exitGrace)); deadlineErr == nil {
		<-d.log.done
	}
	if err != nil || d.log.tail.String() != "" {
		d.job.opts.Log.Debug(eventDecoderEnded, slog.String("error", fmt.Sprint(err)), slog.String("stderr", d.log.tail.String()))
	}
	return err
}

// close ends the process, whether it is working or not. That it was killed is not an error.
func (d *ffmpegDecoder) close() error {
	if d.cmd == nil {
		return nil
	}
	if d.job.feed != nil {
		d.job.feed.end()
	}
	if !d.waited {
		killGroup(d.cmd)
		if err := d.wait(); err != nil {
			d.job.opts.Log.Debug(eventDecoderStopped, slog.String("error", err.Error()))
		}
	}
	if err := d.pipe.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("close the pipe of ffmpeg: %w", err)
	}
	return nil
}
