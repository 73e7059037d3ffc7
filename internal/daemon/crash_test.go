package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout/internal/controlgroup"
)

func TestADaemonThatEndedByItselfIsTold(t *testing.T) { //nolint:paralleltest // where a crash is written is the process's
	kills, known := controlgroup.MemoryKills()
	more := `{"pid":1}`
	if known {
		more = fmt.Sprintf(`{"pid":1,"memory_kills":%d}`, kills)
	}
	for situation, c := range map[string]struct {
		content string
		want    bool
	}{
		"it ended in order, or never ran": {"", false},
		"it was killed by another one":    {more + "\n", false},
		"it panicked":                     {more + "\npanic: runtime error\n\ngoroutine 1 [running]:\n", true},
		"it got a fatal signal":           {more + "\nSIGSEGV: segmentation violation\nPC=0x1\n", true},
		"a person asked for its stacks":   {more + "\nSIGQUIT: quit\nPC=0x1\n", false},
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
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || crashIn(path) != "" {
			t.Errorf("%s: the file of the next one: %v (%v)", situation, info, err)
		}
		if err := end(); err != nil {
			t.Errorf("%s: %v", situation, err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: the file is still there after an end in order (%v)", situation, err)
		}
	}
}

func TestAKillForWantOfMemoryCounts(t *testing.T) {
	t.Parallel()
	kills, known := controlgroup.MemoryKills()
	if !known || kills == 0 {
		t.Skip("nothing was killed in this control group: there is no smaller number")
	}
	path := filepath.Join(t.TempDir(), CrashName)
	if err := os.WriteFile(path, fmt.Appendf(nil, `{"pid":1,"memory_kills":%d}`+"\n", kills-1), 0o600); err != nil {
		t.Fatal(err)
	}
	if crashIn(path) == "" {
		t.Error("it does not count")
	}
}
