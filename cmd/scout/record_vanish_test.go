//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/testrun"
)

// The last line, the path and the exit code are true about the file, whatever other programs did to it during the
// recording, and the user hears about it while speaking.
func TestFilesThatVanishWhileRecording(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		spoil  func(t *testing.T, b *booth)
		output bool
		told   string
	}{
		{"the file is deleted", func(t *testing.T, b *booth) { remove(t, b.wav()) }, false, "deleted or moved"},
		{"the file is deleted, with a copy asked for", func(t *testing.T, b *booth) { remove(t, b.wav()) }, true, "deleted or moved"},
		{"the folder is deleted", func(t *testing.T, b *booth) {
			err := os.RemoveAll(b.dir)
			for until := time.Now().Add(patience); err != nil && time.Now().Before(until); {
				err = os.RemoveAll(b.dir) // the recorder has written another file meanwhile
			}
			if err != nil {
				t.Fatal(err)
			}
		}, false, "deleted or moved"},
		{"the folder is renamed", func(t *testing.T, b *booth) { rename(t, b.dir, b.dir+".old") }, false, "deleted or moved"},
		{"the file is cut off", func(t *testing.T, b *booth) {
			if err := os.Truncate(b.wav(), 1000); err != nil {
				t.Fatal(err)
			}
		}, false, "cut the file off"},
		{"another file takes its place", func(t *testing.T, b *booth) {
			other := filepath.Join(b.dir, ".other")
			if err := os.WriteFile(other, []byte("somebody's"), 0o600); err != nil {
				t.Fatal(err)
			}
			rename(t, other, b.wav())
		}, false, "another file took the place"},
		{"the disk is taken away", func(t *testing.T, b *booth) {
			if err := unix.Unmount(b.dir, unix.MNT_DETACH); err != nil {
				t.Fatal(err)
			}
		}, false, "deleted or moved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			if strings.Contains(c.name, "disk") {
				if err := os.Mkdir(b.dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := unix.Mount("none", b.dir, "tmpfs", 0, ""); err != nil {
					t.Skipf("this test may not mount: %v", err)
				}
			}
			args := []string{"record", "--device", "signal:7?rate=16000", "--preroll", "0", "--duration", "3"}
			if c.output {
				args = append(args, "--output", filepath.Join(t.TempDir(), "copy.wav"))
			}
			p := b.start(args...)
			p.await("recording…")
			b.untilFrames(16_000)
			c.spoil(t, b)
			p.await(c.told) // while it records
			got := p.end()
			path := strings.TrimSpace(got.out)
			if got.code != 0 || path == "" || !strings.Contains(got.err, "recorded 3.") || !strings.Contains(got.err, "no gaps: "+path) {
				t.Fatalf("exit %d, path %q: %s", got.code, path, got.err)
			}
			if c.output == (filepath.Dir(path) == b.dir) {
				t.Errorf("it is in %s", path)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content = content[recording.HeaderBytes:]
			if len(content) < 2*3*16_000 {
				t.Errorf("%d bytes of audio", len(content))
			}
			for i := range len(content) / 2 {
				if want := virtual.Coded(7, uint64(i), 0); int16(uint16(content[2*i])|uint16(content[2*i+1])<<8) != want {
					t.Fatalf("frame %d is not what the device delivered", i)
				}
			}
			if listed := b.must("recordings", "verify"); !strings.Contains(listed.out, "is intact") {
				t.Errorf("%s%s", listed.out, listed.err)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// wav returns the path of the only recording.
func (b *booth) wav() string {
	b.t.Helper()
	found, err := filepath.Glob(filepath.Join(b.dir, "*.wav"))
	if err != nil || len(found) != 1 {
		b.t.Fatalf("files %v, %v", found, err)
	}
	return found[0]
}

// A suspended process of ours costs no frame, whatever it holds: a connection with a stream that nobody reads, the
// ownership of the recording, or a lock on any file of the folder.
func TestStoppedProcessesCostNoFrame(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	owner := b.start("record", "--device", "signal:7?rate=16000", "--preroll", "0", "--unattended", "0")
	owner.await("recording…")
	watcher := b.start("recordings", "attach", "--watch")
	watcher.await("attached to")
	holders := []*running{owner, watcher}
	b.untilFrames(8_000)
	names, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if err != nil || len(names) < 4 {
		t.Fatalf("files %v, %v", names, err)
	}
	for _, name := range append(names, filepath.Join(b.dir, ".manifests.lock")) {
		if base := filepath.Base(name); base == recording.LockName || base == recording.ParentLockName || strings.HasSuffix(base, ".sock") {
			continue // nobody can lock these beside the recorder
		}
		holders = append(holders, b.locks(name))
	}
	for _, p := range holders {
		testrun.Suspend(t, p.cmd.Process.Pid)
	}
	b.untilFrames(8_000 + 4*16_000) // longer than anything that waits for one of them would stand
	stopped := b.must("record", "stop")
	for _, p := range holders {
		p.signal(syscall.SIGCONT)
	}
	path := strings.TrimSpace(stopped.out)
	if path != b.wav() || !strings.Contains(stopped.err, "no gaps") {
		t.Errorf("%s: %s", path, stopped.err)
	}
	m := b.only()
	if len(m.Gaps) != 0 || m.Resumed != 0 || m.Duration() < 4*time.Second {
		t.Errorf("manifest %+v", m)
	}
}

// locks starts a process that locks the file.
func (b *booth) locks(path string) *running {
	b.t.Helper()
	p := b.launch(exec.Command("flock", path, "sh", "-c", "echo locked >&2; exec sleep 1000"))
	p.await("locked")
	return p
}
