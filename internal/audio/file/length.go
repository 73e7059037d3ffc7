package file

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/scout-speech/scout/internal/audio/wav"
)

const (
	// maxMeasured limits how many joined files have their length determined before they are decoded.
	maxMeasured = 16
	// maxSearched limits how much is read for that in files without a structure: half a second on a slow disk.
	maxSearched = 256 << 20
)

// measure determines whether the input is longer than the header of its first part declares: because of several files,
// several data chunks, or frames whose length is only estimated. It returns the length of the whole, 0 if a part does
// not state its own. It reads headers and structure, through its own source.
//
//	start  where the first part begins
func (r *Reader) measure(start int64) (goesOn bool, total time.Duration) {
	at, ok := r.src.r.(io.ReaderAt)
	if !ok || r.src.path == "" || r.opts.Raw != nil || r.stream.container == "flac" && r.src.size > maxSearched {
		return false, 0
	}
	src := &source{name: r.src.name, path: r.src.path, size: r.src.size, r: io.NewSectionReader(at, 0, r.src.size)}
	src.begin(r.ctx)
	if src.seek(start) != nil {
		return false, 0
	}
	var e extent
	if d, ok := r.decoder.(*ffmpegDecoder); ok {
		e = d.job.extent
	} else {
		e = src.extent(family(r.stream.container))
	}
	total, goesOn = src.length(r.stream, e)
	opts := r.opts
	opts.Panicked = nil // panics are reported when the part is decoded
	r.probed = map[string]probed{}
	part := &Reader{ctx: r.ctx, src: src, opts: opts, probed: r.probed}
	for range maxMeasured {
		if e.end >= src.size || src.seek(e.end) != nil {
			return goesOn, total
		}
		what, found, err := src.nextStart()
		switch {
		case err != nil || r.ctx.Err() != nil:
			return goesOn, 0
		case !found:
			return goesOn, total
		}
		goesOn = true
		from := src.pos()
		e = src.extent(what.container)
		of, err := part.headerOf(what, e)
		if err != nil || total == 0 || src.seek(from) != nil {
			return true, 0
		}
		length, _ := src.length(of, e)
		if length == 0 {
			return true, 0
		}
		total += length
	}
	return true, 0
}

// headerOf is what the header of a part says, without decoding.
func (r *Reader) headerOf(what sniffed, e extent) (stream, error) {
	if e.length > 0 {
		return stream{container: what.container}, nil
	}
	if what.kind == kindFFmpeg {
		job, err := r.ffmpegJob(what)
		if err != nil {
			return stream{}, err
		}
		found, err := job.probe()
		if err == nil {
			r.probed[job.name] = found
		}
		return stream{container: what.container, codec: found.codec, duration: found.duration}, err
	}
	d, err := r.decoderOf(what)
	if err != nil {
		return stream{}, err
	}
	return d.stream(), d.close()
}

// family is the name under which extent knows a container.
func family(container string) string {
	if container == "rf64" || container == "bw64" {
		return "wav"
	}
	return container
}

// length returns the length of the part that begins here, 0 unknown. better is set if it is more accurate than the
// header.
func (s *source) length(of stream, e extent) (length time.Duration, better bool) {
	switch {
	case e.cut():
		return 0, false
	case e.length > 0:
		return e.length, true // its frames were counted; ffprobe estimates
	case family(of.container) == "wav":
		return s.wavLength(of, e)
	case of.codec == "vorbis" && of.container == "ogg":
		end, ok := oggTail(s.path, e.end)
		if !ok || of.sampleRateHz == 0 {
			return 0, false
		}
		return framesToTime(end.length, of.sampleRateHz), false
	case of.duration > 0:
		return of.duration, false
	}
	return 0, false
}

// wavLength adds up the data chunks of a WAV file.
func (s *source) wavLength(of stream, e extent) (length time.Duration, better bool) {
	at, ok := s.r.(io.ReaderAt)
	if !ok {
		return of.duration, false
	}
	const riff, chunk, format = 12, 8, 16
	c := &cursor{at: at, size: e.end}
	c.seek(s.pos() + riff)
	bytesPerSecond, chunks := 0, 0
	for {
		b := c.peek(chunk + format)
		if len(b) < chunk {
			break
		}
		size := int64(binary.LittleEndian.Uint32(b[4:]))
		switch name := string(b[:4]); {
		case name == "fmt " && len(b) == chunk+format:
			bytesPerSecond = int(binary.LittleEndian.Uint32(b[chunk+4:])) * int(binary.LittleEndian.Uint16(b[chunk+12:]))
		case name == "data" && (wav.Placeholder(uint32(size)) || bytesPerSecond == 0):
			return of.duration, false
		case name == "data":
			chunks++
			length += framesToTime(size, bytesPerSecond)
		}
		if !c.skip(chunk + size + size%2) {
			break
		}
	}
	if chunks < 2 {
		return of.duration, false
	}
	return length, true
}
