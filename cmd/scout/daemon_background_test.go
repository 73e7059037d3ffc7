//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/daemon"
)

// A daemon in the background lasts: it is not one on demand, takes the place of one that is, and is the same one when it is asked for again. What
// replaces it lasts as well.
func TestADaemonInTheBackground(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	onDemand := h.status()
	if onDemand.Idle == nil {
		t.Fatal("a daemon that a command started does not end by itself")
	}
	first := h.must("serve", "--detach")
	lasting := h.status()
	if lasting.Idle != nil || lasting.PID == onDemand.PID || !strings.Contains(first.err, fmt.Sprintf("(process %d)", lasting.PID)) || !strings.Contains(first.err, filepath.Join(h.data, daemon.SocketName)) {
		t.Errorf("%+v: %s", lasting, first.err)
	}
	if again := h.must("serve", "--detach"); h.status().PID != lasting.PID || !strings.Contains(again.err, "already") {
		t.Errorf("asked for again: %s", again.err)
	}
	if moved := h.must("serve", "--detach", "--addr", "127.0.0.1:0"); h.status().PID == lasting.PID || !strings.Contains(moved.err, "http://127.0.0.1:") || strings.Contains(moved.err, ":0 ") {
		t.Errorf("at an address: %s", moved.err)
	}
	before := h.status().PID
	for range 2 { // it keeps what it was started with, also from one to the next
		restarted := h.must("serve", "restart")
		if got := h.status(); got.Idle != nil || got.PID == before || len(got.HTTP) != 1 || !strings.Contains(restarted.err, "at http://"+got.HTTP[0].Address) {
			t.Errorf("restarted: %+v, %s", got, restarted.err)
		}
	}
	h.must("serve", "stop")
	if got := h.must("serve", "--detach"); strings.Contains(got.err, "http://") || len(h.status().HTTP) > 0 {
		t.Errorf("with the addresses of the settings: %s", got.err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }() // it was only in the way
	if got := h.run("serve", "--detach", "--addr", taken.Addr().String()); got.code != 1 || !strings.Contains(got.err, taken.Addr().String()) {
		t.Errorf("at a port that is taken: exit %d: %s", got.code, got.err)
	}
	if got := h.must("serve", "stop"); got.err == "" {
		t.Error("nothing was said")
	}
	h.untilNoDaemon()
}

// A daemon that gets SIGQUIT tells the stacks of all its goroutines, ends in order, and the next one finds nothing to blame.
func TestStacksOfTheDaemon(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	pid := h.status().PID
	kill(t, pid, syscall.SIGQUIT)
	h.untilNoDaemon()
	for _, name := range []string{daemon.LogName, daemon.OutputName} {
		said, err := os.ReadFile(filepath.Join(h.data, name))
		if err != nil || strings.Count(string(said), "goroutine ") < 5 || !strings.Contains(string(said), "internal/daemon.Run") {
			t.Errorf("%s has no stacks (%v): %s", name, err, said)
		}
	}
	if _, err := os.Stat(filepath.Join(h.data, daemon.CrashName)); !os.IsNotExist(err) {
		t.Errorf("it did not end in order: %v", err)
	}
	h.status()
	if log, err := os.ReadFile(filepath.Join(h.data, daemon.LogName)); err != nil || strings.Contains(string(log), "daemon_crashed") {
		t.Errorf("the next one calls it a crash (%v)", err)
	}
}
