package remote_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// A recorder that has just ended leaves the folder a moment before its parent does.
func TestRecoverWaitsForAParentThatIsEnding(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"it ends": true, "it stays": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, err := recording.OpenFolder(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			lock, err := os.Create(filepath.Join(folder.Dir(), recording.ParentLockName))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := filelock.Try(lock); err != nil || !got {
				t.Fatalf("%v, %v", got, err)
			}
			release := time.AfterFunc(100*time.Millisecond, func() {
				if ends {
					_ = filelock.Close(lock) // the test fails if it is not released
				}
			})
			defer release.Stop()
			_, err = remote.Recover(t.Context(), folder)
			if ends && err != nil || !ends && scout.CodeOf(err) != scout.CodeRecordingLocked {
				t.Errorf("recover: %v", err)
			}
		})
	}
}
