package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content returns what is in the file, "" where there is none.
func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// names are all files in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWriteReplacesAndLeavesNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	for _, want := range []string{"first", "", "second and longer"} {
		check(t, atomicfile.Write(path, []byte(want), atomicfile.Options{Mode: atomicfile.Private}))
		if got := content(t, path); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if all := names(t, filepath.Dir(path)); len(all) != 1 {
		t.Errorf("files %v", all)
	}
}

func TestExclusiveReplacesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	options := atomicfile.Options{Exclusive: true}
	check(t, atomicfile.Write(path, []byte("first"), options))
	if err := atomicfile.Write(path, []byte("second"), options); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	if got := content(t, path); got != "first" {
		t.Errorf("%q", got)
	}
	if all := names(t, filepath.Dir(path)); len(all) != 1 {
		t.Errorf("files %v", all)
	}
}

// failing fails at one step and notes the order of all.
type failing struct {
	atomicfile.OS
	at    string
	with  error
	steps []string
}

func (s *failing) step(name string) error {
	s.steps = append(s.steps, name)
	if name == s.at {
		return s.with
	}
	return nil
}

type failingFile struct {
	atomicfile.File
	s *failing
}

func (s *failing) CreateTemporary(dir string, mode fs.FileMode) (atomicfile.File, error) {
	if err := s.step("create"); err != nil {
		return nil, err
	}
	f, err := s.OS.CreateTemporary(dir, mode)
	return failingFile{f, s}, err
}

func (f failingFile) Write(p []byte) (int, error) {
	if err := f.s.step("write"); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f failingFile) Sync() error { return errors.Join(f.s.step("sync"), f.File.Sync()) }

func (f failingFile) Close() error { return errors.Join(f.s.step("close"), f.File.Close()) }

func (s *failing) Rename(from, to string) error {
	if err := s.step("rename"); err != nil {
		return err
	}
	return s.OS.Rename(from, to)
}

func (s *failing) RenameNew(from, to string) error {
	if err := s.step("rename"); err != nil {
		return err
	}
	return s.OS.RenameNew(from, to)
}

func (f failingFile) Chmod(mode fs.FileMode) error {
	return errors.Join(f.s.step("chmod"), f.File.Chmod(mode))
}

func (s *failing) SyncFolder(dir string) error {
	return errors.Join(s.step("sync folder"), s.OS.SyncFolder(dir))
}

func TestAFailedStepKeepsTheOldContent(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"create", "chmod", "write", "sync", "close", "check", "rename", "sync folder"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f")
			check(t, os.WriteFile(path, []byte("old"), 0o600))
			system := &failing{at: step, with: syscall.ENOSPC}
			err := atomicfile.Write(path, []byte("new content"), atomicfile.Options{
				Mode: atomicfile.Private, ExactMode: true,
				System: system, Check: func(string) error { return system.step("check") },
			})
			if scout.CodeOf(err) != scout.CodeDiskFull || !strings.Contains(err.Error(), "write "+path) || strings.Contains(err.Error(), atomicfile.Suffix) {
				t.Errorf("error %v", err)
			}
			want := "old"
			if step == "sync folder" {
				want = "new content"
			}
			if got := content(t, path); got != want {
				t.Errorf("content %q, want %q", got, want)
			}
			if all := names(t, filepath.Dir(path)); len(all) != 1 {
				t.Errorf("files %v", all)
			}
		})
	}
}

func TestTheOrderOfSteps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options atomicfile.Options
		want    string
	}{
		"a file":                  {atomicfile.Options{}, "create, write, sync, close, check, rename, sync folder"},
		"one that must be new":    {atomicfile.Options{Exclusive: true}, "create, write, sync, close, check, rename, sync folder"},
		"one with an exact mode":  {atomicfile.Options{ExactMode: true}, "create, chmod, write, sync, close, check, rename, sync folder"},
		"one that is of the hour": {atomicfile.Options{Unsynced: true}, "create, write, close, check, rename"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			system := &failing{}
			c.options.System, c.options.Check = system, func(string) error { return system.step("check") }
			check(t, atomicfile.Write(filepath.Join(t.TempDir(), "f"), []byte("x"), c.options))
			if got := strings.Join(system.steps, ", "); got != c.want {
				t.Errorf("steps %s, want %s", got, c.want)
			}
		})
	}
}

func TestTheModeOfAFile(t *testing.T) {
	t.Parallel()
	// The umask of the process belongs to all tests: what it takes is read off a file.
	plain := filepath.Join(t.TempDir(), "plain")
	check(t, os.WriteFile(plain, nil, 0o666))
	info, err := os.Stat(plain)
	check(t, err)
	shared := info.Mode().Perm()
	for name, c := range map[string]struct {
		options atomicfile.Options
		want    fs.FileMode
	}{
		"by default, less the umask": {atomicfile.Options{}, shared},
		"private":                    {atomicfile.Options{Mode: atomicfile.Private}, 0o600},
		"for everybody, exactly":     {atomicfile.Options{Mode: 0o777, ExactMode: true}, 0o777},
		"for nobody, exactly":        {atomicfile.Options{ExactMode: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f")
			check(t, atomicfile.Write(path, []byte("x"), c.options))
			info, err := os.Stat(path)
			check(t, err)
			if info.Mode().Perm() != c.want {
				t.Errorf("mode %v, want %v", info.Mode().Perm(), c.want)
			}
		})
	}
}

func TestErrorsAreExplainedAsAsked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	own := errors.New("own words")
	for _, step := range []string{"create", "chmod", "write", "sync", "close", "rename", "sync folder"} {
		err := atomicfile.Write(path, []byte("x"), atomicfile.Options{
			System: &failing{at: step, with: syscall.EIO}, ExactMode: true,
			Explain: func(p string, err error) error {
				if p != path || !errors.Is(err, syscall.EIO) {
					t.Errorf("%s: asked to explain %v of %s", step, err, p)
				}
				return own
			},
		})
		if err == nil || err.Error() != own.Error() {
			t.Errorf("%s: error %v", step, err)
		}
	}
}

func TestWhatCannotBeFilledIsNotThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	broken := scout.Errorf(scout.CodeCancelled, "stopped")
	err := atomicfile.WriteFrom(path, atomicfile.Options{}, func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, broken)
	})
	if scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("error %v", err)
	}
	if all := names(t, filepath.Dir(path)); len(all) != 0 {
		t.Errorf("files %v", all)
	}
}

func TestAMissingFolderIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing", "f")
	err := atomicfile.Write(path, nil, atomicfile.Options{})
	if scout.CodeOf(err) != scout.CodeFileNotFound || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}
