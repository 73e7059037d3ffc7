package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// File systems without locks answer in one of these ways, and some accept a lock and keep nobody out.
func TestFileSystemsWithoutLocksAreSaid(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]scout.Code{
		unix.ENOLCK: scout.CodeStoreUnsafe, unix.EOPNOTSUPP: scout.CodeStoreUnsafe, unix.ENOSYS: scout.CodeStoreUnsafe, unix.EINVAL: scout.CodeStoreUnsafe,
		unix.ENODEV: scout.CodeStoreUnsafe, errNoLocks: scout.CodeStoreUnsafe, fmt.Errorf("share memory: %w", unix.ENODEV): scout.CodeStoreUnsafe,
		unix.ENOSPC: scout.CodeDiskFull, unix.EACCES: scout.CodeFilePermission, unix.EIO: scout.CodeWriteFailed,
	} {
		got := unsafe("open database", err)
		if scout.CodeOf(got) != want || scout.HintOf(got) == "" {
			t.Errorf("%v: %v (%s), want %s", err, got, scout.CodeOf(got), want)
		}
	}
}

func TestLockThatKeepsNobodyOutIsFound(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()                       // of a test
	if err := checkLocks(file); !errors.Is(err, errNoLocks) { // nobody has taken it: as where taking it does nothing
		t.Errorf("error %v", err)
	}
}

// What is mounted on a machine may differ; where proc can be written to as little as here, opening fails with a reason.
func TestFolderThatTakesNoFiles(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no proc file system here")
	}
	_, err := Open(t.Context(), "/proc/self/"+FileName, Options{})
	if code := scout.CodeOf(err); code != scout.CodeFileNotFound && code != scout.CodeFilePermission {
		t.Errorf("error %v (%s)", err, code)
	}
}

// Bytes that a page no longer uses are overwritten, and nothing else.
func TestClearFree(t *testing.T) {
	t.Parallel()
	page := make([]byte, 64)
	for i := range page {
		page[i] = 0xaa
	}
	// A leaf with one cell at 50 (10 bytes) and a free block at 40 (10 bytes); the content begins at 40.
	copy(page, []byte{leafTable, 0, 40, 0, 1, 0, 40, 0, 0, 50})
	copy(page[40:], []byte{0, 0, 0, 10})
	want := append([]byte(nil), page...)
	clear(want[10:40])
	clear(want[44:50])
	if !clearFree(page, false) || !bytes.Equal(page, want) {
		t.Errorf("% x\nwant % x", page, want)
	}
	if clearFree(page, false) {
		t.Error("a clear page was changed again")
	}
	for name, other := range map[string][]byte{
		"a page of a long value": {0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8}, "content beyond the page": {leafTable, 0, 0, 0, 1, 9, 9, 0, 0, 50, 1, 1},
		"cells beyond the content": {leafTable, 0, 0, 9, 9, 0, 11, 0, 0, 50, 1, 1},
	} {
		before := string(other)
		_ = clearFree(other, false) // must not panic
		if name == "a page of a long value" && string(other) != before {
			t.Errorf("%s was changed", name)
		}
	}
}
