package recording_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
	"github.com/scout-speech/scout/internal/recording"
)

// claimFor claims a recording as a command would that is suspended in the middle of its work.
func claimFor(t *testing.T, folder *recording.Folder, id recording.ID) (release func()) {
	t.Helper()
	dir := filepath.Join(folder.Dir(), ".claims")
	check(t, os.MkdirAll(dir, 0o700))
	f, err := os.OpenFile(filepath.Join(dir, string(id)), os.O_RDWR|os.O_CREATE, 0o600)
	check(t, err)
	_, err = f.WriteString("4711\n")
	check(t, err)
	check(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	return func() { check(t, filelock.Close(f)) }
}

// unfinished makes a recording that its recorder left unfinished.
func unfinished(t *testing.T, folder *recording.Folder) recording.ID {
	t.Helper()
	w := create(t, folder, speech)
	write(t, w, 100)
	check(t, w.Abandon())
	return w.ID()
}

// A recording that another program is changing is refused by name. Everything else continues without waiting.
func TestAClaimKeepsOthersFromOneRecordingOnly(t *testing.T) {
	t.Parallel()
	for name, work := range map[string]func(*recording.Folder, recording.ID) error{
		"delete":  func(f *recording.Folder, id recording.ID) error { return f.Change(id, recording.ChangeDelete) },
		"trash":   func(f *recording.Folder, id recording.ID) error { return f.Change(id, recording.ChangeTrash) },
		"restore": func(f *recording.Folder, id recording.ID) error { return f.Change(id, recording.ChangeRestore) },
		"repair":  func(f *recording.Folder, id recording.ID) error { _, err := f.RepairOne(id); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, _ := openFolder(t)
			id, other := unfinished(t, folder), unfinished(t, folder)
			if name != "repair" {
				repair(t, folder)
			}
			if name == "restore" {
				check(t, folder.Trash(id))
				check(t, folder.Trash(other))
			}
			release := claimFor(t, folder, id)
			before := contents(t, folder.Dir())
			err := work(folder, id)
			if scout.CodeOf(err) != scout.CodeRecordingInUse || !strings.Contains(err.Error(), "4711") || !strings.Contains(scout.HintOf(err), "kill -CONT 4711") {
				t.Errorf("%v (%s), hint %q", err, scout.CodeOf(err), scout.HintOf(err))
			}
			if contents(t, folder.Dir()) != before {
				t.Error("it was changed all the same")
			}
			check(t, work(folder, other))
			next := create(t, folder, speech)
			write(t, next, 10)
			finish(t, next)
			release()
			check(t, work(folder, id))
			if _, err := os.Stat(filepath.Join(folder.Dir(), ".claims")); !os.IsNotExist(err) {
				t.Errorf("claims are left behind: %v", err)
			}
		})
	}
}

// Repair skips claimed recordings and temporary files: another program may be writing them.
func TestARepairWaitsForNobody(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	id, other := unfinished(t, folder), unfinished(t, folder)
	temporary := filepath.Join(folder.Dir(), ".scout-1.tmp")
	check(t, os.WriteFile(temporary, nil, 0o600))
	release := claimFor(t, folder, id)
	report := repair(t, folder)
	if len(report.Repaired) != 1 || report.Repaired[0].Manifest.ID != other || len(report.Problems) != 1 || scout.CodeOf(report.Problems[0].Err) != scout.CodeRecordingInUse {
		t.Errorf("%+v", report)
	}
	if _, err := os.Stat(temporary); err != nil {
		t.Error(err)
	}
	release()
	report = repair(t, folder)
	if len(report.Repaired) != 1 || report.Repaired[0].Manifest.ID != id || len(report.Problems) != 0 {
		t.Errorf("afterwards %+v", report)
	}
	if _, err := os.Stat(temporary); !os.IsNotExist(err) {
		t.Errorf("the temporary file stays: %v", err)
	}
}

// A writer claims its recording from the beginning to the end. It does not wait for claims of others.
func TestAWriterClaimsItsRecording(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	w := create(t, folder, speech)
	write(t, w, 100)
	inUse := func(when string) {
		t.Helper()
		check(t, os.WriteFile(folder.ManifestPath(w.ID()), []byte("{"), 0o600)) // says nothing of a recording under way
		for _, what := range []recording.ChangeKind{recording.ChangeDelete, recording.ChangeTrash} {
			if err := folder.Change(w.ID(), what); scout.CodeOf(err) != scout.CodeRecordingInUse {
				t.Errorf("%s, %s: %v", when, what, err)
			}
		}
		if _, err := folder.RepairOne(w.ID()); scout.CodeOf(err) != scout.CodeRecordingInUse {
			t.Errorf("%s, repair: %v", when, err)
		}
	}
	inUse("from the beginning")
	w.AddGap(scout.Gap{Start: 1, Frames: 1, Reason: recording.GapRestart})
	check(t, w.SaveManifest())
	check(t, w.Abandon())
	release := claimFor(t, folder, w.ID())
	again, err := folder.Resume(w.ID())
	check(t, err)
	release()
	check(t, again.Abandon())
	w, err = folder.Resume(w.ID())
	check(t, err)
	inUse("after a resume")
	m := finish(t, w)
	check(t, folder.Delete(m.ID))
}

// Only the recorder may recover recordings while it lives: an unfinished one may be its current recording.
func TestRecoverLeavesALivingRecorderAlone(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	id := unfinished(t, folder)
	lock, err := recording.TakeLock(folder.Dir())
	check(t, err)
	if report, err := folder.Recover(); scout.CodeOf(err) != scout.CodeRecordingLocked || len(report.Repaired) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	check(t, lock.Close())
	if report, err := folder.Recover(); err != nil || len(report.Repaired) != 1 || report.Repaired[0].Manifest.ID != id {
		t.Errorf("%+v, %v", report, err)
	}
}
