package pulse

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

// A server is seen without a connection, which would start one that waits for its first.
func TestPresent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	listen := func(name string) (string, *net.UnixListener) {
		path := filepath.Join(dir, name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() }) // it is closed already, or the test is over
		return path, l
	}
	there, listener := listen("a")
	left, gone := listen("b")
	gone.SetUnlinkOnClose(false)
	_ = gone.Close() // as a server that was killed
	file := filepath.Join(dir, "c")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for server, want := range map[string]scout.Code{
		there: "", "unix:" + there: "", "tcp:localhost:1": "",
		left: scout.CodeSoundServer, file: scout.CodeSoundServer, filepath.Join(dir, "none"): scout.CodeSoundServer,
	} {
		if err := Present(server); (err == nil) != (want == "") || err != nil && scout.CodeOf(err) != want {
			t.Errorf("%s: %v, want %q", server, err, want)
		}
	}
	_ = listener.SetDeadline(time.Now().Add(-time.Second)) // a connection that waits is accepted all the same
	if conn, err := listener.AcceptUnix(); err == nil {
		_ = conn.Close() // the test has failed
		t.Error("the server was connected to")
	}
	if os.Geteuid() == 0 {
		return // everything is permitted
	}
	if err := os.Chmod(there, 0); err != nil {
		t.Fatal(err)
	}
	if err := Present(there); scout.CodeOf(err) != scout.CodeDevicePermission {
		t.Errorf("without permission: %v", err)
	}
}
