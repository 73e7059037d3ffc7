package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
)

// blockSamples is how many samples, over all channels, are decoded at once.
const blockSamples = 8192

// loudPeak is the level from which input is clipped, with a warning. Lossy codecs exceed full scale a little, which is
// clipped only at the end. A file that goes 6 dB beyond was made with another definition of full scale, and its values
// may be too large to compute with.
const loudPeak = 2

var errClosed = errors.New("the reader is closed")

// stream is what a decoder found out about its input.
type stream struct {
	container, codec       string
	sampleRateHz, channels int
	duration               time.Duration // declared, 0 unknown
	float                  bool          // samples may have any value
}

// decoder yields interleaved samples of one input.
type decoder interface {
	// stream is known once the decoder exists and does not change.
	stream() stream
	// decode writes whole frames to dst, which has room for at least one, and returns the number of
	// samples. Errors come after all samples before them: io.EOF at the end; an error with a code is
	// final; any other is damage, after which nothing more can be read.
	decode(dst []float32) (int, error)
	// warnings are complete after the last decode.
	warnings() []scout.Warning
	close() error
}

// Reader reads a recording as 16 kHz mono. It is not safe for concurrent use.
type Reader struct {
	ctx  context.Context // ends the reader, see Open
	src  *source
	opts Options

	decoder   decoder
	stream    stream
	canonical *audio.Canonical
	survey    *audio.Survey // nil if it is not requested
	block     []float32     // interleaved, reused

	start     int64             // offset of the first part
	probed    map[string]probed // parts after the first one that measure probed, by their names for ffmpeg
	goesOn    bool              // total replaces the length in the header of the first part
	total     time.Duration     // the length of all parts; 0 unknown
	parts     int               // after the first one
	partStart time.Duration     // of the current one
	told      []scout.Warning   // of parts that ended
	first     stream            // of the first part
	channels  int               // the largest number of a part
	mute      bool              // the part does not have the selected channel
	gap       time.Duration     // silence to come before the current part
	tracks    []Track           // of the first part
	track     int               // the number of the one that is read, 0 if there is no choice

	frames    int64 // decoded of the current part
	produced  int64 // samples returned
	nonFinite int64
	finite    bool // at least one sample was finite
	peak      float32
	damage    []scout.Warning
	decodeErr error // how decoding ended, nil while it continues
	ended     bool  // canonical has been closed
	err       error // how reading ended
}

// open finds the decoder and decodes the first block.
func (r *Reader) open() error {
	d, err := r.decoderFor()
	if err != nil {
		return err
	}
	if err := r.use(d); err != nil {
		return err
	}
	r.first = r.stream
	r.goesOn, r.total = r.measure(r.start)
	r.tracks, r.track = trackInfo(d)
	return nil
}

// use makes the reader ready for the decoder and decodes the first block.
func (r *Reader) use(d decoder) error {
	r.decoder, r.stream = d, d.stream()
	if _, ok := d.(*ffmpegDecoder); !ok {
		if err := r.opts.Track.onlyTrack(); err != nil {
			return err
		}
	}
	if err := audio.CheckFormat(r.stream.sampleRateHz, r.stream.channels); err != nil {
		return err
	}
	r.channels = max(r.channels, r.stream.channels)
	channel := r.opts.Channel
	missing := channel.Check(r.stream.channels) != nil
	if r.mute = missing && r.opts.ChannelAlone; r.mute || missing && r.parts > 0 {
		channel = audio.MixChannels // a part with fewer channels than the first is read anyway
	}
	var err error
	if r.canonical, err = audio.NewCanonical(r.stream.sampleRateHz, r.stream.channels, channel); err != nil {
		return err
	}
	r.block = make([]float32, blockSamples/r.stream.channels*r.stream.channels)
	if r.opts.Survey && r.survey == nil {
		r.survey = audio.NewSurvey(r.stream.channels)
	}
	r.decodeErr, r.ended = nil, false
	r.fill()
	if r.frames == 0 {
		return r.decodeErr
	}
	return nil
}

// Info returns what is known so far. It is complete after io.EOF.
func (r *Reader) Info() Info {
	info := Info{
		Container: r.first.container, Codec: r.first.codec,
		SampleRateHz: r.first.sampleRateHz, Channels: r.channels,
		Duration: r.first.duration, NonFinite: r.nonFinite, Tracks: r.tracks, Track: r.track,
		Warnings: slices.Concat(r.told, r.partWarnings()),
	}
	switch {
	case r.goesOn && r.err == nil:
		info.Duration = r.total
	case r.parts > 0 || r.decodeErr != nil:
		info.Duration = r.partStart + r.decoded()
	}
	if r.survey != nil {
		info.Sounds = r.survey.Channels()
	}
	if r.nonFinite > 0 {
		info.Warnings = append(info.Warnings, scout.Warnf(scout.WarningSamples, "%d samples were not finite and were replaced", r.nonFinite))
	}
	if r.peak > loudPeak {
		info.Warnings = append(info.Warnings, scout.Warnf(scout.WarningSamples, "samples reach %.3g times full scale and were clipped", r.peak))
	}
	return info
}

// Read reads the canonical stream.
//
//	dst  16 kHz mono samples within ±1, owned by the caller; not empty
//
// It returns how many samples it wrote. At the end it returns 0 and io.EOF, also after audio that was
// cut off or damaged, of which Info has the warnings. Another error comes after all samples before it
// and stays:
//
//	scout.CodeReadFailed           the input broke off, or the file shrank
//	scout.CodeAudioInvalidSamples  not one sample of the whole input was a finite number
//	scout.CodeDecoderTimeout       ffmpeg hung
//	scout.CodeCancelled, CodeDeadlineExceeded  the context of Open ended
func (r *Reader) Read(dst []float32) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	for n == 0 && len(dst) > 0 {
		if n = r.silence(dst); n > 0 {
			break
		}
		if n = r.canonical.Read(dst); n > 0 {
			break // return what is there before waiting for more
		}
		if r.ended {
			if errors.Is(r.decodeErr, io.EOF) && r.nextPart(r.produced) {
				continue
			}
			r.err = r.end(r.produced)
			break
		}
		if r.decodeErr == nil {
			r.fill()
			continue
		}
		r.canonical.Close()
		r.ended = true
	}
	r.produced += int64(n)
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// silence writes the rest of the silence before the part.
func (r *Reader) silence(dst []float32) int {
	n := min(int64(r.gap.Seconds()*scout.EngineSampleRateHz), int64(len(dst)))
	if n == 0 {
		r.gap = 0
		return 0
	}
	clear(dst[:n])
	r.gap -= framesToTime(n, scout.EngineSampleRateHz)
	return int(n)
}

// fill decodes the next block, or sets decodeErr.
func (r *Reader) fill() {
	n, err := r.decode()
	samples := r.block[:n]
	if r.stream.float {
		bad := audio.Sanitize(samples)
		r.nonFinite += int64(bad)
		r.finite = r.finite || bad < n
		peak := r.peak
		for i, v := range samples {
			peak = max(peak, v, -v)
			samples[i] = min(max(v, -loudPeak), loudPeak)
		}
		r.peak = peak
	}
	r.frames += int64(n / r.stream.channels)
	if r.survey != nil {
		r.survey.Write(samples, r.stream.channels)
	}
	if r.mute {
		clear(samples)
	}
	r.canonical.Write(samples)
	if err != nil {
		r.decodeErr = r.judge(err)
	}
}

// decode is the border to the decoding libraries: a panic there counts as damage.
func (r *Reader) decode() (n int, err error) {
	defer r.recovered(&err)
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.decoder.decode(r.block)
}

// recovered turns a panic into an error. It must be deferred itself.
func (r *Reader) recovered(err *error) {
	if p := recover(); p != nil {
		if r.opts.Panicked != nil {
			r.opts.Panicked(r.stream.container, p)
		}
		*err = damagef("decoder: %v", p)
	}
}

// damagedError is damage in the input; the audio before it counts.
type damagedError struct{ text string }

func (e *damagedError) Error() string { return e.text }

func damagef(format string, args ...any) error {
	return &damagedError{text: fmt.Sprintf(format, args...)}
}

// judge interprets the end of decoding: io.EOF, or an error with a code.
func (r *Reader) judge(err error) error {
	var coded *scout.Error
	switch {
	case r.ctx.Err() != nil:
		return fmt.Errorf("after %v of audio: %w", r.partStart+r.decoded(), r.ctx.Err())
	case r.src.err != nil:
		return r.src.failure()
	case errors.As(err, &coded):
		return err
	case r.frames > 0 && errors.Is(err, io.EOF):
		return io.EOF
	case r.frames > 0:
		r.damage = append(r.damage, scout.Warnf(scout.WarningDamaged, "damaged after %v: %v", r.decoded(), err).From(r.decoded()))
		return io.EOF
	case errors.Is(err, io.EOF):
		return scout.Errorf(scout.CodeAudioEmpty, "no audio in it")
	}
	return scout.Errorf(scout.CodeAudioCorrupt, "%s: %w", r.stream.container, err)
}

// end returns the last error of Read, after that many samples.
func (r *Reader) end(produced int64) error {
	if !errors.Is(r.decodeErr, io.EOF) {
		return fmt.Errorf("decode %s: %w", r.src.name, r.decodeErr)
	}
	if r.stream.float && !r.finite {
		return scout.Errorf(scout.CodeAudioInvalidSamples, "decode %s: not one sample is a finite number", r.src.name)
	}
	if produced == 0 {
		return scout.Errorf(scout.CodeAudioEmpty, "decode %s: it holds less than one sample of audio at 16 kHz", r.src.name)
	}
	return io.EOF
}

func (r *Reader) decoded() time.Duration {
	return framesToTime(r.frames, r.stream.sampleRateHz)
}

func framesToTime(frames int64, sampleRateHz int) time.Duration {
	if frames <= 0 || sampleRateHz <= 0 {
		return 0
	}
	rate := int64(sampleRateHz)
	if frames/rate > 1<<33 { // 272 years: an absurd header
		return 0
	}
	return time.Duration(frames/rate)*time.Second + time.Duration(frames%rate)*time.Second/time.Duration(rate)
}

// Close ends a running ffmpeg, closes the file and removes a temporary one. Further calls do nothing.
func (r *Reader) Close() error {
	if errors.Is(r.err, errClosed) {
		return nil
	}
	r.err = errClosed
	var err error
	if r.decoder != nil {
		err = r.decoder.close()
	}
	return errors.Join(err, r.src.close())
}

// cutOff is the warning for audio that ends before its header says it does.
func cutOff(promised, there time.Duration) scout.Warning {
	promised, there = promised.Round(time.Millisecond), there.Round(time.Millisecond)
	return scout.Warnf(scout.WarningCutOff, "cut off: the header promises %v of audio, %v are there", promised, there).
		From(there).To(promised)
}
