package file

import (
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"time"
)

// pause is where a stream goes on without sound.
type pause struct {
	at     time.Duration // in the sound, without pauses
	length time.Duration
}

const (
	// maxAVIStart is the latest begin of a stream that is believed, as in ffmpeg's avidec.c.
	maxAVIStart = time.Hour
	// maxAVIChunks bounds the walk: twenty hours of a film.
	maxAVIChunks = 4 << 20
)

// aviStream is what the header of a stream says, and what was met of it so far.
type aviStream struct {
	sound      bool
	tick       float64 // seconds
	start      float64 // of the stream, in seconds
	sampleSize uint32  // 0 where each chunk lasts one tick, whatever its size
	chunks     int64   // with sound
	empty      int64   // chunks without any since then
	pauses     []pause
}

// aviPauses returns where the sound of each stream of an AVI file pauses, by the stream's number. An empty chunk lasts as long as any other
// one, and a stream may begin late; ffmpeg's demuxer skips both. The chunks themselves are read, since indexes may be missing or
// wrong, and those of long files (OpenDML) are of another form.
//
//	start, end  of the file in r
//
// Source: Microsoft, "AVI RIFF File Reference" and AVISTREAMHEADER; OpenDML AVI File Format Extensions 1.02.
func aviPauses(r io.ReaderAt, start, end int64) map[int][]pause {
	const head, inList, streamHeader = 8, 12, 48
	var streams []aviStream
	for range maxAVIChunks {
		var b [inList]byte
		if n, _ := r.ReadAt(b[:min(inList, max(end-start, 0))], start); n < head || !printable(b[:4]) {
			break // the end, or damage
		}
		size := int64(binary.LittleEndian.Uint32(b[4:]))
		name, kind := string(b[:4]), string(b[8:])
		switch {
		case name == "RIFF", name == "LIST" && (kind == "hdrl" || kind == "strl" || kind == "movi" || kind == "rec "):
			start += inList // its chunks follow
			continue
		case name == "strh":
			var h [streamHeader]byte
			_, _ = r.ReadAt(h[:], start+head) // what is missing is 0
			streams = append(streams, parseAVIStream(h[:]))
		case name[2:] == "wb":
			if n := int(b[0]-'0')*10 + int(b[1]-'0'); n >= 0 && n < len(streams) {
				streams[n].chunk(size)
			}
		}
		start += head + size + size%2
	}
	first := maxAVIStart.Seconds()
	for i := range streams {
		first = min(first, streams[i].start)
	}
	found := map[int][]pause{}
	for i := range streams {
		if s := &streams[i]; s.sound {
			found[i] = s.all(s.start - first)
		}
	}
	return found
}

func parseAVIStream(h []byte) aviStream {
	scale, rate, begin := binary.LittleEndian.Uint32(h[20:]), binary.LittleEndian.Uint32(h[24:]), binary.LittleEndian.Uint32(h[28:])
	s := aviStream{sound: string(h[:4]) == "auds", sampleSize: binary.LittleEndian.Uint32(h[44:])}
	if rate > 0 {
		s.tick = float64(scale) / float64(rate)
	}
	if s.start = float64(begin) * s.tick; s.start > maxAVIStart.Seconds() {
		s.start = 0
	}
	return s
}

// chunk takes the next chunk of the stream, of that many bytes.
func (s *aviStream) chunk(size int64) {
	if size == 0 {
		s.empty++
		return
	}
	if s.empty > 0 && s.sampleSize == 0 {
		s.pauses = append(s.pauses, pause{seconds(float64(s.chunks) * s.tick), seconds(float64(s.empty) * s.tick)})
	}
	s.empty = 0
	s.chunks++
}

// all returns the pauses, with one of that many seconds at the beginning.
func (s *aviStream) all(late float64) []pause {
	pauses := s.pauses
	if late > 0 {
		pauses = append([]pause{{0, seconds(late)}}, pauses...)
	}
	kept := pauses[:0]
	for _, p := range pauses {
		if p.length >= holeLeast && p.length <= holeMost && len(kept) < maxHoles {
			kept = append(kept, p)
		}
	}
	return kept
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// pauses returns the pauses of the track that its time stamps do not tell.
func (j *ffmpegJob) pauses() []pause {
	at, ok := j.src.r.(io.ReaderAt)
	if !ok || j.what.container != "avi" {
		return nil
	}
	found := aviPauses(at, j.start, j.extent.end)
	if j.track != nil && !j.track.blind {
		return found[j.track.index]
	}
	streams := slices.Sorted(maps.Keys(found))
	if number := j.trackNumber(); number <= len(streams) {
		return found[streams[number-1]]
	}
	return nil
}

// trackNumber returns the number of the track that is read, from 1.
func (j *ffmpegJob) trackNumber() int {
	if j.track != nil {
		return j.track.Number
	}
	return 1
}
