//go:build linux

package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// mount mounts a small file system in memory, where the test may.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting needs rights that this user lacks: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestRealDiskThatIsFull(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=2m")
	s := open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	done := 0
	var err error
	for err == nil && done < 1000 {
		if err = put(t.Context(), s, done, strings.Repeat("words that fill the disk ", 30)); err == nil {
			done++
		}
	}
	wantCode(t, err, scout.CodeDiskFull)
	if c := status(t, s); c.Status != health.Unhealthy {
		t.Errorf("health %+v", c)
	}
	page, err := s.Transcripts(t.Context(), store.Filter{}, store.Page{Limit: 200})
	if err != nil || len(page.Data) != min(done, 200) || done == 0 {
		t.Errorf("%d of %d are there: %v", len(page.Data), done, err)
	}
	checkSound(t, filepath.Join(dir, sqlite.FileName))
	_, err = s.Backup(t.Context(), filepath.Join(dir, "backup.db"))
	wantCode(t, err, scout.CodeDiskFull)
	leftNothingBehind(t, dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), s, 2000, "room again"); err != nil {
		t.Error(err)
	}
	if c := status(t, s); c.Status != health.Healthy {
		t.Errorf("health %+v", c)
	}
}

func TestFileSystemThatIsReadOnly(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=4m")
	path := made(t, filepath.Join(dir, sqlite.FileName), 2)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	wantCode(t, err, scout.CodeFilePermission)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	// It can be checked, rescued and restored from there all the same: a backup may lie on such a disk.
	report, err := sqlite.CheckFile(t.Context(), path)
	if err != nil || len(report.Problems) > 0 || report.Transcripts != 2 {
		t.Errorf("check: %+v, %v", report, err)
	}
	elsewhere := t.TempDir()
	if result, err := sqlite.Rescue(t.Context(), path, filepath.Join(elsewhere, "rescued.db")); err != nil || result.Transcripts != 2 || len(result.Lost) > 0 {
		t.Errorf("rescue: %+v, %v", result, err)
	}
	if _, err := sqlite.Restore(t.Context(), path, filepath.Join(elsewhere, sqlite.FileName), time.Now()); err != nil {
		t.Errorf("restore: %v", err)
	}
}
