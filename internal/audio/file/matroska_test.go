package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

// Elements of Matroska. Source: RFC 9559, 5.
const (
	idHeader, idSegment, idInfo, idTracks, idTrack, idCluster  = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1F43B675
	idTime, idSimple, idGroup, idBlock, idVoid, idCues, idSeek = 0xE7, 0xA3, 0xA0, 0xA1, 0xEC, 0x1C53BB6B, 0x114D9B74
	idNumber, idUID, idKind, idCodec, idEncodings, idDuration  = 0xD7, 0x73C5, 0x83, 0x86, 0x6D80, 0x4489
)

// element is one element, and its children where it is one that has some.
type element struct {
	id       uint64
	body     []byte
	children []element
	unknown  bool
}

// ebmlNumberOf reads a number of EBML.
func ebmlNumberOf(b []byte, marker bool) (n uint64, size int) {
	size = 1
	for b[0]<<(size-1)&0x80 == 0 {
		size++
	}
	for _, c := range b[:size] {
		n = n<<8 | uint64(c)
	}
	if !marker {
		n &^= 1 << (7 * size)
	}
	return n, size
}

// elementsOf reads what ffmpeg wrote into a file: all its sizes are known.
func elementsOf(b []byte) (all []element) {
	for len(b) > 0 {
		id, n := ebmlNumberOf(b, true)
		size, m := ebmlNumberOf(b[n:], false)
		e := element{id: id, body: b[n+m : n+m+int(size)]}
		if slices.Contains([]uint64{idSegment, idTracks, idTrack, idCluster, idGroup, idInfo}, id) {
			e.children, e.body = elementsOf(e.body), nil
		}
		all = append(all, e)
		b = b[n+m+int(size):]
	}
	return all
}

// bytes writes elements.
func (e element) bytes() []byte {
	body := e.body
	for _, c := range e.children {
		body = append(body, c.bytes()...)
	}
	id := binary.BigEndian.AppendUint32(nil, uint32(e.id))
	size := binary.BigEndian.AppendUint64(nil, 1<<56|uint64(len(body)))
	if e.unknown {
		size = binary.BigEndian.AppendUint64(nil, 1<<57-1)
	}
	return append(append(bytes.TrimLeft(id, "\x00"), size...), body...)
}

// each returns a copy of the elements, changed by change at every level: it returns what stands in the place of one.
func each(all []element, change func(element) []element) (changed []element) {
	for _, e := range all {
		e.children = each(e.children, change)
		changed = append(changed, change(e)...)
	}
	return changed
}

func fileOf(all []element) (b []byte) {
	for _, e := range all {
		b = append(b, e.bytes()...)
	}
	return b
}

// lace puts each three blocks of a cluster into one; fixed has no sizes.
func lace(kind byte, sizes func(size int) []byte) func(element) []element {
	return func(e element) []element {
		if e.id != idCluster {
			return []element{e}
		}
		var out, waiting []element
		for _, c := range e.children {
			if waiting = append(waiting, c); c.id != idSimple {
				out, waiting = append(out, waiting...), nil
			} else if len(waiting) == 3 {
				body := slices.Clone(waiting[0].body[:4])
				body[3] |= kind << 1
				body = append(append(body, 2), sizes(len(c.body)-4)...)
				for _, w := range waiting {
					body = append(body, w.body[4:]...)
				}
				out, waiting = append(out, element{id: idSimple, body: body}), nil
			}
		}
		e.children = slices.Concat(out, waiting)
		return []element{e}
	}
}

// middle is where a block with a packet of 320 bytes begins, in the middle of a file.
func middle(b []byte) int {
	return len(b)/2 + bytes.Index(b[len(b)/2:], []byte{idSimple, 1, 0, 0, 0, 0, 0, 1, 324 - 256})
}

// TestMatroskaAsItComes reads one file in all the forms that muxers give it, as it comes, and compares it with the complete file, which ffmpeg
// decodes. Every packet has 320 bytes.
func TestMatroskaAsItComes(t *testing.T) {
	t.Parallel()
	sound := wavFile(audio.Int16, 48000, 1, hum(48000, 12*48000+4711, 1))
	path := convert(t, sound, "x.webm", strings.Fields("-c:a libopus -vbr off -b:a 128k -cluster_time_limit 2000 -f webm")...)
	whole, wholeInfo := readFile(t, path, file.Options{})
	same := func(e element) []element { return []element{e} }
	made := each(elementsOf(contents(t, path)), func(e element) []element {
		if e.id == idSeek || e.id == idCues { // they tell where others are, which move
			return nil
		}
		return []element{e}
	})
	video := element{id: idTrack, children: []element{{id: idNumber, body: []byte{2}}, {id: idUID, body: []byte{2}}, {id: idKind, body: []byte{1}}, {id: idCodec, body: []byte("V_VP8")}}}
	void := element{id: idVoid, body: make([]byte, 3000)}
	second := video
	second.children = slices.Clone(video.children)
	second.children[2].body = []byte{2}
	beside := func(track element) func(element) []element {
		return func(e element) []element {
			if e.id == idTracks {
				e.children = append(slices.Clone(e.children), track)
			}
			return []element{e}
		}
	}
	base, _, err := asItComes(t, fileOf(made))
	if err != nil {
		t.Fatal(err)
	}
	alike(t, "as it is", base, whole, 0.999)
	for name, c := range map[string]struct {
		change    func(element) []element
		bytes     func([]byte) []byte
		refused   bool
		different bool // from the file as it is
		warning   scout.WarningCode
		seconds   float64
	}{
		"as browsers record it": {change: func(e element) []element {
			switch e.id {
			case idSegment, idCluster:
				e.unknown = true
			case idDuration, idVoid:
				return nil
			}
			return []element{e}
		}},
		"void everywhere": {change: func(e element) []element {
			if slices.Contains([]uint64{idInfo, idTracks, idCluster, idSimple}, e.id) {
				return []element{void, e, void}
			}
			return []element{e}
		}},
		"groups": {change: func(e element) []element {
			if e.id == idSimple {
				return []element{{id: idGroup, children: []element{{id: idBlock, body: e.body}}}}
			}
			return []element{e}
		}},
		"lacing as in Ogg":   {change: lace(1, func(size int) []byte { return []byte{255, byte(size - 255), 255, byte(size - 255)} })},
		"lacing of one size": {change: lace(2, func(int) []byte { return nil })},
		"lacing with sizes":  {change: lace(3, func(size int) []byte { return []byte{0x40 | byte(size>>8), byte(size), 0xBF} })},
		"with pictures": {change: func(e element) []element {
			e = beside(video)(e)[0]
			if e.id == idSimple {
				picture := slices.Concat([]byte{0x82}, e.body[1:4], make([]byte, 70000))
				return []element{{id: idSimple, body: picture}, e}
			}
			return []element{e}
		}},
		"two tracks of sound": {change: beside(second), refused: true},
		"compressed": {refused: true, change: func(e element) []element {
			if e.id == idTrack {
				e.children = append(slices.Clone(e.children), element{id: idEncodings})
			}
			return []element{e}
		}},
		"a tag behind it": {bytes: func(b []byte) []byte { return append(append(b, "TAG"...), make([]byte, 125)...) }},
		"a block that is too large": {different: true, warning: scout.WarningDamaged, bytes: func(b []byte) []byte {
			b[middle(b)+5] = 7
			return b
		}},
		"a block that is too short": {different: true, warning: scout.WarningDamaged, bytes: func(b []byte) []byte {
			b[middle(b)+8]--
			return b
		}},
		"a destroyed stretch": {different: true, warning: scout.WarningDamaged, bytes: func(b []byte) []byte {
			copy(b[len(b)/2:], make([]byte, 5000))
			return b
		}},
		"a packet that is none": {different: true, warning: scout.WarningDamaged, bytes: func(b []byte) []byte {
			copy(b[middle(b)+13:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
			return b
		}},
		"cut off": {different: true, warning: scout.WarningCutOff, seconds: 6, bytes: func(b []byte) []byte { return b[:len(b)/2] }},
		"joined":  {different: true, seconds: 24.2, bytes: func(b []byte) []byte { return append(b, b...) }},
		"joined of unknown size": {different: true, seconds: 24.2, change: func(e element) []element {
			e.unknown = e.id == idSegment || e.id == idCluster
			return []element{e}
		}, bytes: func(b []byte) []byte { return append(b, b...) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.change == nil {
				c.change = same
			}
			data := fileOf(each(made, c.change))
			if c.bytes != nil {
				data = c.bytes(data)
			}
			got, info, err := asItComes(t, data)
			if c.refused {
				if !errors.Is(err, file.ErrUnfinished) {
					t.Errorf("%v, want that it must be complete", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if warned := len(info.Warnings) > 0; warned != (c.warning != "") || warned && info.Warnings[0].Code != c.warning {
				t.Errorf("%s, want %q", messages(info.Warnings), c.warning)
			}
			if info.Container != "webm" || info.Codec != "opus" || info.SampleRateHz != 48000 || info.Channels != 1 {
				t.Errorf("%+v, the whole file has %+v", info, wholeInfo)
			}
			switch {
			case c.seconds > 0:
				if seconds := float64(len(got)) / 16000; max(seconds-c.seconds, c.seconds-seconds) > 0.2 {
					t.Errorf("%.2f s, want %.2f s", seconds, c.seconds)
				}
			case c.different:
				alike(t, name, got, whole, 0.8)
			default:
				if !slices.Equal(got, base) {
					t.Errorf("%d samples, the file as it is has %d", len(got), len(base))
				}
			}
		})
	}
}

// TestMatroskaOfOtherCodecs compares what comes with what ffmpeg makes of the complete file.
func TestMatroskaOfOtherCodecs(t *testing.T) {
	t.Parallel()
	sound := wavFile(audio.Int16, 44100, 2, hum(44100, 6*44100+4711, 2))
	for name, arguments := range map[string]string{
		"vorbis.webm": "-c:a libvorbis -f webm", "speech.mkv": "-ac 1 -c:a libopus -b:a 16k -application voip -frame_duration 60 -f matroska", "stereo.webm": "-c:a libopus -b:a 64k -f webm -live 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := convert(t, sound, name, strings.Fields(arguments)...)
			want, info := readFile(t, path, file.Options{})
			got, coming, err := asItComes(t, contents(t, path))
			if err != nil {
				t.Fatal(err)
			}
			alike(t, name, got, want, 0.98)
			if coming.Container != info.Container || coming.Codec != info.Codec || coming.SampleRateHz != info.SampleRateHz || coming.Channels != info.Channels || len(coming.Warnings) > 0 {
				t.Errorf("%+v, the whole file has %+v", coming, info)
			}
		})
	}
}

// asItComes reads a stream to its end.
func asItComes(t *testing.T, data []byte) ([]float32, file.Info, error) {
	t.Helper()
	r, err := file.New(context.Background(), bytes.NewReader(data), "x", file.Options{TempDir: t.TempDir(), Unfinished: true})
	if err != nil {
		return nil, file.Info{}, err
	}
	samples, err := drain(r)
	info := r.Info()
	return samples, info, errors.Join(err, r.Close())
}

// alike compares two decoders' samples.
func alike(t *testing.T, name string, got, want []float32, least float64) {
	t.Helper()
	if difference := len(got) - len(want); max(difference, -difference) > 16 {
		t.Errorf("%s: %d samples, the whole file has %d", name, len(got), len(want))
	}
	if same, lag := correlation(want, got); same < least || max(lag, -lag) > 16 {
		t.Errorf("%s: it is like the whole file by %.4f, %d samples later", name, same, lag)
	}
}
