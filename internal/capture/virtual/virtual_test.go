package virtual

import (
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/sound"
)

func TestVirtualNames(t *testing.T) {
	t.Parallel()
	for id, code := range map[string]scout.Code{
		"tone:440": "", "tone:440?rate=16000&channels=2&seconds=1&level=0.1&speed=max": "",
		"signal:7?speed=8": "", "signal:": "",
		"tone:x": scout.CodeInvalidArgument, "tone:440?rate=fast": scout.CodeInvalidArgument,
		"tone:440?pitch=3": scout.CodeInvalidArgument, "signal:1?level=1": scout.CodeInvalidArgument,
		"tone:440?rate=1": scout.CodeAudioUnsupported, "signal:1?channels=1000": scout.CodeAudioUnsupported,
		"tone:-5": scout.CodeInvalidArgument, "tone:440?speed=NaN": scout.CodeInvalidArgument,
		"file:does-not-exist.wav": scout.CodeFileNotFound, "file:" + filepath.Join("..", "virtual") + "?speed=2": scout.CodeFileIsDirectory,
		"file:virtual.go": scout.CodeAudioCorrupt,
	} {
		if !Is(id) {
			t.Errorf("%s is not virtual", id)
		}
		stream, err := (Backend{}).Open(t.Context(), id, func(f sound.Format) (sound.Sink, error) { return deaf{}, nil }, sound.OpenOptions{})
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
		if Is(id) {
			t.Errorf("%q is virtual", id)
		}
	}
}

func TestGeneratorEndsAfterItsSeconds(t *testing.T) {
	t.Parallel()
	spec, err := parse("signal:3?rate=8000&channels=2&seconds=0.5")
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

// deaf is a sink that takes nothing.
type deaf struct{}

func (deaf) Deliver([]byte) {}
