package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/intake"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/capture/virtual"
)

func ringFor(tb testing.TB, f scout.Format, seconds int) *ring.Ring {
	tb.Helper()
	r, err := ring.New(ring.Options{FrameBytes: f.FrameBytes(), Frames: seconds * f.SampleRateHz})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func readAll(tb testing.TB, r *ring.Ring) []byte {
	tb.Helper()
	all := make([]byte, int(r.Head())*r.FrameBytes())
	if _, err := r.ReadAt(all, 0); err != nil && r.Head() > 0 {
		tb.Fatal(err)
	}
	return all
}

// sine is a tenth of a second of 440 Hz at half of full scale in every channel.
func sine(f sound.Format) []byte {
	samples := make([]float32, f.SampleRateHz/10*f.Channels)
	for i := range samples {
		samples[i] = float32(0.5 * math.Sin(2*math.Pi*440*float64(i/f.Channels)/float64(f.SampleRateHz)))
	}
	data := make([]byte, len(samples)*f.Encoding.Bytes())
	audio.Encode(data, samples, f.Encoding)
	return data
}

func TestEveryDeviceFormatToEveryRecordingFormat(t *testing.T) {
	t.Parallel()
	for _, inHz := range []int{8000, 16_000, 22_050, 44_100, 48_000, 192_000} {
		for _, channels := range []int{1, 2, 6} {
			for _, encoding := range []audio.Encoding{audio.Uint8, audio.Int16, audio.Int24, audio.Int32, audio.Float32} {
				in := sound.NewFormat(inHz, channels, encoding)
				t.Run(in.String(), func(t *testing.T) {
					t.Parallel()
					data := sine(in)
					for _, out := range []scout.Format{
						{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16},
						{SampleRateHz: 48_000, Channels: 2, Sample: scout.SampleS24},
						{SampleRateHz: inHz, Channels: channels, Sample: scout.SampleF32},
					} {
						checkConversion(t, in, out, data)
					}
				})
			}
		}
	}
}

// checkConversion converts a tenth of a second of 440 Hz in blocks of odd size and looks for it.
func checkConversion(t *testing.T, in sound.Format, out scout.Format, data []byte) {
	t.Helper()
	r := ringFor(t, out, 2)
	c, err := newConverter(in, out, r)
	if err != nil {
		t.Fatal(err)
	}
	peak := 0.0
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 737*in.FrameBytes())
		peak = max(peak, c.write(rest[:n]).Peak)
		rest = rest[n:]
	}
	if math.Abs(peak-0.5) > 0.02 {
		t.Errorf("%v: peak %v", out, peak)
	}
	if c.position() != ring.Position(out.SampleRateHz/10) {
		t.Errorf("%v: position %d", out, c.position())
	}
	c.flush()
	if r.Head() != ring.Position(out.SampleRateHz/10) {
		t.Fatalf("%v: %d frames of a tenth of a second", out, r.Head())
	}
	samples := make([]float32, int(r.Head())*out.Channels)
	audio.Decode(samples, readAll(t, r), encodingOf(out.Sample))
	var worst float64
	edge := out.SampleRateHz / 50 // where the filter sees the beginning and the end of the sine
	for i := edge; i < out.SampleRateHz/10-edge; i++ {
		want := 0.5 * math.Sin(2*math.Pi*440*float64(i)/float64(out.SampleRateHz))
		for ch := range out.Channels {
			worst = max(worst, math.Abs(float64(samples[i*out.Channels+ch])-want))
		}
	}
	limit := 2e-3
	if in.Encoding == audio.Uint8 {
		limit = 2e-2
	}
	if worst > limit {
		t.Errorf("%v: off by %v", out, worst)
	}
}

func TestEqualFormatsPassBitByBit(t *testing.T) {
	t.Parallel()
	for _, sample := range []scout.SampleFormat{scout.SampleS16, scout.SampleS24, scout.SampleF32} {
		out := scout.Format{SampleRateHz: 48_000, Channels: 2, Sample: sample}
		in := sound.NewFormat(48_000, 2, encodingOf(sample))
		data := make([]byte, 5000*in.FrameBytes())
		for i := range data {
			data[i] = byte(i*7 + i>>8)
		}
		if sample == scout.SampleF32 {
			for i := 0; i < len(data); i += 4 {
				binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(i%1000)/1000-0.5))
			}
		}
		r := ringFor(t, out, 1)
		c, err := newConverter(in, out, r)
		if err != nil {
			t.Fatal(err)
		}
		c.write(data)
		if got := readAll(t, r); !bytes.Equal(got, data) {
			t.Errorf("%s: bytes differ", sample)
		}
	}
	// 16 bits through float and back, where only the channels differ.
	out := scout.Format{SampleRateHz: 48_000, Channels: 1, Sample: scout.SampleS16}
	r := ringFor(t, out, 1)
	c, err := newConverter(sound.NewFormat(48_000, 2, audio.Int16), out, r)
	if err != nil {
		t.Fatal(err)
	}
	var stereo, mono []byte
	for i := range 4000 {
		sample := uint16(virtual.Coded(1, uint64(i), 0))
		mono = binary.LittleEndian.AppendUint16(mono, sample)
		stereo = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(stereo, sample), sample)
	}
	c.write(stereo)
	if !bytes.Equal(readAll(t, r), mono) {
		t.Error("identical left and right do not mix down to themselves")
	}
}

func TestSamplesThatAreNoNumbersBecomeSilence(t *testing.T) {
	t.Parallel()
	out := scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleF32}
	r := ringFor(t, out, 1)
	c, err := newConverter(sound.NewFormat(16_000, 1, audio.Float32), out, r)
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, x := range []float64{0.25, math.NaN(), math.Inf(1), math.Inf(-1)} {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(x)))
	}
	if l := c.write(data); l.NonFinite != 3 || l.Peak != 0.25 {
		t.Errorf("level %+v", l)
	}
	samples := make([]float32, 4)
	audio.Decode(samples, readAll(t, r), audio.Float32)
	if samples[0] != 0.25 || samples[1] != 0 || math.IsInf(float64(samples[2]), 0) || math.IsInf(float64(samples[3]), 0) {
		t.Errorf("samples %v", samples)
	}
}

func TestAbsurdDeviceFormatsAreRefused(t *testing.T) {
	t.Parallel()
	out := scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}
	for _, in := range []sound.Format{{}, sound.NewFormat(0, 1, audio.Int16), sound.NewFormat(48_000, 0, audio.Int16), sound.NewFormat(48_000, 1, 0)} {
		if _, err := intake.New(in, time.Now()); err == nil {
			t.Errorf("%s: an intake", in)
		}
	}
	if _, err := newConverter(sound.NewFormat(1000, 1, audio.Int16), out, ringFor(t, out, 1)); scout.CodeOf(err) != scout.CodeAudioUnsupported {
		t.Errorf("1000 Hz: %v", err)
	}
}

// The whole way of a block: callback, queue, conversion, level, meter, ring (S3).
func TestPerBlockPathAllocatesNothing(t *testing.T) {
	for name, in := range map[string]sound.Format{
		"as it is":  sound.NewFormat(48_000, 1, audio.Int16),
		"converted": sound.NewFormat(44_100, 2, audio.Float32),
	} {
		s, err := New(Options{Format: scout.Format{SampleRateHz: 48_000, Channels: 1, Sample: scout.SampleS16}, Backend: virtual.Backend{}})
		if err != nil {
			t.Fatal(err)
		}
		l := lineFor(t, s, in)
		block := make([]byte, in.SampleRateHz/50*in.FrameBytes())
		if n := testing.AllocsPerRun(500, func() {
			l.intake.Deliver(block)
			s.owner.take()
			s.owner.fillDeficit()
		}); n != 0 {
			t.Errorf("%s: %v allocations for each block", name, n)
		}
	}
}

// lineFor gives the session's owner an open device in real time.
func lineFor(tb testing.TB, s *Session, in sound.Format) *line {
	tb.Helper()
	q, err := intake.New(in, s.epoch)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := newConverter(in, s.options.Format, s.ring)
	if err != nil {
		tb.Fatal(err)
	}
	l := &line{stream: quietStream{in}, intake: q, converter: c}
	s.owner.line = l
	return l
}

// quietStream is a stream that is fed by hand.
type quietStream struct{ Of sound.Format }

func (q quietStream) Device() sound.Device  { return sound.Device{ID: "quiet"} }
func (q quietStream) Format() sound.Format  { return q.Of }
func (q quietStream) Name() string          { return "" }
func (q quietStream) RealTime() bool        { return true }
func (q quietStream) Done() <-chan struct{} { return nil }
func (q quietStream) Close() error          { return nil }

func (q quietStream) Start(context.Context) error { return nil }

func BenchmarkPerBlockPath(b *testing.B) {
	for _, c := range []struct {
		in  sound.Format
		out scout.Format
	}{
		{sound.NewFormat(48_000, 1, audio.Int16), scout.Format{SampleRateHz: 48_000, Channels: 1, Sample: scout.SampleS16}},
		{sound.NewFormat(48_000, 2, audio.Float32), scout.Format{SampleRateHz: 48_000, Channels: 2, Sample: scout.SampleS16}},
		{sound.NewFormat(48_000, 2, audio.Int16), scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}},
	} {
		b.Run(fmt.Sprintf("20 ms of %s to %d Hz, %d channels, %s", c.in, c.out.SampleRateHz, c.out.Channels, c.out.Sample), func(b *testing.B) {
			s, err := New(Options{Format: c.out, Backend: virtual.Backend{}})
			if err != nil {
				b.Fatal(err)
			}
			l := lineFor(b, s, c.in)
			block := make([]byte, c.in.SampleRateHz/50*c.in.FrameBytes())
			b.ReportAllocs()
			for b.Loop() {
				l.intake.Deliver(block)
				s.owner.take()
			}
		})
	}
}

func BenchmarkCallback(b *testing.B) {
	q, err := intake.New(sound.NewFormat(48_000, 1, audio.Int16), time.Now())
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 2*960)
	b.ReportAllocs()
	for b.Loop() {
		q.Deliver(block)
		q.Pop()
	}
}
