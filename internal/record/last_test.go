package record_test

import (
	"os"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
)

// While no recorder runs, the status names the recording that ended last. It reads the manifests when the folder has changed, and not
// for each request.
func TestTheRecordingThatEndedLast(t *testing.T) {
	t.Parallel()
	folder, err := recording.OpenFolder(t.TempDir())
	check(t, err)
	r := record.New(record.Options{Folder: folder})
	last := func() recording.ID {
		t.Helper()
		status, err := r.Status(t.Context())
		check(t, err)
		if status.Last == nil {
			return ""
		}
		return status.Last.ID
	}
	made := func(at time.Time) recording.ID {
		t.Helper()
		w, err := folder.Create(recording.Settings{Format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}, StartedAt: at})
		check(t, err)
		m, err := w.Finish(recording.End{At: at.Add(time.Second), Reason: recording.EndStopped})
		check(t, err)
		return m.ID
	}
	settled := func(ago time.Duration) { check(t, os.Chtimes(folder.Dir(), time.Time{}, time.Now().Add(-ago))) }

	if got := last(); got != "" {
		t.Errorf("before the first one: %s", got)
	}
	began := time.Now().Add(-time.Hour)
	first := made(began)
	if got := last(); got != first {
		t.Errorf("%s, want %s", got, first)
	}
	second := made(began.Add(time.Minute)) // the clock of the file system may not have ticked since
	if got := last(); got != second {
		t.Errorf("%s, want %s", got, second)
	}
	settled(time.Hour)
	last()
	path := folder.ManifestPath(second)
	content, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, []byte("{"), 0o600)) // in its place, as nobody does: whoever reads it again finds nothing
	if got := last(); got != second {
		t.Errorf("the folder has not changed, and the status names %q", got)
	}
	check(t, os.WriteFile(path, content, 0o600))
	third := made(began.Add(2 * time.Minute))
	if got := last(); got != third {
		t.Errorf("%s, want %s", got, third)
	}
	settled(30 * time.Minute)
	last()
	check(t, os.Remove(folder.ManifestPath(third)))
	check(t, os.Remove(folder.AudioPath(third)))
	if got := last(); got != second {
		t.Errorf("%s, want %s", got, second)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
