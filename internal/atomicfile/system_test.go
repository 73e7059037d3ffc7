package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The two ways of renaming without replacing do the same.
func TestRenameNew(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(from, to string) error{"as the system does": OS{}.RenameNew, "by a hard link": renameByLink} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
			for _, path := range []string{from, to} {
				if err := os.WriteFile(path, []byte(path), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := rename(from, to); !errors.Is(err, fs.ErrExist) {
				t.Errorf("error %v where the name is taken", err)
			}
			if data, err := os.ReadFile(to); err != nil || string(data) != to {
				t.Errorf("the file holds %q, %v", data, err)
			}
			if err := os.Remove(to); err != nil {
				t.Fatal(err)
			}
			if err := rename(from, to); err != nil {
				t.Errorf("error %v where the name is free", err)
			}
			if data, err := os.ReadFile(to); err != nil || string(data) != from {
				t.Errorf("the file holds %q, %v", data, err)
			}
			if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the old name: %v", err)
			}
		})
	}
}

// Where a file system has no hard links, a name that is taken is still not replaced.
func TestRenameWithoutLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, path := range []string{from, to} { // no folder has a hard link
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := renameByLink(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v where the name is taken", err)
	}
	if err := os.Remove(to); err != nil {
		t.Fatal(err)
	}
	if err := renameByLink(from, to); err != nil {
		t.Errorf("error %v where the name is free", err)
	}
}
