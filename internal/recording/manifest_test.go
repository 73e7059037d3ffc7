package recording_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// Each save writes the newest manifest, however many are saved at the same time.
func TestSavesOfAManifestDoNotOvertakeEachOther(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	w := create(t, folder, speech)
	for round := range uint64(200) {
		var wg sync.WaitGroup
		for i := range uint64(3) {
			gap := scout.Gap{Start: scout.Position(20*round + 5*i), Frames: 1, Reason: recording.GapDiskFull}
			wg.Go(func() {
				w.AddGap(gap)
				if err := w.SaveManifest(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		check(t, w.SaveManifest()) // does nothing where it believes that the newest is on disk
		m, err := folder.Manifest(w.ID())
		check(t, err)
		if got, want := len(m.Gaps), len(w.Gaps()); got != want {
			t.Fatalf("round %d: %d gaps on disk, %d are known", round, got, want)
		}
	}
	check(t, w.Abandon())
}

// A recording does not wait for locks that other processes hold in the folder, whatever their version.
func TestNoLockOfOthersHoldsARecordingUp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".manifests.lock", recording.LockName, "ID.wav", "ID.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, _ := openFolder(t)
			w := create(t, folder, speech)
			path := filepath.Join(folder.Dir(), strings.Replace(name, "ID", string(w.ID()), 1))
			held, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
			check(t, err)
			defer func() { check(t, held.Close()) }()
			check(t, unix.Flock(int(held.Fd()), unix.LOCK_EX))
			done := make(chan struct{})
			go func() {
				defer close(done)
				write(t, w, 100)
				w.AddGap(scout.Gap{Start: 10, Frames: 5, Reason: recording.GapDiskFull})
				if err := w.SaveManifest(); err != nil {
					t.Error(err)
				}
				finish(t, w)
			}()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("it waits for the lock of another process")
			}
		})
	}
}

// The manifest stays version 1. Fields that earlier versions wrote are read and no longer written.
func TestOldManifestsAreRead(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	w, err := folder.Create(recording.Settings{Format: speech, StartedAt: time.Now(), Labels: map[string]string{"topic": "budget"}})
	check(t, err)
	write(t, w, 100)
	m := finish(t, w)
	if m.Version != 1 || m.Labels["topic"] != "budget" {
		t.Errorf("manifest %+v", m)
	}
	markTranscribed(t, folder, m.ID)
	check(t, os.Remove(folder.AudioPath(m.ID))) // anything that makes nobody rewrite it
	old, err := folder.Manifest(m.ID)
	if err != nil || old.Labels["topic"] != "budget" {
		t.Errorf("manifest %+v, %v", old, err)
	}

	w = create(t, folder, speech)
	write(t, w, 100)
	markTranscribed(t, folder, w.ID())
	check(t, w.Abandon())
	repair(t, folder)
	if text := string(readFile(t, folder.ManifestPath(w.ID()))); strings.Contains(text, "transcribed_at") || !strings.Contains(text, "recovered") {
		t.Errorf("the repaired manifest:\n%s", text)
	}
}

// Only the recorder changes a manifest, so a deleted recording cannot come back.
func TestDeleteLeavesNoGhost(t *testing.T) {
	t.Parallel()
	for range 20 {
		folder, _ := openFolder(t)
		w := create(t, folder, speech)
		write(t, w, 10)
		m := finish(t, w)
		var others sync.WaitGroup
		others.Go(func() { _ = w.SaveManifest() })
		others.Go(func() { _, _, _ = folder.List() })
		others.Wait()
		check(t, folder.Delete(m.ID))
		check(t, w.SaveManifest())
		if got := names(t, folder.Dir()); strings.Contains(got, string(m.ID)) {
			t.Fatalf("left behind: %s", got)
		}
	}
}
