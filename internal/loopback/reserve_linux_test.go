package loopback_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/loopback"
)

// Connections to a port that is kept are refused until somebody who knows it listens there, and again afterwards.
func TestAPortThatIsKept(t *testing.T) { // not parallel: a process that is being started would have a copy of the listener
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		c, err := net.Dial("tcp", port.String())
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, %v; want a refusal", c, err)
		}
	}
	refused()
	for range 2 {
		l, err := net.Listen("tcp", port.String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", port.String())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := net.Listen("tcp", port.String()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%v, %v; want one listener", again, err)
		}
		if err := errors.Join(c.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		refused()
	}
	if err := errors.Join(port.Release(), (*loopback.Port)(nil).Release()); err != nil {
		t.Error(err)
	}
}
