package recordingtest_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
)

// TestSyncsAtTheSameTime lets several syncs of one file hang and go on together: each byte is durable once.
func TestSyncsAtTheSameTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	synctest.Test(t, func(t *testing.T) {
		disk := recordingtest.New()
		f, err := disk.OpenFile(path, os.O_RDWR|os.O_CREATE)
		if err != nil {
			t.Fatal(err)
		}
		disk.Hang(recording.OperationSync, true)
		var syncs sync.WaitGroup
		for i := range int64(8) {
			if _, err := f.WriteAt([]byte{byte(i)}, i); err != nil {
				t.Error(err)
			}
			syncs.Go(func() {
				if err := f.Sync(); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		disk.Hang(recording.OperationSync, false)
		syncs.Wait()
		if got := disk.Synced(path); got != 8 {
			t.Errorf("%d bytes are durable, want 8", got)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}
