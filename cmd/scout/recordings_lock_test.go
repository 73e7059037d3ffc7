//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// Commands that only read take no lock if nothing has to be repaired: suspended at any moment, they prevent no recorder
// from starting. Taking the lock would create its file.
func TestCommandsThatLookLeaveTheLockAlone(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	w, err := b.folder().Create(recording.Settings{
		Format: scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Silence(1600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"recordings", "list"}, {"recordings", "list", "--json"}, {"recordings", "show"}} {
		b.must(args...)
		if _, err := os.Stat(filepath.Join(b.dir, recording.LockName)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v took the lock: %v", args, err)
		}
	}
}
