//go:build unix

package testrun

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/loopback"
)

// LeaveSocket makes a socket as a crash leaves it: connections are refused. It is bound and never listens. One that has listened may still
// take connections after its end, while a process that is being started has a copy of it.
func LeaveSocket(t testing.TB, path string) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(socket, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Error(err)
	}
	if err := unix.Close(socket); err != nil {
		t.Error(err)
	}
}

// ReservePort returns an address of this machine, HOST:PORT, that is the test's until it ends. Connections are refused until the test or a program
// listens there.
func ReservePort(t testing.TB) string {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	return port.String()
}
