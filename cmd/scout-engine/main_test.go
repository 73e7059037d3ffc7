package main

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

// Only descriptors that wait in the poller have deadlines; a blocking descriptor would refuse one.
func TestInheritedPipesWaitInThePoller(t *testing.T) {
	t.Parallel()
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		t.Fatal(err)
	}
	in, err := inherited(ends[0], "requests")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	out, err := inherited(ends[1], "answers")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })

	if err := in.SetReadDeadline(time.Now()); err != nil {
		t.Fatalf("reading end: %v", err)
	}
	if _, err := in.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read of an empty pipe: %v, want the deadline", err)
	}
	if err := out.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatalf("writing end: %v", err)
	}
	if _, err := out.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write to a full pipe: %v, want the deadline", err)
	}
}

func TestInheritedRefusesWhatIsNoPipe(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for name, fd := range map[string]int{"a file": int(file.Fd()), "nothing": 1 << 20} {
		if _, err := inherited(fd, "requests"); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v, want %s", name, err, scout.CodeInvalidArgument)
		}
	}
}

// Not parallel: signals belong to the whole process.
func TestSignalsOfTheTerminalAreIgnored(t *testing.T) {
	signals := []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP}
	t.Cleanup(func() { signal.Reset(signals...) })
	leaveSignalsToScout()
	for _, s := range signals {
		if !signal.Ignored(s) {
			t.Errorf("%s is not ignored", s)
		}
	}
}
