package unixsocket_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/testrun"
	"github.com/scout-speech/scout/internal/unixsocket"
)

const name = "scout.sock"

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	listener, err := unixsocket.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func TestSocketIsForThisUserAlone(t *testing.T) {
	t.Parallel()
	path, err := unixsocket.Path(t.TempDir(), name)
	if err != nil {
		t.Fatal(err)
	}
	listener := listen(t, path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v: want mode 0600", info, err)
	}
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // the test is over
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()                                   //nolint:errcheck // the test is over
	peer, err := unixsocket.PeerOf(accepted.(*net.UnixConn)) //nolint:errcheck,forcetypeassert // a unix listener makes no other
	if err != nil || peer.UID != os.Getuid() || peer.PID != 0 && peer.PID != os.Getpid() {
		t.Errorf("peer %+v, %v", peer, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v: want the socket alone", entries, err)
	}
}

func TestPathIsNeverTooLong(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	base := t.TempDir()
	for length := 80; length < 130; length++ {
		dir := filepath.Join(base, strings.Repeat("x", max(1, length-len(base))))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path, err := unixsocket.Path(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := unixsocket.Listen(t.Context(), path)
		if err != nil {
			t.Fatalf("folder of %d bytes: %v", len(dir), err)
		}
		if again, _ := unixsocket.Path(dir, name); again != path {
			t.Errorf("the path is %s, then %s", path, again)
		}
		if other, _ := unixsocket.Path(dir, "other.sock"); other == path {
			t.Errorf("two sockets of one folder have the path %s", path)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A runtime folder that is missing, a file or somebody else's keeps no socket from being made.
func TestAnyRuntimeFolderWillDo(t *testing.T) {
	t.Setenv("TMPDIR", "/tmp")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	for situation, c := range map[string]struct{ runtime, base string }{
		"it is this user's": {own, own},
		"there is none":     {"", os.TempDir()},
		"it does not exist": {filepath.Join(t.TempDir(), "gone"), os.TempDir()},
		"it is a file":      {file, os.TempDir()},
		"its path is long":  {dir, os.TempDir()},
	} {
		t.Setenv("XDG_RUNTIME_DIR", c.runtime)
		if c.base == own && len(own) > 60 {
			continue // the folder for temporary files is too long for it here
		}
		path, err := unixsocket.Path(dir, name)
		if err != nil || filepath.Dir(filepath.Dir(path)) != c.base {
			t.Errorf("%s: %s, %v: want a path below %s", situation, path, err, c.base)
		}
	}
}

func TestWhatIsAtThePath(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		make func(t *testing.T, path string)
		want string // part of the message; empty where the socket is made
	}{
		"nothing":                          {func(*testing.T, string) {}, ""},
		"a socket that a crash left":       {func(t *testing.T, path string) { testrun.LeaveSocket(t, path) }, ""},
		"a socket on which another serves": {func(t *testing.T, path string) { listen(t, path) }, "another program listens there"},
		"a file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "a file that is no socket"},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "a file that is no socket"},
		"a symbolic link to a socket": {func(t *testing.T, path string) {
			listen(t, path+"2")
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}, "a symbolic link"},
		"a symbolic link to nothing": {func(t *testing.T, path string) {
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}, "a symbolic link"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			c.make(t, path)
			before, _ := os.Lstat(path)
			err := unixsocket.Vacant(t.Context(), path)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				listen(t, path)
				return
			}
			if err == nil || scout.CodeOf(err) != scout.CodeSocketTaken || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v (%s): want %s and the path", err, scout.CodeOf(err), c.want)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("what was there is %v, %v now", after, err)
			}
		})
	}
}
