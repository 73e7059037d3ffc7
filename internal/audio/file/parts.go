package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
)

const (
	// strayBytes is how many bytes at the end of a file may be neither audio nor a tag without a warning: less than a
	// second of any codec.
	strayBytes = 4 << 10
	// maxParts limits the work for a file that consists only of tiny files, maxUnread for one that consists only of
	// beginnings of files.
	maxParts, maxUnread = 10000, 20
)

// A file may consist of several files: `cat` and some recorders make them, and chained Ogg and FLAC are meant to be so.
// Each is a part with its own decoder, which reads to the end of its part and no further. The next part follows without
// a pause.

// partEnder is a decoder that does not read from the source itself: it reports where its part ends.
type partEnder interface {
	partEnd() int64
	// rest returns the silence between the end of the sound and the next part.
	rest() time.Duration
}

// continued is a decoder whose input continues in another format.
type continued interface {
	// next returns the decoder for what follows, after io.EOF; nil at the end.
	next() decoder
}

// nextPart continues with the part after the one that ended, after that many samples were returned. It returns false at
// the end of the input.
func (r *Reader) nextPart(produced int64) bool {
	var rest time.Duration
	if d, ok := r.decoder.(partEnder); ok {
		rest = d.rest()
		if err := r.src.seek(d.partEnd()); err != nil {
			return r.fail(err)
		}
	}
	damaged := len(r.damage) > 0
	var following decoder
	if d, ok := r.decoder.(continued); ok {
		following = d.next()
	}
	r.finishPart(framesToTime(produced, scout.EngineSampleRateHz))
	for following != nil {
		r.parts++
		if err := r.use(following); err == nil {
			return true
		} else if scout.CodeOf(err) != scout.CodeAudioEmpty { // else less than a frame
			return r.fail(err)
		}
		further, ok := following.(continued)
		if !ok {
			break
		}
		following = further.next()
		r.finishPart(r.partStart)
	}
	for failed := 0; r.parts < maxParts && r.ctx.Err() == nil; failed++ {
		if failed == maxUnread {
			r.unread(max(r.src.size-r.src.pos(), 0), "too many parts that cannot be read")
			return false
		}
		from := r.src.pos()
		what, found, err := r.src.nextStart()
		if err != nil {
			return r.fail(err)
		}
		if stray := r.src.pos() - from - r.src.tags; stray > strayBytes && (found || !damaged) {
			r.unread(stray, "no audio that can be read")
		}
		if !found {
			return false
		}
		r.parts++
		r.partStart += rest
		if r.beginPart(what) {
			r.gap = rest
			return true
		}
		r.partStart -= rest
		if r.src.err != nil || r.ctx.Err() != nil {
			return false
		}
		damaged = true
	}
	return false
}

// beginPart makes the decoder for the part that begins here. If that fails the part is reported as not read.
func (r *Reader) beginPart(what sniffed) bool {
	from := r.src.pos()
	end := r.src.size
	if r.src.path != "" {
		end = r.src.extent(what.container).end
	}
	d, err := r.decoderOf(what)
	if err == nil {
		if err = r.use(d); err == nil {
			return true
		}
	}
	r.ended = true
	if closeErr := r.decoder.close(); closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	r.decoder, r.frames, r.decodeErr = ended{}, 0, io.EOF
	if r.ctx.Err() != nil || r.src.err != nil {
		return r.fail(r.judge(err))
	}
	if r.src.path != "" {
		if err := r.src.seek(max(end, from+1)); err != nil {
			return r.fail(err)
		}
	} else if _, err := io.Copy(io.Discard, r.src.buf); err != nil {
		return r.fail(r.src.failure()) // in a stream the end of the part is unknown
	}
	if size := r.src.pos() - from; size > strayBytes || scout.CodeOf(err) != scout.CodeAudioEmpty {
		r.unread(size, scout.Plain(err)) // else it is a header without samples
	}
	return false
}

// unread reports bytes after the audio so far that did not become audio.
func (r *Reader) unread(size int64, why string) {
	r.told = append(r.told, scout.Warnf(scout.WarningUnread, "%s behind %v were not read: %s",
		byteCount(size), r.partStart.Round(time.Millisecond), why).From(r.partStart))
}

// fail ends the reader with an error in place of the next part.
func (r *Reader) fail(err error) bool {
	r.decodeErr = err
	return false
}

// finishPart collects the warnings of the part that ended at that time.
func (r *Reader) finishPart(at time.Duration) {
	r.told = append(r.told, r.partWarnings()...)
	if err := r.decoder.close(); err != nil {
		r.opts.Log.Debug(eventDecoderStopped, slog.String("error", err.Error()))
	}
	r.decoder, r.damage = ended{}, nil
	r.partStart = at
	r.frames = 0
}

// ended is the decoder after the last part.
type ended struct{}

func (ended) stream() stream                { return stream{} }
func (ended) decode([]float32) (int, error) { return 0, io.EOF }
func (ended) warnings() []scout.Warning     { return nil }
func (ended) close() error                  { return nil }

// partWarnings returns those of the current part, at their time in the whole.
func (r *Reader) partWarnings() []scout.Warning {
	if _, over := r.decoder.(ended); over {
		return nil
	}
	var all []scout.Warning
	for _, list := range [][]scout.Warning{r.decoder.warnings(), r.damage, mixWarnings(r.canonical.Mix(), r.decoded())} {
		for _, w := range list {
			if r.parts > 0 {
				w.Message = fmt.Sprintf("in the part that begins at %v: %s", r.partStart.Round(time.Millisecond), w.Message)
			}
			if w.Start != nil {
				w = w.From(r.partStart + *w.Start)
			}
			if w.End != nil {
				w = w.To(r.partStart + *w.End)
			}
			all = append(all, w)
		}
	}
	return all
}

// nextStart moves to the next bytes that begin a file, over zeros, tags and anything else between. It returns false at
// the end of the input. tags counts bytes that were no loss.
func (s *source) nextStart() (what sniffed, found bool, err error) {
	s.tags = 0
	stray := false // meaningless bytes were met: from now on only a signature counts
	for {
		head, peekErr := s.buf.Peek(sniffBytes)
		if len(head) == 0 {
			if failure := s.failure(); failure != nil {
				return what, false, failure
			}
			return what, false, nil
		}
		if size := skippable(head); size > 0 {
			n, err := s.buf.Discard(size)
			s.tags += int64(n)
			if err != nil && !errors.Is(err, io.EOF) {
				return what, false, s.failure()
			}
			continue
		}
		if !stray || startsFile(head) {
			what = sniffBytesOf(head)
			switch what.kind {
			case kindWAV, kindFLAC, kindVorbis, kindFFmpeg, kindMP3:
				return what, true, nil
			}
		}
		stray = true
		step := nextCandidate(head)
		if step == len(head) && peekErr == nil {
			step -= signatureBytes // a file may begin in them
		}
		if _, err := s.buf.Discard(step); err != nil {
			return what, false, s.failure()
		}
	}
}

// signatureBytes is how many bytes startsFile needs.
const signatureBytes = 64

// nextCandidate returns the distance to the next bytes that may begin a file, len(b) if there are none.
func nextCandidate(b []byte) int {
	for at := 1; at < len(b); at++ {
		if startsFile(b[at:]) {
			return at
		}
	}
	return len(b)
}

// skippable returns the length of zeros and tags at the beginning of b.
func skippable(b []byte) int {
	if zeros := len(b) - len(bytes.TrimLeft(b, "\x00")); zeros >= 4 {
		return max(zeros-3, 1) // three may be the beginning of a box's length
	}
	if len(bytes.TrimLeft(b, "\x00")) == 0 {
		return len(b)
	}
	if bytes.HasPrefix(b, []byte("LYRICSBEGIN")) {
		for _, end := range []string{"LYRICS200", "LYRICSEND"} {
			if at := bytes.Index(b, []byte(end)); at > 0 {
				return at + len(end)
			}
		}
	}
	return tagSize(b)
}

// byteCount writes a number of bytes for people.
func byteCount(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
