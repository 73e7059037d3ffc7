//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

// shAsUser runs a line of bash as a user to whom file modes apply: root gives the folder to another user.
func (p *place) shAsUser(line string) outcome {
	p.t.Helper()
	cmd := bash(p.t.Context(), line)
	cmd.Dir = p.dir
	if os.Geteuid() == 0 {
		cmd.Env = append(cmd.Env, "HOME="+p.dir, "XDG_RUNTIME_DIR="+p.dir, "SCOUT_DATA="+filepath.Join(p.dir+"-data", "scout"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: testrun.Nobody()}
	}
	return outcomeOf(p.t, cmd)
}

// giveAway gives the folder to the user of shAsUser.
func (p *place) giveAway() {
	p.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	// The temporary folders of a test and of the package are accessible only to their user.
	for _, dir := range []string{filepath.Dir(p.dir), programs} {
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user goes through
			p.t.Fatal(err)
		}
	}
	// Scout stores there which notes it has shown.
	notes := filepath.Join(p.dir+"-data", "scout")
	if err := errors.Join(os.MkdirAll(notes, 0o755), os.Chmod(notes, 0o777)); err != nil { //nolint:gosec // another user writes there
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(notes, ".noted-english-only"), nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
	user := testrun.Nobody()
	err := filepath.WalkDir(p.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(user.Uid), int(user.Gid))
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// openUp lets the test remove the folder.
func (p *place) openUp() {
	err := filepath.WalkDir(p.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o700) //nolint:gosec // a folder
		}
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
}

// needEngine skips a test if another user may not read the libraries of the engine, for example in root's module cache.
// make test puts them elsewhere.
func (p *place) needEngine() {
	p.t.Helper()
	if got := p.shAsUser("$SCOUT_ENGINE < /dev/null"); strings.Contains(got.err, "shared object") {
		p.t.Skip("the libraries of the engine are not for other users: " + strings.TrimSpace(got.err))
	}
}

// TestRightsThatAreMissing: if something may not be read or written, one line says so, with a hint, and nothing is left
// behind.
func TestRightsThatAreMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setup, line string
		code        int
		says        string
		text        string // file that has the words; empty for standard output
	}{
		"an output in a folder that takes no file":     {"mkdir d; chmod 555 d", "scout transcribe -q -l en speech.wav -o d/x.txt", 1, "permission denied", ""},
		"an output folder that takes no file":          {"mkdir d; chmod 555 d", "scout transcribe -q -l en speech.wav -o d/", 1, "permission denied", ""},
		"a new folder in one that takes none":          {"mkdir d; chmod 555 d", "scout transcribe -q -l en speech.wav -o d/new/", 1, "permission denied", ""},
		"an output that is there in such a folder":     {"mkdir d; : > d/old.txt; chmod 555 d", "scout transcribe -q -l en speech.wav -o d/old.txt", 0, "", "d/old.txt"},
		"an output that may not be written":            {": > old.txt; chmod 444 old.txt", "scout transcribe -q -l en speech.wav -o old.txt", 1, "permission denied", ""},
		"an input that may not be read":                {"chmod 0 speech.wav", "scout transcribe -q -l en speech.wav", 1, "permission denied", ""},
		"an input in a folder that may not be entered": {"mkdir d; mv speech.wav d; chmod 0 d", "scout transcribe -q -l en d/speech.wav", 1, "permission denied", ""},
		"an input in a folder that may not be listed":  {"mkdir d; mv speech.wav d; chmod 111 d", "scout transcribe -q -l en d/speech.wav", 0, "", "-"},
		"hot words that may not be read":               {"echo x > w.txt; chmod 0 w.txt", "scout transcribe -q -l en speech.wav --hot-words w.txt", 2, "permission denied", ""},
		"a settings file that may not be read":         {": > s.toml; chmod 0 s.toml", "scout transcribe -q -l en speech.wav --config s.toml", 2, "permission denied", ""},
		"a log that may not be written":                {": > l.log; chmod 444 l.log", "scout transcribe -q -l en speech.wav --log-file l.log", 1, "permission denied", ""},
		"temporary files that may not be written":      {"mkdir d; chmod 555 d", "cat speech.aiff | TMPDIR=$PWD/d scout transcribe -q -l en -", 1, "TMPDIR", ""},
		"models that may not be read":                  {"mkdir m; chmod 0 m", "scout models list --models-dir m", 1, "permission denied", ""},
		"a pull into a folder that takes no file":      {"mkdir m; chmod 555 m", "scout models pull moonshine-tiny-en --from $SCOUT_MODELS/moonshine-tiny-en --models-dir m", 1, "permission denied", ""},
		"recordings that may not be read":              {"mkdir r; chmod 0 r", "scout recordings list --recordings-dir r", 1, "permission denied", ""},
		"recordings that may not be written":           {"mkdir r; chmod 555 r", "scout recordings list --recordings-dir r", 0, "", ""},
		"a recording where none may be made":           {"mkdir r; chmod 555 r", "scout record -q -d tone:440 --duration 1 --recordings-dir r", 1, "permission denied", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.clip("speech.wav")
			if strings.Contains(c.line, ".aiff") {
				p.write("speech.aiff", string(read(t, ffmpegMakes(t, "x.aiff", "-i", clip))))
			}
			p.giveAway()
			if c.text != "" {
				p.needEngine()
			}
			if got := p.shAsUser(c.setup); got.code != 0 {
				t.Fatal(got.err)
			}
			t.Cleanup(p.openUp)
			before := p.shAsUser("ls -lR . 2>&1").out
			got := p.shAsUser(c.line)
			if got.code != c.code || !strings.Contains(got.err, c.says) || goWords.MatchString(got.err) || c.says == "" && got.err != "" && c.code == 0 && c.text != "" {
				t.Errorf("exit %d, %q: want %d and %q", got.code, got.err, c.code, c.says)
			}
			switch {
			case c.text == "-":
				if !said(got.out, 1) {
					t.Errorf("%q", got.out)
				}
			case c.text != "":
				if !said(p.read(c.text), 1) {
					t.Errorf("%q", p.read(c.text))
				}
			case c.code != 0:
				if after := p.shAsUser("ls -lR . 2>&1").out; after != before {
					t.Errorf("before:\n%s\nafter:\n%s", before, after)
				}
			}
			t.Log(got.err)
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
