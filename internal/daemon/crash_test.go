package daemon

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout/internal/controlgroup"
)

func TestADaemonThatEndedByItselfIsTold(t *testing.T) { //nolint:paralleltest // where a crash is written is the process's
	more := firstLine(t, controlgroup.MemoryKills())
	for situation, c := range map[string]struct {
		content string
		want    bool
	}{
		"it ended in order, or never ran": {"", false},
		"it was killed by another one":    {more + "\n", false},
		"it panicked":                     {more + "\npanic: runtime error\n\ngoroutine 1 [running]:\n", true},
		"it got a fatal signal":           {more + "\nSIGSEGV: segmentation violation\nPC=0x1\n", true},
		"it was killed while it began":    {`{"pi`, false},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, CrashName)
		if c.content != "" {
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, end, err := watchCrash(dir, slog.New(slog.DiscardHandler))
		if err != nil || got != c.want {
			t.Errorf("%s: ended by itself %t (%v), want %t", situation, got, err, c.want)
			continue
		}
		why, unread := crashIn(path, controlgroup.MemoryKills())
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || why != "" || unread != nil {
			t.Errorf("%s: the file of the next one: %v (%v), %s (%v)", situation, info, err, why, unread)
		}
		if err := end(); err != nil {
			t.Errorf("%s: %v", situation, err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: the file is still there after an end in order (%v)", situation, err)
		}
	}
}

// firstLine is that of a daemon which saw those counts.
func firstLine(t *testing.T, groups []controlgroup.Kills) string {
	t.Helper()
	line, err := json.Marshal(beginning{PID: 1, Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func TestAKillForWantOfMemoryCounts(t *testing.T) {
	t.Parallel()
	before := []controlgroup.Kills{{Group: 7, N: 2}, {Group: 1, N: 5}}
	path := filepath.Join(t.TempDir(), CrashName)
	if err := os.WriteFile(path, []byte(firstLine(t, before)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for situation, c := range map[string]struct {
		now  []controlgroup.Kills
		want bool
	}{
		"as many as before":    {before, false},
		"one more":             {[]controlgroup.Kills{{Group: 7, N: 3}, {Group: 1, N: 6}}, true},
		"in a group of others": {[]controlgroup.Kills{{Group: 8, N: 9}}, false},
		"nobody counts":        {nil, false},
	} {
		if why, err := crashIn(path, c.now); (why != "") != c.want || err != nil {
			t.Errorf("%s: %q (%v), want that it counts: %t", situation, why, err, c.want)
		}
	}
}

// Where it cannot be read how the daemon before ended, that is told.
func TestAnEndThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, CrashName)
	if err := os.Mkdir(path, 0o700); err != nil { // it can be opened and not read
		t.Fatal(err)
	}
	if _, err := crashIn(path, nil); err == nil {
		t.Error("no error")
	}
	if _, end, err := watchCrash(dir, slog.New(slog.DiscardHandler)); err == nil || end != nil {
		t.Errorf("it is watched, and the file cannot be written (%v)", err)
	}
}
