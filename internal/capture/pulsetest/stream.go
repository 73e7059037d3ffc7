package pulsetest

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/scout-speech/scout/internal/capture/virtual"
)

// codedReader is the coded signal as 16-bit frames, without end.
type codedReader struct {
	seed     uint64
	channels int
	next     uint64
	rest     []byte
}

// Read implements io.Reader.
func (c *codedReader) Read(p []byte) (int, error) {
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	var frame []byte
	for n < len(p) {
		frame = frame[:0]
		for ch := range c.channels {
			frame = binary.LittleEndian.AppendUint16(frame, uint16(virtual.Coded(c.seed, c.next, ch)))
		}
		c.next++
		k := copy(p[n:], frame)
		n += k
		c.rest = append(c.rest[:0], frame[k:]...)
	}
	return n, nil
}

// CodedReader returns the coded signal with the seed as 16-bit frames, without end.
func CodedReader(seed uint64, channels int) io.Reader {
	return &codedReader{seed: seed, channels: channels}
}

// PlayEndless plays the coded signal until the player is closed. The player has two seconds of it in
// the server at any time, so that a busy machine does not let it run dry.
func (m *Microphone) PlayEndless(seed uint64, rateHz, channels int) *Player {
	m.server.tb.Helper()
	return m.play(CodedReader(seed, channels), "pacat", "--playback", "--raw", "--format=s16le", fmt.Sprintf("--rate=%d", rateHz),
		fmt.Sprintf("--channels=%d", channels), "--device="+m.Sink, "--latency-msec=2000")
}
