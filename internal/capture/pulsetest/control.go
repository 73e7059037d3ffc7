package pulsetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
)

// Witness is another program that records a microphone at the same time. If a busy machine kept a player from playing
// in time, frames are lost before anybody can record them. Only frames that the witness has and the recording lacks
// were lost by the recorder.
type Witness struct {
	command *exec.Cmd
	mu      sync.Mutex
	heard   bytes.Buffer
}

// Listen starts parec on the microphone, in 16-bit frames.
func (m *Microphone) Listen(rateHz, channels int) *Witness {
	tb := m.server.tb
	tb.Helper()
	w := &Witness{command: exec.Command("parec", "--raw", "--format=s16le", fmt.Sprintf("--rate=%d", rateHz),
		fmt.Sprintf("--channels=%d", channels), "--device="+m.ID, "--latency-msec=200")}
	w.command.Env = m.server.Env()
	w.command.Stdout = w
	if err := w.command.Start(); err != nil {
		tb.Fatalf("start parec: %v", err)
	}
	tb.Cleanup(func() { _ = w.command.Process.Kill() }) // it may be at its end
	return w
}

// Write implements io.Writer for the program's output.
func (w *Witness) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard.Write(p)
}

// Peak is the loudest sample so far.
func (w *Witness) Peak() (peak int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	heard := w.heard.Bytes()
	for i := 0; i+1 < len(heard); i += 2 {
		if v := int(int16(binary.LittleEndian.Uint16(heard[i:]))); v > peak || -v > peak {
			peak = max(v, -v)
		}
	}
	return peak
}

// Stop ends the witness and returns its frames.
func (w *Witness) Stop() []byte {
	_ = w.command.Process.Signal(syscall.SIGTERM) // parec flushes what it has
	_ = w.command.Wait()                          // ended by a signal, as asked for
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard.Bytes()
}

// Missing returns how many frames of the coded signal lie within runs of want, and in none of have.
func Missing(have, want []Run) uint64 {
	var missing uint64
	for _, w := range want {
		for source := w.Source; source < w.Source+w.Frames; source++ {
			heard := false
			for _, h := range have {
				heard = heard || h.Source <= source && source < h.Source+h.Frames
			}
			if !heard {
				missing++
			}
		}
	}
	return missing
}
