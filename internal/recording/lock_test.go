package recording_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
	"github.com/scout-speech/scout/internal/recording"
)

// The error for a locked folder names the process that holds it. Only a process that is about to end is waited for.
func TestALockedFolderNamesItsHolder(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	lock := takeLock(t, folder)
	_, err := recording.TakeLock(folder.Dir())
	program, executableErr := os.Executable()
	check(t, executableErr)
	want := fmt.Sprintf("in use by process %d (%s)", os.Getpid(), filepath.Base(program))
	if scout.CodeOf(err) != scout.CodeRecordingLocked || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if hint := scout.HintOf(err); !strings.Contains(hint, fmt.Sprintf("kill -CONT %d", os.Getpid())) {
		t.Errorf("hint %q does not tell how to let a stopped process go on", hint)
	}
	if holder, held := recording.Holder(folder.Dir()); !held || holder.PID != os.Getpid() || holder.Serving || !holder.Lives() {
		t.Errorf("holder %+v, %v", holder, held)
	}
	check(t, lock.Serves())
	if holder, held := recording.Holder(folder.Dir()); !held || holder.PID != os.Getpid() || !holder.Serving {
		t.Errorf("when it serves: holder %+v, %v", holder, held)
	}
}

// Asking who holds the lock does not keep another process from taking it, whatever a dead recorder left in the file.
func TestAskingForTheHolderDoesNotBlockTheLock(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"after a dead recorder":          `{"pid":1073741824,"program":"scout-recorder","serving":true}`,
		"nobody has said who holds it":   ``,
		"the file is somebody else's":    `not JSON`,
		"a file of the version before":   `{"pid":1073741824,"program":"scout"}`,
		"a longer file than ours is":     `{"pid":1073741824}` + strings.Repeat(" ", 2000),
		"a file that was cut in a crash": `{"pid":10737`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, _ := openFolder(t)
			path := filepath.Join(folder.Dir(), recording.LockName)
			check(t, os.WriteFile(path, []byte(content), 0o600))
			f, err := os.Open(path)
			check(t, err)
			check(t, unix.Flock(int(f.Fd()), unix.LOCK_SH))
			answered := make(chan error, 1)
			time.AfterFunc(20*time.Millisecond, func() { answered <- filelock.Close(f) })
			takeLock(t, folder)
			check(t, <-answered)
			if holder, held := recording.Holder(folder.Dir()); !held || holder.PID != os.Getpid() {
				t.Errorf("holder %+v, %v", holder, held)
			}
		})
	}
}

// Intact returns true for exactly those recordings that Repair does not change.
func TestIntactIsWhatRepairLeavesAlone(t *testing.T) {
	t.Parallel()
	damages := map[string]func(folder *recording.Folder, m recording.Manifest) error{
		"nothing": func(*recording.Folder, recording.Manifest) error { return nil },
		"a file of somebody else": func(folder *recording.Folder, _ recording.Manifest) error {
			return os.WriteFile(filepath.Join(folder.Dir(), "notes.txt"), nil, 0o600)
		},
		"a manifest that is missing": func(folder *recording.Folder, m recording.Manifest) error {
			return os.Remove(folder.ManifestPath(m.ID))
		},
		"a manifest that is damaged": func(folder *recording.Folder, m recording.Manifest) error {
			return os.WriteFile(folder.ManifestPath(m.ID), []byte("{"), 0o600)
		},
		"a manifest that still says recording": func(folder *recording.Folder, m recording.Manifest) error {
			content, err := os.ReadFile(folder.ManifestPath(m.ID))
			if err != nil {
				return err
			}
			return os.WriteFile(folder.ManifestPath(m.ID), bytes.Replace(content, []byte(`"finished"`), []byte(`"recording"`), 1), 0o600)
		},
		"audio that is missing": func(folder *recording.Folder, m recording.Manifest) error {
			return os.Remove(folder.AudioPath(m.ID))
		},
		"audio that became shorter": func(folder *recording.Folder, m recording.Manifest) error {
			return os.Truncate(folder.AudioPath(m.ID), recording.HeaderBytes+10)
		},
		"a header that is empty": func(folder *recording.Folder, m recording.Manifest) error {
			f, err := os.OpenFile(folder.AudioPath(m.ID), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // what is written is looked at below
			_, err = f.WriteAt(make([]byte, recording.HeaderBytes), 0)
			return err
		},
		"a leftover": func(folder *recording.Folder, _ recording.Manifest) error {
			return os.WriteFile(filepath.Join(folder.Dir(), ".x.tmp"), nil, 0o600)
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, _ := openFolder(t)
			w := create(t, folder, speech)
			write(t, w, 100)
			check(t, damage(folder, finish(t, w)))
			before := contents(t, folder.Dir())
			intact, report, err := folder.Intact()
			check(t, err)
			if contents(t, folder.Dir()) != before {
				t.Error("looking changed the folder")
			}
			repaired := repair(t, folder)
			if want := name == "nothing" || name == "a file of somebody else"; intact != want {
				t.Errorf("intact: %v, want %v", intact, want)
			}
			if intact && (len(repaired.Repaired) > 0 || len(repaired.Problems) != len(report.Problems)) {
				t.Errorf("said %+v, Repair did %+v", report, repaired)
			}
		})
	}
}
