package capture

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/ring"
)

func TestHistogramBuckets(t *testing.T) {
	t.Parallel()
	last := -1
	for ns := uint64(0); ns < 1<<40; ns += 1 + ns/50 {
		b := bucket(ns)
		if b < last || b > last+1 && ns > 100 || time.Duration(ns) > upper(b) || float64(upper(b)) > float64(ns)*1.126+1 {
			t.Fatalf("%d ns: bucket %d up to %d after bucket %d", ns, b, upper(b), last)
		}
		last = b
	}
	var h histogram
	if l := h.latency(); l != (Latency{}) {
		t.Errorf("empty: %+v", l)
	}
	for i := range 10_000 {
		h.add(time.Duration(i) * time.Microsecond)
	}
	l := h.latency()
	if l.Count != 10_000 || l.Max != 9999*time.Microsecond ||
		math.Abs(l.P50.Seconds()-0.005) > 0.0006 || math.Abs(l.P999.Seconds()-0.00999) > 0.0012 {
		t.Errorf("%+v", l)
	}
}

// The queue against a plain slice.
func TestIntakeKeepsOrderAndCountsWhatItDrops(t *testing.T) {
	t.Parallel()
	t.Run("from Go", func(t *testing.T) {
		t.Parallel()
		checkIntake(t, func(q *intake) func([]byte) { return q.Deliver })
	})
	t.Run("from C", func(t *testing.T) {
		t.Parallel()
		var pin runtime.Pinner
		defer pin.Unpin()
		checkIntake(t, func(q *intake) func([]byte) { q.pin(&pin); return q.deliverC })
	})
}

func checkIntake(t *testing.T, producer func(*intake) func([]byte)) {
	t.Helper()
	format := deviceFormat(8000, 1, audio.Int16)
	rapid.Check(t, func(t *rapid.T) {
		q, err := newIntake(format, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		into := producer(q)
		var sent, got []int16 // a dropped frame is 0 in both
		next := int16(1)
		deliver := func(n int) {
			room := q.room() >= deviceFrames(n) && q.blockHead.Load()-q.blockTail.Load() < intakeBlocks
			var block []byte
			for range n {
				block = binary.LittleEndian.AppendUint16(block, uint16(next))
				if room {
					sent = append(sent, next)
				} else {
					sent = append(sent, 0)
				}
				next = max(next+1, 1)
			}
			into(append(block, 99)) // a part of a frame is not looked at
		}
		take := func() {
			b, first, second, ok := q.next()
			if !ok {
				return
			}
			got = append(got, make([]int16, b.dropped)...)
			for _, part := range [][]byte{first, second} {
				for ; len(part) > 0; part = part[2:] {
					got = append(got, int16(binary.LittleEndian.Uint16(part)))
				}
			}
			q.pop()
		}
		t.Repeat(map[string]func(*rapid.T){
			"deliver": func(t *rapid.T) { deliver(rapid.IntRange(0, 12_000).Draw(t, "frames")) },
			"take":    func(t *rapid.T) { take() },
			"skip": func(t *rapid.T) {
				n := deviceFrames(rapid.Uint64Range(0, 9000).Draw(t, "frames"))
				var waiting deviceFrames
				q.span(func(frames deviceFrames, _ time.Duration) { waiting += frames })
				q.skip(n)
				got = append(got, sent[len(got):][:min(n, waiting)]...)
			},
		})
		for !q.empty() {
			take()
		}
		if !slices.Equal(got, sent[:len(got)]) || q.dropped != deviceFrames(len(sent)-len(got)) {
			t.Fatalf("%d frames got, %d sent, %d dropped at the end", len(got), len(sent), q.dropped)
		}
	})
}

// Producer and consumer at once.
func TestIntakeUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("from Go", func(t *testing.T) {
		t.Parallel()
		loadIntake(t, func(q *intake) func([]byte) { return q.Deliver })
	})
	t.Run("from C", func(t *testing.T) {
		t.Parallel()
		var pin runtime.Pinner
		defer pin.Unpin()
		loadIntake(t, func(q *intake) func([]byte) { q.pin(&pin); return q.deliverC })
	})
}

func loadIntake(t *testing.T, producer func(*intake) func([]byte)) {
	t.Helper()
	q, err := newIntake(deviceFormat(8000, 1, audio.Int16), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	const total = 2_000_000
	into := producer(q)
	done := make(chan struct{})
	go func() { // ends after total frames; the test reads them all
		defer close(done)
		rng := rand.New(rand.NewPCG(1, 1))
		var block []byte
		for i := 0; i < total; {
			n := min(1+rng.IntN(500), total-i)
			block = block[:0]
			for k := range n {
				block = binary.LittleEndian.AppendUint16(block, uint16(Coded(9, uint64(i+k), 0)))
			}
			into(block)
			i += n
		}
	}()
	for at := uint64(0); at < total; {
		b, first, second, ok := q.next()
		if !ok {
			if isDone(done) && q.empty() {
				break // the last blocks were among the dropped
			}
			continue
		}
		at += uint64(b.dropped)
		for _, part := range [][]byte{first, second} {
			for ; len(part) > 0; part = part[2:] {
				if got := int16(binary.LittleEndian.Uint16(part)); got != Coded(9, at, 0) {
					t.Fatalf("frame %d is wrong", at)
				}
				at++
			}
		}
		q.pop()
	}
}

func TestTimelineSeesThroughLateBlocks(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	l := newTimeline(48_000)
	if l.known() || l.expected(time.Hour) != 0 || l.deficit() != 0 {
		t.Error("something is known of nothing")
	}
	for i := range 3000 { // 30 s of blocks of 10 ms, up to 70 ms late
		at := time.Duration(i+1)*10*time.Millisecond + time.Duration(rng.Int64N(int64(70*time.Millisecond)))
		l.observe(ring.Position(480*(i+1)), at)
		if i == 1000 || i == 1100 { // and one block comes a second early, as an output renders ahead
			l.observe(ring.Position(480*(i+1)+48_000), at)
		}
		if d := l.deficit(); d != 0 {
			t.Fatalf("after %v: deficit of %d", at, d)
		}
	}
	if got := l.expected(31 * time.Second); math.Abs(float64(got)-31*48_000) > 200 {
		t.Errorf("expected %d, want %d", got, 31*48_000)
	}
}

func TestTimelineFindsWhatIsMissingOnce(t *testing.T) {
	t.Parallel()
	l := newTimeline(48_000)
	position := ring.Position(0)
	var filled uint64
	for i := range 3000 {
		at := time.Duration(i+1) * 10 * time.Millisecond
		position += 480
		if i == 1500 {
			position -= 4800 // 100 ms are lost
		}
		l.observe(position, at)
		if d := l.deficit(); d > 0 {
			position = position.Add(d)
			filled += d
			l.filled(d)
		}
	}
	if filled != 4800 {
		t.Errorf("%d frames filled, want 4800", filled)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	devices := []Device{
		{ID: "alsa_input.usb", Name: "USB Headset"},
		{ID: "alsa_input.pci", Name: "Built-in Audio", Default: true},
		{ID: "usb", Name: "Other"},
	}
	for what, want := range map[string]string{
		"": "alsa_input.pci", "default": "alsa_input.pci", "alsa_input.usb": "alsa_input.usb",
		"USB Headset": "alsa_input.usb", "headset": "alsa_input.usb", "usb": "usb", "BUILT": "alsa_input.pci",
	} {
		if d, err := Find(devices, what); err != nil || d.ID != want {
			t.Errorf("%q: %+v, %v, want %s", what, d, err, want)
		}
	}
	for what, hint := range map[string]string{"nothing": "alsa_input.pci (Built-in Audio)", "alsa": "alsa_input.usb"} {
		_, err := Find(devices, what)
		if scout.CodeOf(err) != scout.CodeDeviceNotFound || !strings.Contains(scout.HintOf(err), hint) {
			t.Errorf("%q: %v, hint %q", what, err, scout.HintOf(err))
		}
	}
	if _, err := Find(nil, ""); scout.CodeOf(err) != scout.CodeNoDevice {
		t.Errorf("no devices: %v", err)
	}
	if _, err := Find(devices[:1], ""); scout.CodeOf(err) != scout.CodeNoDevice {
		t.Errorf("no default: %v", err)
	}
}

func TestVirtualNames(t *testing.T) {
	t.Parallel()
	for id, code := range map[string]scout.Code{
		"tone:440": "", "tone:440?rate=16000&channels=2&seconds=1&level=0.1&speed=max": "",
		"signal:7?speed=8": "", "signal:": "",
		"tone:x": scout.CodeInvalidArgument, "tone:440?rate=fast": scout.CodeInvalidArgument,
		"tone:440?pitch=3": scout.CodeInvalidArgument, "signal:1?level=1": scout.CodeInvalidArgument,
		"tone:440?rate=1": scout.CodeAudioUnsupported, "signal:1?channels=1000": scout.CodeAudioUnsupported,
		"tone:-5": scout.CodeInvalidArgument, "tone:440?speed=NaN": scout.CodeInvalidArgument,
		"file:does-not-exist.wav": scout.CodeFileNotFound, "file:" + filepath.Join("testdata", "..") + "?speed=2": scout.CodeFileIsDirectory,
		"file:virtual.go": scout.CodeAudioCorrupt,
	} {
		if !IsVirtual(id) {
			t.Errorf("%s is not virtual", id)
		}
		stream, err := (Virtual{}).Open(t.Context(), id, func(f DeviceFormat) (Sink, error) { return newIntake(f, time.Now()) }, OpenOptions{})
		if scout.CodeOf(err) != code {
			t.Errorf("%s: %v (%s), want %q", id, err, scout.CodeOf(err), code)
		}
		if err == nil {
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, id := range []string{"", "default", "mic.monitor", "hw:0,0"} {
		if IsVirtual(id) {
			t.Errorf("%q is virtual", id)
		}
	}
}

func TestGeneratorEndsAfterItsSeconds(t *testing.T) {
	t.Parallel()
	spec, err := parseVirtual("signal:3?rate=8000&channels=2&seconds=0.5")
	if err != nil {
		t.Fatal(err)
	}
	source, err := spec.source()
	if err != nil {
		t.Fatal(err)
	}
	frames := uint64(0)
	buffer := make([]byte, 4*999)
	for {
		n, err := source.read(buffer)
		if errors.Is(err, io.EOF) {
			break
		}
		for i := 0; i < n; i += 4 {
			for c := range 2 {
				if int16(binary.LittleEndian.Uint16(buffer[i+2*c:])) != Coded(3, frames, c) {
					t.Fatalf("frame %d, channel %d is wrong", frames, c)
				}
			}
			frames++
		}
	}
	if frames != 4000 {
		t.Errorf("%d frames, want 4000", frames)
	}
}

func TestPulseAddress(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	t.Setenv("PULSE_RUNTIME_PATH", "")
	t.Setenv("PULSE_SERVER", "")
	for server, want := range map[string]string{
		"": "unix /run/user/7/pulse/native", "/tmp/x": "unix /tmp/x", "unix:/tmp/y": "unix /tmp/y",
		"tcp:host:99": "tcp host:99", "tcp4:host": "tcp4 host:4713", "{abc}unix:/tmp/z tcp:h": "unix /tmp/z",
		"nonsense unix:/tmp/w": "unix /tmp/w", "{broken": "unix /run/user/7/pulse/native",
	} {
		network, address := pulseAddress(server)
		if got := network + " " + address; got != want {
			t.Errorf("%q: %s, want %s", server, got, want)
		}
	}
	t.Setenv("PULSE_SERVER", "unix:/from/env")
	if _, address := pulseAddress(""); address != "/from/env" {
		t.Errorf("from the environment: %s", address)
	}
}

func TestTimelineHearsNothingBeforeTheDeviceIsOpen(t *testing.T) {
	t.Parallel()
	l := newTimeline(1000)
	l.heardSince(500, 10*time.Second)
	l.observe(2500, 10*time.Second+time.Millisecond) // two seconds of what is yet to come
	if got := l.expected(11 * time.Second); got != 1500 {
		t.Errorf("expected %d a second after the device was opened at 500", got)
	}
}
