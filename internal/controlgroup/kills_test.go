//go:build linux

package controlgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKillsForWantOfMemory(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		content string
		want    uint64
		known   bool
	}{
		"version 2":            {"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n", 2, true},
		"version 1":            {"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", 7, true},
		"an old kernel":        {"oom_kill_disable 0\nunder_oom 0\n", 0, false},
		"what is not a number": {"oom_kill many\n", 0, false},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, known := killsIn(path); n != c.want || known != c.known {
			t.Errorf("%s: %d, %t, want %d, %t", situation, n, known, c.want, c.known)
		}
	}
	if n, known := killsIn("none"); n != 0 || known {
		t.Errorf("no file: %d, %t", n, known)
	}
}
