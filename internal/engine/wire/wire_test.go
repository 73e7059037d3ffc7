package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

func encode(t testing.TB, kind wire.Kind, id uint64, body func([]byte) ([]byte, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := wire.NewWriter(&out).Write(kind, id, body); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRequestRoundTrip sends random requests through a pipe that delivers one byte at a time.
func TestRequestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		want := wire.Request{
			Options: wire.RequestOptions{
				Background:  rapid.Bool().Draw(rt, "background"),
				Words:       rapid.Bool().Draw(rt, "words"),
				Language:    rapid.StringMatching(`[a-z]{0,2}`).Draw(rt, "language"),
				Hypothesis:  rapid.SliceOfN(rapid.Int32(), 0, 20).Draw(rt, "hypothesis"),
				Traceparent: rapid.StringMatching(`[0-9a-f-]{0,55}`).Draw(rt, "traceparent"),
				Translate:   rapid.Bool().Draw(rt, "translate"),
				Beam:        rapid.IntRange(0, 9).Draw(rt, "beam"),
				Prompt:      rapid.String().Draw(rt, "prompt"),
				TailMS:      rapid.IntRange(0, 30000).Draw(rt, "tail"),
				HotWords:    rapid.SliceOfN(rapid.String(), 1, 3).Draw(rt, "hot words"),
				Keep:        rapid.Bool().Draw(rt, "keep"),
				Score: &wire.Score{
					Words: rapid.SliceOfN(rapid.String(), 0, 3).Draw(rt, "words of the text"), Behind: rapid.IntRange(0, 3).Draw(rt, "behind"),
					Changes: []wire.Change{{From: 1, To: rapid.IntRange(1, 9).Draw(rt, "to"), Words: rapid.SliceOfN(rapid.String(), 1, 3).Draw(rt, "changed")}},
				},
			},
			Samples: rapid.SliceOfN(rapid.Float32(), 0, 500).Draw(rt, "samples"),
		}
		id := rapid.Uint64().Draw(rt, "id")
		var out bytes.Buffer
		if err := wire.NewWriter(&out).Write(wire.KindRequest, id, wire.AppendRequest(&want)); err != nil {
			rt.Fatal(err)
		}
		frame, err := wire.NewReader(iotest.OneByteReader(&out)).Next()
		if err != nil || frame.Kind != wire.KindRequest || frame.ID != id {
			rt.Fatalf("frame %d %d, %v", frame.Kind, frame.ID, err)
		}
		got, err := wire.DecodeRequest(frame.Body)
		if err != nil {
			rt.Fatal(err)
		}
		same := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
		if len(want.Options.Hypothesis) == 0 {
			want.Options.Hypothesis = nil // none and an empty one are sent alike
		}
		if !slices.EqualFunc(got.Samples, want.Samples, same) || !reflect.DeepEqual(got.Options, want.Options) {
			rt.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

func TestFramesFollowEachOther(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := wire.NewWriter(&out)
	for id := range uint64(3) {
		if err := w.Write(wire.KindBeat, id, nil); err != nil {
			t.Fatal(err)
		}
	}
	r := wire.NewReader(&out)
	for id := range uint64(3) {
		frame, err := r.Next()
		if err != nil || frame.ID != id || len(frame.Body) != 0 {
			t.Fatalf("frame %+v, %v: want id %d", frame, err, id)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("%v: want io.EOF", err)
	}
}

func TestBrokenStreamsAreProtocolErrors(t *testing.T) {
	t.Parallel()
	good := encode(t, wire.KindResult, 1, wire.AppendJSON(wire.Result{Text: "hello"}))
	length := func(n uint32) []byte {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint32(bad, n)
		return bad
	}
	kind := func(k byte) []byte {
		bad := bytes.Clone(good)
		bad[4] = k
		return bad
	}
	for name, stream := range map[string][]byte{
		"head cut":           good[:7],
		"body cut":           good[:len(good)-1],
		"length 0":           length(0),
		"length below head":  length(8),
		"length above limit": length(wire.MaxFrameBytes + 1),
		"length huge":        length(math.MaxUint32),
		"kind 0":             kind(0),
		"kind unknown":       kind(8),
		"text":               []byte("error: something a library printed\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.NewReader(bytes.NewReader(stream)).Next()
			if scout.CodeOf(err) != scout.CodeEngineProtocol {
				t.Fatalf("%v: want %s", err, scout.CodeEngineProtocol)
			}
		})
	}
}

// TestAnnouncedBodyCostsNothing reads a frame that announces the largest body and delivers nothing.
func TestAnnouncedBodyCostsNothing(t *testing.T) {
	t.Parallel()
	head := binary.LittleEndian.AppendUint32(nil, wire.MaxFrameBytes)
	head = append(head, byte(wire.KindResult), 0, 0, 0, 0, 0, 0, 0, 0)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := wire.NewReader(bytes.NewReader(head)).Next(); err == nil {
				b.Fatal("no error")
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 512<<10 {
		t.Fatalf("%d bytes allocated for a body that never came", got)
	}
}

func TestOversizedFrameIsRefusedBeforeWriting(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	request := wire.Request{Samples: make([]float32, wire.MaxFrameBytes/4)}
	err := wire.NewWriter(&out).Write(wire.KindRequest, 1, wire.AppendRequest(&request))
	if scout.CodeOf(err) != scout.CodeInvalidArgument || out.Len() != 0 {
		t.Fatalf("%v with %d bytes written", err, out.Len())
	}
}

func TestFailureKeepsKnownCodesOnly(t *testing.T) {
	t.Parallel()
	if code := scout.CodeOf(wire.Failure{Code: scout.CodeModelCorrupt, Message: "x"}.Err()); code != scout.CodeModelCorrupt {
		t.Fatal(code)
	}
	if code := scout.CodeOf(wire.Failure{Code: "made_up", Message: "x"}.Err()); code != scout.CodeEngineFailed {
		t.Fatal(code)
	}
}

// FuzzReader decodes arbitrary bytes as the parent and the engine would: no panic, no endless loop.
func FuzzReader(f *testing.F) {
	request := wire.Request{Options: wire.RequestOptions{Words: true}, Samples: []float32{0, 1, -1}}
	f.Add(encode(f, wire.KindRequest, 7, wire.AppendRequest(&request)))
	f.Add(encode(f, wire.KindHello, 0, wire.AppendJSON(wire.Hello{Protocol: 1, Slots: 1})))
	f.Add(encode(f, wire.KindResult, 7, wire.AppendJSON(wire.Result{Text: "a", Tokens: []wire.Token{{ID: 1}}})))
	start, end := float32(120), float32(360.5)
	f.Add(encode(f, wire.KindResult, 8, wire.AppendJSON(wire.Result{Text: "a b", Words: []wire.Word{
		{Text: "a", StartMS: &start, EndMS: &end}, {Text: "b"}, // the second could not be placed
	}})))
	f.Add(encode(f, wire.KindBeat, 0, wire.AppendJSON(wire.Beat{Requests: []wire.Running{{ID: 1, Phase: wire.PhaseDecode, Tokens: 3}}})))
	huge := float32(3e38)
	f.Add(encode(f, wire.KindResult, 9, wire.AppendJSON(wire.Result{Words: []wire.Word{{Text: "a", StartMS: &huge, EndMS: &huge}}})))
	f.Add([]byte("not a frame"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := wire.NewReader(bytes.NewReader(stream))
		for {
			frame, err := r.Next()
			if err != nil {
				return
			}
			switch frame.Kind {
			case wire.KindRequest:
				request, err := wire.DecodeRequest(frame.Body)
				if err == nil && len(request.Samples)*4 > len(frame.Body) {
					t.Fatal("more samples than bytes")
				}
			case wire.KindLoad:
				_, _ = wire.DecodeJSON[wire.Load](frame.Body)
			case wire.KindHello:
				_, _ = wire.DecodeJSON[wire.Hello](frame.Body)
			case wire.KindResult:
				if result, err := wire.DecodeJSON[*wire.Result](frame.Body); err == nil && result != nil {
					h := result.Hypothesis()
					for _, w := range h.Words {
						if w.Start != nil && *w.Start < 0 || w.End != nil && *w.End < 0 {
							t.Fatal("a time before the beginning")
						}
					}
				}
			case wire.KindBeat:
				_, _ = wire.DecodeJSON[wire.Beat](frame.Body)
			case wire.KindFailure:
				if failure, err := wire.DecodeJSON[wire.Failure](frame.Body); err == nil && failure.Err() == nil {
					t.Fatal("a failure without an error")
				}
			}
		}
	})
}
