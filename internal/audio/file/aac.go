package file

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
)

const (
	// adtsHeader is the length of the header of a frame in ADTS.
	adtsHeader = 7
	// aacSamples is what a frame becomes, of each channel.
	aacSamples = 1024
)

// aacFrames are the frames of AAC that is still being written.
type aacFrames interface {
	// next returns the next frame in ADTS, valid until the next call. It returns io.EOF where the frames end: at the end of the file, or where
	// something else begins.
	next() ([]byte, error)
	// ready reports whether next does not wait.
	ready() bool
	// places is what has become known.
	places() *aacPlaces
}

// aacStream describes frames of AAC.
type aacStream struct {
	container              string
	sampleRateHz, channels int
	duration               time.Duration // declared, 0 unknown
	skip                   int64         // samples of each channel at the beginning that are not heard
	heard                  int64         // samples of each channel that are heard after them, -1 for all
}

// aacPlaces is what becomes known while frames come.
type aacPlaces struct {
	samples int64         // of each channel, in the frames so far
	holes   []hole        // what was destroyed, in order
	pauses  []pause       // where nothing is missing
	cut     int64         // bytes that are missing of the last frame
	tail    time.Duration // what was destroyed behind the last frame
	table   *frameTable   // where the frames are heard; nil where they have no holes
}

// silence is how much of it the holes and pauses become, in samples.
func (p *aacPlaces) silence(rate int) (samples int64) {
	add := func(length time.Duration) { samples += int64(length.Seconds()*float64(rate) + 0.5) }
	for _, h := range p.holes {
		add(h.length)
	}
	for _, p := range p.pauses {
		add(p.length)
	}
	return samples
}

// aacDecoder decodes AAC-LC with one process of ffmpeg that gets its frames, and checks that each of them came back.
type aacDecoder struct {
	process *ffmpegDecoder
	frames  aacFrames
	format  stream
	skip    int64 // samples that come next and are not heard
	left    int64 // samples that are heard after them, -1 for all
	holes   int   // that the process knows
	pauses  int   // as above
	notes   []scout.Warning
	leave   func()
}

// aac returns a decoder for frames that are still being written. Its error is ErrUnfinished where ffmpeg does not make of them what their
// headers say: the rate of HE-AAC is twice that of its headers.
func (r *Reader) aac(frames aacFrames, about aacStream) (decoder, error) {
	program := r.ffmpegPath()
	if program == "" || r.opts.Programs == nil {
		return nil, ErrUnfinished
	}
	leave, ok := r.opts.Programs()
	if !ok {
		return nil, ErrUnfinished
	}
	d := &aacDecoder{
		frames: frames, skip: about.skip, left: about.heard, leave: leave,
		format: stream{container: about.container, codec: "aac", sampleRateHz: about.sampleRateHz, channels: about.channels, duration: about.duration, float: true},
	}
	const float = 4
	d.process = &ffmpegDecoder{log: newFFmpegLog(), found: probed{container: "aac", codec: "aac"}, job: ffmpegJob{
		ctx: r.ctx, opts: r.opts, program: program, what: sniffed{kindFFmpeg, "aac"}, src: r.src, name: "pipe:0",
		input: []string{"-protocol_whitelist", "pipe", "-format_whitelist", "aac", "-probesize", "32", "-f", "aac"},
		feed:  &feeder{next: d.next, ready: frames.ready, frameBytes: float * aacSamples * int64(about.channels)},
	}}
	err := d.process.start()
	if err == nil && d.process.unread == nil {
		err = d.process.header()
		d.process.line.pauses = frames.places().pauses
		if table := frames.places().table; table != nil {
			d.process.line.clock = table.clock()
		}
	}
	made := d.process.format
	if err == nil && made.sampleRateHz == about.sampleRateHz && made.channels == about.channels {
		return d, nil
	}
	if closeErr := d.close(); closeErr != nil {
		r.opts.Log.Debug(eventDecoderStopped, slog.String("error", closeErr.Error()))
	}
	if failure := r.src.failure(); failure != nil {
		return nil, failure
	}
	return nil, ErrUnfinished
}

// next is the next frame for the process. What is known of places between frames is told to it first.
func (d *aacDecoder) next() ([]byte, error) {
	frame, err := d.frames.next()
	p, line, extent := d.frames.places(), &d.process.line, &d.process.job.extent
	for ; d.holes < len(p.holes); d.holes++ {
		h := p.holes[d.holes]
		extent.holes = append(extent.holes, h)
		for _, before := range p.holes[:d.holes] { // timeline adds the silence of those that it has not met
			h.at += before.length
		}
		for _, waits := range line.holes {
			h.at -= waits.length
		}
		line.holes = append(line.holes, h)
	}
	line.pauses = append(line.pauses, p.pauses[d.pauses:]...)
	d.pauses = len(p.pauses)
	if errors.Is(err, io.EOF) {
		extent.want, extent.tail = p.cut, p.tail
	}
	return frame, err
}

func (d *aacDecoder) stream() stream { return d.format }

func (d *aacDecoder) warnings() []scout.Warning { return append(d.process.warnings(), d.notes...) }

func (d *aacDecoder) close() error {
	if d.leave != nil {
		d.leave()
		d.leave = nil
	}
	return d.process.close()
}

func (d *aacDecoder) decode(dst []float32) (int, error) {
	channels := int64(d.format.channels)
	for {
		n, err := d.process.decode(dst)
		if errors.Is(err, io.EOF) {
			d.conclude()
		}
		if err != nil {
			return 0, err
		}
		samples := int64(n) / channels
		unheard := min(d.skip, samples)
		d.skip -= unheard
		samples -= unheard
		if d.left >= 0 {
			samples = min(samples, d.left)
			d.left -= samples
		}
		if samples > 0 {
			return copy(dst, dst[unheard*channels:(unheard+samples)*channels]), nil
		}
	}
}

// conclude checks that each frame became sound.
func (d *aacDecoder) conclude() {
	p := d.frames.places()
	missing := p.samples + p.silence(d.format.sampleRateHz) - d.process.frames
	if missing > 0 && d.process.damages == 0 {
		d.notes = append(d.notes, scout.Warnf(scout.WarningDamaged, "damaged: %v could not be decoded", framesToTime(missing, d.format.sampleRateHz).Round(time.Millisecond)))
	}
}

// adtsFrames are those of a file in ADTS.
type adtsFrames struct {
	src   *source
	first []byte // its header
	count frameCount
	known aacPlaces
	frame []byte
}

// newADTS returns the frames from the position of the source on. ok is false where they are not AAC-LC in one or two channels.
func newADTS(src *source) (a *adtsFrames, about aacStream, ok bool) {
	const lowComplexity = 1
	b, err := src.buf.Peek(adtsHeader)
	if err != nil {
		return nil, about, false
	}
	size, samples, rate := adtsFrame(b)
	about = aacStream{container: "aac", sampleRateHz: rate, channels: int(b[2]&1<<2 | b[3]>>6), heard: -1}
	ok = size > 0 && samples == aacSamples && b[2]>>6 == lowComplexity && rate > 0 && about.channels >= 1 && about.channels <= 2 && src.destroyed == 0
	a = &adtsFrames{src: src, first: append([]byte(nil), b...), count: frameCount{rate: rate, start: src.pos(), table: frameTable{rate: rate}}}
	a.known.table = &a.count.table
	return a, about, ok
}

func (a *adtsFrames) places() *aacPlaces { return &a.known }

func (a *adtsFrames) ready() bool {
	b, _ := a.src.buf.Peek(min(adtsHeader, a.src.buf.Buffered())) // what is there
	size, _, _ := adtsFrame(b)
	return size > 0 && size <= a.src.buf.Buffered()
}

// same reports whether a header has the profile, the rate and the channels of the first.
func (a *adtsFrames) same(b []byte) bool {
	return len(b) >= adtsHeader && (b[1]^a.first[1])&0xFE == 0 && (b[2]^a.first[2])&0xFD == 0 && (b[3]^a.first[3])&0xC0 == 0
}

func (a *adtsFrames) next() ([]byte, error) {
	for gap := int64(0); ; gap++ {
		look := adtsHeader
		if gap > 0 {
			look = frameLook
		}
		b, err := a.src.buf.Peek(look)
		size, samples, _ := adtsFrame(b)
		ours := size > 0 && a.same(b)
		if gap == 0 {
			look = frameLook // for what may begin here
			if ours {
				look = size
			}
			b, err = a.src.buf.Peek(look)
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case ours && size <= len(b) && (gap == 0 || size == len(b) || follows(b, adtsFrame, 3)):
			return a.take(b[:size], samples, gap)
		case ours && gap == 0:
			a.known.cut = int64(size - len(b))
			_, err := a.src.buf.Discard(len(b))
			return nil, errors.Join(io.EOF, err)
		case len(b) == 0, startsPart(b), gap == 0 && tagSize(b) > 0:
			if lost := a.count.missing(gap) - 1; gap > 0 && lost >= 2 { // as frameCount.stop
				a.known.tail = framesToTime(lost*aacSamples, a.count.rate)
			}
			return nil, io.EOF
		}
		if _, err := a.src.buf.Discard(1); err != nil {
			return nil, err
		}
	}
}

// take takes a frame behind so many bytes that were none.
func (a *adtsFrames) take(b []byte, samples int, gap int64) ([]byte, error) {
	a.frame = append(a.frame[:0], b...)
	a.count.frame(a.src.pos(), len(b), samples, gap)
	a.known.samples, a.known.holes = a.count.samples, a.count.holes
	_, err := a.src.buf.Discard(len(b))
	return a.frame, err
}
