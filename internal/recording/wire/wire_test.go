package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
)

func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type sent struct {
			kind wire.Kind
			id   uint64
			body []byte
		}
		var out bytes.Buffer
		w := wire.NewWriter(&out)
		kinds := []wire.Kind{wire.KindHello, wire.KindWatchEvents, wire.KindWelcome, wire.KindFrames, wire.KindEvent}
		var want []sent
		for range rapid.IntRange(0, 5).Draw(t, "frames") {
			s := sent{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.Uint64().Draw(t, "id"), rapid.SliceOf(rapid.Byte()).Draw(t, "body")}
			if err := w.Write(s.kind, s.id, func(b []byte) ([]byte, error) { return append(b, s.body...), nil }); err != nil {
				t.Fatal(err)
			}
			want = append(want, s)
		}
		r := wire.NewReader(&out)
		for _, s := range want {
			f, err := r.Next()
			if err != nil || f.Kind != s.kind || f.ID != s.id || !bytes.Equal(f.Body, s.body) {
				t.Fatalf("got %+v, %v; want %+v", f, err, s)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
	})
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	frame := func(length uint32, kind byte, body string) string {
		b := binary.LittleEndian.AppendUint32(nil, length)
		return string(append(b, kind)) + "\x01\x00\x00\x00\x00\x00\x00\x00" + body
	}
	for _, c := range []struct {
		name string
		in   string
		code scout.Code
	}{
		{"a length of nothing", frame(0, 1, ""), scout.CodeRecorderProtocol},
		{"a length beyond the limit", frame(wire.MaxFrameBytes+1, 1, ""), scout.CodeRecorderProtocol},
		{"an unknown kind", frame(9, 40, ""), scout.CodeRecorderProtocol},
		{"half a head", frame(9, 1, "")[:7], scout.CodeInternal},
		{"half a body", frame(100, 1, "half"), scout.CodeInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.NewReader(strings.NewReader(c.in)).Next()
			if err == nil || errors.Is(err, io.EOF) || scout.CodeOf(err) != c.code {
				t.Errorf("Next = %v (%s), want %s", err, scout.CodeOf(err), c.code)
			}
		})
	}
}

func TestWriterRefusesLargeFrames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := wire.NewWriter(&out).Write(wire.KindFrames, 1, func(b []byte) ([]byte, error) { return append(b, make([]byte, wire.MaxFrameBytes)...), nil })
	if scout.CodeOf(err) != scout.CodeRecorderProtocol || out.Len() != 0 {
		t.Errorf("Write = %v, %d bytes written", err, out.Len())
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	position, audio, err := wire.DecodeFrames(append(wire.AppendFrames(nil, 77), 1, 2, 3, 4), 2)
	if position != 77 || len(audio) != 4 || err != nil {
		t.Errorf("frames: %d, %v, %v", position, audio, err)
	}
	from, to, err := wire.DecodeMissed(wire.AppendMissed(nil, 5, 9))
	if from != 5 || to != 9 || err != nil {
		t.Errorf("missed: %d, %d, %v", from, to, err)
	}
	frames, err := wire.DecodeEnd(wire.AppendEnd(nil, 1<<40))
	if frames != 1<<40 || err != nil {
		t.Errorf("end: %d, %v", frames, err)
	}
	want := recording.Level{RMS: 0.25, Peak: 1.5, Position: 3}
	if got, err := wire.DecodeLevel(wire.AppendLevel(nil, want)); got != want || err != nil {
		t.Errorf("level: %+v, %v", got, err)
	}
}

func TestFailureKeepsCodeTextAndHint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want scout.Code
	}{
		{"coded", scout.Errorf(scout.CodeDiskLow, "3 minutes left").WithHint("delete something"), scout.CodeDiskLow},
		{"uncoded", errors.New("oh"), scout.CodeInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := wire.FailureOf(c.err).Err()
			if scout.CodeOf(got) != c.want || got.Error() != c.err.Error() || scout.HintOf(got) != scout.HintOf(c.err) {
				t.Errorf("%v, %s, %q", got, scout.CodeOf(got), scout.HintOf(got))
			}
		})
	}
	if got := (wire.Failure{Code: "of_the_future", Text: "x"}).Err(); scout.CodeOf(got) != scout.CodeInternal {
		t.Errorf("an unknown code became %s", scout.CodeOf(got))
	}
}

// FuzzReader holds both sides' decoders: whatever comes, there is a frame or an error, and no body is
// taken for another than it is.
func FuzzReader(f *testing.F) {
	var out bytes.Buffer
	w := wire.NewWriter(&out)
	seed := func(err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	seed(w.WriteJSON(wire.KindHello, 0, wire.Hello{Protocol: 2, Probe: true}))
	seed(w.WriteJSON(wire.KindStart, 1, recording.Order{ID: recording.NewID(time.Unix(0, 0)), Labels: map[string]string{"a": "b"}}))
	seed(w.Write(wire.KindFrames, 2, func(b []byte) ([]byte, error) { return append(wire.AppendFrames(b, 3), 1, 2), nil }))
	seed(w.Write(wire.KindMissed, 2, func(b []byte) ([]byte, error) { return wire.AppendMissed(b, 3, 4), nil }))
	seed(w.Write(wire.KindEnd, 2, func(b []byte) ([]byte, error) { return wire.AppendEnd(b, 3), nil }))
	seed(w.Write(wire.KindLevel, 2, func(b []byte) ([]byte, error) { return wire.AppendLevel(b, recording.Level{RMS: 1}), nil }))
	seed(w.WriteJSON(wire.KindEvent, 3, recording.Event{Kind: recording.KindGap, Gap: &scout.Gap{Frames: 1}}))
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		r := wire.NewReader(bytes.NewReader(in))
		for {
			frame, err := r.Next()
			if err != nil {
				return
			}
			check(t, frame)
		}
	})
}

func check(t *testing.T, f wire.Frame) {
	t.Helper()
	var err error
	switch f.Kind {
	case wire.KindHello:
		err = wire.DecodeJSON(f, new(wire.Hello))
	case wire.KindStart:
		err = wire.DecodeJSON(f, new(recording.Order))
	case wire.KindStop:
		err = wire.DecodeJSON(f, new(wire.Stop))
	case wire.KindListen:
		err = wire.DecodeJSON(f, new(wire.Listen))
	case wire.KindWatchLevel:
		err = wire.DecodeJSON(f, new(wire.WatchLevel))
	case wire.KindWelcome:
		err = wire.DecodeJSON(f, new(wire.Welcome))
	case wire.KindFailure:
		var failure wire.Failure
		if err = wire.DecodeJSON(f, &failure); err == nil && failure.Err() == nil {
			t.Error("a failure became nil")
		}
	case wire.KindEvent:
		err = wire.DecodeJSON(f, new(recording.Event))
	case wire.KindFrames:
		var audio []byte
		if _, audio, err = wire.DecodeFrames(f.Body, 3); err == nil && (len(audio) == 0 || len(audio)%3 != 0) {
			t.Errorf("%d bytes of audio", len(audio))
		}
	case wire.KindMissed:
		var from, to scout.Position
		if from, to, err = wire.DecodeMissed(f.Body); err == nil && from >= to {
			t.Errorf("missed %d to %d", from, to)
		}
	case wire.KindEnd:
		_, err = wire.DecodeEnd(f.Body)
	case wire.KindLevel:
		var level recording.Level
		if level, err = wire.DecodeLevel(f.Body); err == nil && !(level.RMS >= 0 && level.Peak >= 0) {
			t.Errorf("level %+v", level)
		}
	}
	if err != nil && scout.CodeOf(err) != scout.CodeRecorderProtocol {
		t.Errorf("kind %d: %v has code %s", f.Kind, err, scout.CodeOf(err))
	}
}
