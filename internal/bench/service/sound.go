package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/bench"
)

// rate is that of everything that is uploaded and recorded here: one channel of 16 bits.
const rate = scout.EngineSampleRateHz

// headBytes is the size of the header of a WAV file.
const headBytes = 44

// clips cuts speech into files, of which no two are the same. It is safe for concurrent use.
type clips struct {
	samples []int16
	next    atomic.Uint64
}

func newClips(speech []float32) *clips {
	c := &clips{samples: make([]int16, len(speech))}
	for i, s := range speech {
		c.samples[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(s)*math.MaxInt16))))
	}
	return c
}

// cut returns the next file of that length. It begins at another place than the one before, and its first samples are its number, which
// nobody hears.
func (c *clips) cut(length time.Duration) []byte {
	n := c.next.Add(1)
	frames := int(length.Seconds() * rate)
	samples := make([]int16, frames)
	from := int(n*7919*37) % len(c.samples)
	for i := range samples {
		samples[i] = c.samples[(from+i)%len(c.samples)]
	}
	for i := range min(64, frames) {
		samples[i] = int16(n >> i & 1)
	}
	return wav(samples)
}

// wav is a file of one channel of 16 kHz and 16 bits (RIFF WAVE, format 1).
func wav(samples []int16) []byte {
	le := binary.LittleEndian
	data := uint32(2 * len(samples)) //nolint:gosec // minutes
	out := make([]byte, 0, headBytes+len(samples)*2)
	out = append(le.AppendUint32(append(out, "RIFF"...), data+headBytes-8), "WAVEfmt "...)
	out = le.AppendUint16(le.AppendUint16(le.AppendUint32(out, 16), 1), 1)
	out = le.AppendUint32(le.AppendUint32(out, rate), 2*rate)
	out = le.AppendUint16(le.AppendUint16(out, 2), 16)
	out = le.AppendUint32(append(out, "data"...), data)
	for _, s := range samples {
		out = le.AppendUint16(out, uint16(s))
	}
	return out
}

// tape is sound for the virtual device, of which every stretch occurs only once: a recording of it shows which frames it holds.
type tape struct {
	path    string
	samples []int16
}

// newTape writes noise of that length to a file in the house.
func (h *house) newTape(length time.Duration) (*tape, error) {
	t := &tape{path: filepath.Join(h.dir, "tape.wav"), samples: make([]int16, int(length.Seconds()*rate))}
	noise := rand.New(rand.NewPCG(1, 2))
	for i := range t.samples {
		t.samples[i] = int16(noise.IntN(1<<14) - 1<<13) // a quarter of full scale
	}
	return t, atomicfile.Write(t.path, wav(t.samples), atomicfile.Options{Unsynced: true})
}

// roll is a recording of a tape that goes on.
type roll struct {
	*tape
	id    string
	began time.Time
}

// record begins to record a tape, without a text.
func (h *house) record(ctx context.Context, t *tape) (*roll, error) {
	var started struct {
		ID string `json:"id"`
	}
	in := map[string]any{"device": "file:" + t.path, "live": false, "transcribe": false, "format": map[string]any{"sample_rate": rate, "channels": 1, "sample_format": "s16"}}
	_, err := h.owner.ask(ctx, http.MethodPost, "/recorder/start", in, &started)
	return &roll{tape: t, id: started.ID, began: time.Now()}, err
}

// end stops the recording and compares it with the tape.
func (h *house) end(ctx context.Context, r *roll) (bench.ServiceWhole, error) {
	least := time.Since(r.began)
	if _, err := h.owner.ask(ctx, http.MethodPost, "/recorder/stop", map[string]any{"id": r.id}, nil); err != nil {
		return bench.ServiceWhole{}, err
	}
	var info struct {
		Gaps []any `json:"gaps"`
	}
	if _, err := h.owner.ask(ctx, http.MethodGet, "/recordings/"+r.id, nil, &info); err != nil {
		return bench.ServiceWhole{}, err
	}
	a, err := h.owner.get(ctx, api+"/recordings/"+r.id+"/audio")
	if err != nil {
		return bench.ServiceWhole{}, err
	}
	if !a.ok() {
		return bench.ServiceWhole{}, scout.Errorf(scout.CodeInternal, "the audio of the recording: %s", a.what())
	}
	found := compare(frames(a.body), r.samples)
	found.Gaps = len(info.Gaps)
	// What the device has delivered when the stop was asked for, but for the blocks that were on their way.
	found.Least = int(max(0, least-time.Second).Seconds() * rate)
	return found, nil
}

// frames are the samples of a WAV file: what follows the header of its part "data".
func frames(file []byte) []int16 {
	at := bytes.Index(file, []byte("data"))
	if at < 0 || at+8 > len(file) {
		return nil
	}
	raw := file[at+8:]
	samples := make([]int16, len(raw)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(raw[2*i:])) //nolint:gosec // the bits of a sample
	}
	return samples
}

// compare counts the frames that are not those of the tape, from its beginning.
func compare(recorded, played []int16) bench.ServiceWhole {
	w := bench.ServiceWhole{Frames: len(recorded), Wrong: max(0, len(recorded)-len(played))}
	for i := range min(len(recorded), len(played)) {
		if recorded[i] != played[i] {
			w.Wrong++
		}
	}
	return w
}
