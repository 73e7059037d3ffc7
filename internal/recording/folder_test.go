package recording_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
)

func TestOneProgramRecordsIntoAFolder(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	lock, err := recording.TakeLock(folder.Dir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = recording.TakeLock(folder.Dir())
	if scout.CodeOf(err) != scout.CodeRecordingLocked || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("second lock: %v, want %s that names the process", err, scout.CodeRecordingLocked)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := recording.TakeLock(folder.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFindByAPartOfTheID(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	first := finish(t, create(t, folder, speech)).ID
	second := finish(t, create(t, folder, speech)).ID
	for _, c := range []struct {
		name string
		part string
		want recording.ID
		code scout.Code
	}{
		{"the whole id", string(first), first, ""},
		{"its random part", string(second[20:]), second, ""},
		{"what both have", string(first[:8]), "", scout.CodeInvalidArgument},
		{"what none has", "xyz", "", scout.CodeRecordingNotFound},
		{"nothing", "", "", scout.CodeRecordingNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := recording.Folders{folder}.Find(c.part)
			if got.ID != c.want || scout.CodeOf(err) != c.code {
				t.Errorf("Find(%q) = %q, %v; want %q, %s", c.part, got.ID, err, c.want, c.code)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	running := create(t, folder, speech)
	if err := folder.Delete(running.ID()); scout.CodeOf(err) != scout.CodeRecordingInUse {
		t.Errorf("delete while recording: %v", err)
	}
	m := finish(t, running)
	if err := folder.Delete(m.ID); err != nil {
		t.Fatal(err)
	}
	if err := folder.Delete(m.ID); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("delete again: %v", err)
	}
	if got := names(t, folder.Dir()); strings.Contains(got, string(m.ID)) {
		t.Errorf("left behind: %s", got)
	}
}

func takeLock(t testing.TB, folder *recording.Folder) *recording.Lock {
	t.Helper()
	lock, err := recording.TakeLock(folder.Dir())
	check(t, err)
	t.Cleanup(func() { check(t, lock.Close()) })
	return lock
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheTrashGivesBackWhatItTook(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	running := create(t, folder, speech)
	if err := folder.Trash(running.ID()); scout.CodeOf(err) != scout.CodeRecordingInUse {
		t.Errorf("trash while recording: %v", err)
	}
	write(t, running, 100)
	m := finish(t, running)
	before := contents(t, folder.Dir())
	check(t, folder.Trash(m.ID))
	if list, problems, err := folder.List(); err != nil || len(list) != 0 || len(problems) != 0 {
		t.Errorf("in the folder: %v, %v, %v", list, problems, err)
	}
	if trashed, err := folder.Trashed(); err != nil || len(trashed) != 1 || trashed[0] != m.ID {
		t.Errorf("in the trash: %v, %v", trashed, err)
	}
	check(t, folder.Restore(m.ID))
	if after := contents(t, folder.Dir()); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if err := folder.Restore(m.ID); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("restore again: %v", err)
	}
	check(t, folder.Trash(m.ID))
	check(t, folder.Delete(m.ID))
	if trashed, err := folder.Trashed(); err != nil || len(trashed) != 0 {
		t.Errorf("in the trash after Delete: %v, %v", trashed, err)
	}
}

// A crash between two steps of Trash or Restore leaves the audio in the trash and the manifest in the folder.
func TestRepairCompletesWhatACrashOfTrashLeft(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	w := create(t, folder, speech)
	write(t, w, 100)
	m := finish(t, w)
	trash := filepath.Join(folder.Dir(), "trash")
	check(t, os.Mkdir(trash, 0o700))
	check(t, os.Rename(folder.AudioPath(m.ID), filepath.Join(trash, string(m.ID)+".wav")))
	if report := repair(t, folder); len(report.Problems) != 0 || len(report.Repaired) != 0 {
		t.Errorf("report %+v", report)
	}
	check(t, folder.Restore(m.ID))
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
}

// markTranscribed makes the manifest one of an earlier version of Scout, which noted that there is a text.
func markTranscribed(t testing.TB, folder *recording.Folder, id recording.ID) {
	t.Helper()
	old := strings.Replace(string(readFile(t, folder.ManifestPath(id))), "{", `{"transcribed_at": "2026-11-01T10:00:00Z",`, 1)
	restoreFile(t, folder.ManifestPath(id), []byte(old))
	if m, err := folder.Manifest(id); err != nil || m.TranscribedAt.IsZero() {
		t.Fatalf("manifest %+v, %v", m, err)
	}
}

func TestSpaceInMinutes(t *testing.T) {
	t.Parallel()
	folder, disk := openFolder(t)
	for _, c := range []struct {
		name string
		free uint64
		left time.Duration
		code scout.Code
	}{
		{"much", 32000 * 3600, time.Hour, ""},
		{"just enough", 32000 * 300, 5 * time.Minute, ""},
		{"too little", 32000 * 299, 299 * time.Second, scout.CodeDiskLow},
		{"nothing", 0, 0, scout.CodeDiskLow},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk.SetSpace(recording.Space{FreeBytes: c.free, TotalBytes: 1 << 40})
			left, err := folder.CheckSpace(speech, recording.SpaceLimits{})
			if left != c.left || scout.CodeOf(err) != c.code {
				t.Errorf("CheckSpace = %s, %v; want %s, %s", left, err, c.left, c.code)
			}
			if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%.1f minutes", c.left.Minutes())) {
				t.Errorf("%q does not tell the minutes", err)
			}
		})
	}
	disk.SetSpace(recording.Space{})
	if space, left, err := folder.SpaceLeft(speech); err != nil || space.FreeBytes == 0 || left == 0 {
		t.Errorf("the real disk has %+v, %s, %v", space, left, err)
	}
}

func TestGapsAreAUnion(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	rapid.Check(t, func(rt *rapid.T) {
		w, err := folder.Create(recording.Settings{Format: speech, StartedAt: time.Now()})
		if err != nil {
			rt.Fatal(err)
		}
		reasons := []scout.GapReason{"a", "b"}
		var want [200]scout.GapReason
		for range rapid.IntRange(0, 12).Draw(rt, "gaps") {
			g := scout.Gap{
				Start:  scout.Position(rapid.Uint64Range(0, 150).Draw(rt, "start")),
				Frames: rapid.Uint64Range(0, 40).Draw(rt, "frames"),
				Reason: rapid.SampledFrom(reasons).Draw(rt, "reason"),
			}
			w.AddGap(g)
			for i := g.Start; i < g.End(); i++ {
				if want[i] == "" {
					want[i] = g.Reason
				}
			}
		}
		var got [200]scout.GapReason
		var last scout.Gap
		for i, g := range w.Gaps() {
			if g.Frames == 0 || g.Start < last.End() || (i > 0 && g.Start == last.End() && g.Reason == last.Reason) {
				rt.Fatalf("gaps %v", w.Gaps())
			}
			for i := g.Start; i < g.End(); i++ {
				got[i] = g.Reason
			}
			last = g
		}
		if got != want {
			rt.Fatalf("gaps %v", w.Gaps())
		}
		if err := w.Abandon(); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	w := create(t, folder, speech)
	write(t, w, 1000)
	target := filepath.Join(t.TempDir(), "out.wav")
	if err := folder.Export(w.ID(), target, false); scout.CodeOf(err) != scout.CodeRecordingInUse {
		t.Errorf("export while recording: %v", err)
	}
	m := finish(t, w)
	for _, c := range []struct {
		name    string
		path    string
		replace bool
		want    scout.Code
	}{
		{"a new file", target, false, ""},
		{"a file that exists", target, false, scout.CodeInvalidArgument},
		{"a file to replace", target, true, ""},
		{"a folder that is missing", filepath.Join(t.TempDir(), "no", "out.wav"), false, scout.CodeFileNotFound},
	} {
		if err := folder.Export(m.ID, c.path, c.replace); scout.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if !bytes.Equal(readFile(t, target), readFile(t, folder.AudioPath(m.ID))) {
		t.Error("the copy differs")
	}
	if got := names(t, filepath.Dir(target)); got != "out.wav" {
		t.Errorf("left behind: %s", got)
	}
}

func TestDiskCheck(t *testing.T) {
	t.Parallel()
	folder, disk := openFolder(t)
	for free, want := range map[uint64]health.Status{
		32000 * 7200: health.Healthy, 32000 * 3000: health.Degraded, 32000 * 60: health.Unhealthy,
	} {
		disk.SetSpace(recording.Space{FreeBytes: free, TotalBytes: 1 << 40})
		got := health.Run(t.Context(), []health.Check{folder.DiskCheck(speech, recording.SpaceLimits{})}, time.Now)[0]
		if got.Status != want {
			t.Errorf("%d bytes free: %+v, want %s", free, got, want)
		}
	}
}
