package outfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { os.Exit(testrun.Contain(m).Run()) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// look looks at a path, which must be possible.
func look(t *testing.T, path string) outfile.Place {
	t.Helper()
	place, err := outfile.At(path)
	check(t, err)
	return place
}

// Each case is a file, what another program does between the look and the write, and what is there afterwards.
func TestWrites(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before    string // content, "" for an empty file
		missing   bool   // there is no file
		mode      fs.FileMode
		meanwhile func(path string) error
		force     bool
		want      string
		error     string
	}{
		"a new file":                       {missing: true, want: "text"},
		"an empty file":                    {mode: 0o640, want: "text"},
		"a file that may be replaced":      {before: "old", mode: 0o600, force: true, want: "text"},
		"a mode that the umask would cut":  {before: "old", mode: 0o666, force: true, want: "text"},
		"made by another program":          {missing: true, meanwhile: write("theirs"), want: "theirs", error: "another program made it meanwhile"},
		"made by another program, forced":  {missing: true, meanwhile: write("theirs"), force: true, want: "text"},
		"filled by another program":        {mode: 0o600, meanwhile: write("theirs"), want: "theirs", error: "filled by another program meanwhile"},
		"replaced by another one":          {before: "old", mode: 0o600, meanwhile: write("theirs"), force: true, want: "text"},
		"removed by another program":       {mode: 0o600, meanwhile: os.Remove, want: "text"},
		"removed by another one, replaced": {before: "old", mode: 0o600, meanwhile: os.Remove, force: true, want: "text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f")
			if !c.missing {
				check(t, os.WriteFile(path, []byte(c.before), 0o600))
				check(t, os.Chmod(path, c.mode))
			}
			place := look(t, path)
			check(t, place.Probe())
			if c.meanwhile != nil {
				check(t, c.meanwhile(path))
			}
			err := place.Write(t.Context(), []byte("text"), c.force)
			if (err == nil) != (c.error == "") || err != nil && (!strings.Contains(err.Error(), c.error) || strings.Contains(err.Error(), ".scout-")) {
				t.Errorf("error %v, want %q", err, c.error)
			}
			data, err := os.ReadFile(path)
			if err != nil || string(data) != c.want {
				t.Errorf("the file holds %q, %v; want %q", data, err, c.want)
			}
			if info, err := os.Stat(path); err != nil || !c.missing && info.Mode().Perm() != c.mode {
				t.Errorf("mode %v, %v; want %v", info.Mode().Perm(), err, c.mode)
			}
			entries, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(entries) != 1 {
				t.Errorf("the folder holds %v, %v", entries, err)
			}
		})
	}
}

func write(content string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
}

// A folder that takes no second file, or may be written and not read, still takes the text. These rules do not hold for
// the superuser.
func TestFoldersWithRights(t *testing.T) {
	t.Parallel()
	if testrun.AsNobody(t) {
		return
	}
	for name, c := range map[string]struct {
		folder fs.FileMode
		there  bool
		want   error
	}{
		"a file in a folder that takes no others": {0o500, true, nil},
		"no file in such a folder":                {0o500, false, fs.ErrPermission},
		"a folder that may not be read":           {0o300, false, nil},
		"a file in one that may not be read":      {0o300, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "folder")
			check(t, os.Mkdir(folder, 0o700))
			path := filepath.Join(folder, "f")
			if c.there {
				check(t, os.WriteFile(path, nil, 0o600))
			}
			place := look(t, path)
			check(t, os.Chmod(folder, c.folder))
			t.Cleanup(func() { check(t, os.Chmod(folder, 0o700)) })
			probed, written := place.Probe(), place.Write(t.Context(), []byte("text"), false)
			if !errors.Is(probed, c.want) || !errors.Is(written, c.want) {
				t.Errorf("probe %v, write %v, want %v", probed, written, c.want)
			}
			if c.want != nil {
				return
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != "text" {
				t.Errorf("the file holds %q, %v", data, err)
			}
		})
	}
}

func TestAFolderThatWentIsNamed(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "d")
	check(t, os.Mkdir(folder, 0o700))
	place := look(t, filepath.Join(folder, "f"))
	check(t, os.Remove(folder))
	err := place.Write(t.Context(), []byte("text"), false)
	if scout.CodeOf(err) != scout.CodeFileNotFound || !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "cannot write "+place.Path+": no such file or folder") {
		t.Errorf("error %v", err)
	}
}
