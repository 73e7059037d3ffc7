package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

// place is a folder in which scout runs as a process of its own.
type place struct {
	t   *testing.T
	dir string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	needModel(t)
	return &place{t, t.TempDir()}
}

// clip copies the clip of 22 words to a file with that name.
func (p *place) clip(name string) {
	p.t.Helper()
	data, err := os.ReadFile(clip)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(name, string(data))
}

func (p *place) write(name, content string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.path(name), []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) read(name string) string {
	p.t.Helper()
	data, err := os.ReadFile(p.path(name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// sh runs a line of bash in the folder, with scout on the PATH.
func (p *place) sh(line string) outcome {
	p.t.Helper()
	cmd := bash(p.t.Context(), line)
	cmd.Dir = p.dir
	return outcomeOf(p.t, cmd)
}

// prepare makes speech.wav and runs a line of bash, if there is one.
func (p *place) prepare(line string) {
	p.t.Helper()
	p.clip("speech.wav")
	if got := p.sh(cmp.Or(line, ":")); got.code != 0 {
		p.t.Fatalf("prepare: %s", got.err)
	}
}

// snapshot returns the files of the folder, with the size and content of each.
func (p *place) snapshot() string {
	p.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(p.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(strings.TrimPrefix(path, p.dir) + " " + entry.Type().String())
		if entry.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b.WriteString(" " + string(data))
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return b.String()
}

// TestOutputsThatAreRefused: nothing is transcribed or changed, and a line says why.
func TestOutputsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setup string // a line of bash
		line  string
		says  string // on standard error
		hint  string
		code  int // 0 means 2
	}{
		"the input itself":                     {"", "scout transcribe -q speech.wav -o speech.wav", "speech.wav is the input", "another name", 0},
		"the input itself, forced":             {"", "scout transcribe -q --force speech.wav -o speech.wav", "speech.wav is the input", "", 0},
		"the input by another path":            {"mkdir d", "scout transcribe -q speech.wav -o d/../speech.wav", "same file as the input speech.wav", "", 0},
		"the input by its whole path":          {"", `scout transcribe -q speech.wav -o "$PWD/speech.wav"`, "same file as the input", "", 0},
		"through a folder":                     {"mv speech.wav y.txt", "scout transcribe -q y.txt -o .", "y.txt is the input", "", 0},
		"through a folder, markdown":           {"mv speech.wav y.md", "scout transcribe -q y.md -f md -o ./", "y.md is the input", "", 0},
		"through a folder, subtitles":          {"mv speech.wav y.srt", "scout transcribe -q y.srt -f srt -o .", "y.srt is the input", "", 0},
		"through a folder, json":               {"mv speech.wav y.json", "scout transcribe -q y.json -f json -o .", "y.json is the input", "", 0},
		"a second input":                       {"mv speech.wav talk.wav; cp talk.wav talk.txt", "scout transcribe -q talk.wav talk.txt -o .", "talk.txt is the input", "", 0},
		"a second input, forced":               {"mv speech.wav talk.wav; cp talk.wav talk.txt", "scout transcribe -q --force talk.wav talk.txt -o .", "talk.txt is the input", "", 0},
		"a second input that is missing":       {"", "scout transcribe -q speech.wav speech.txt -o .", "speech.txt is the input", "", 0},
		"what the input points to":             {"ln -s speech.wav l.wav", "scout transcribe -q l.wav -o speech.wav", "speech.wav is the same file as the input l.wav", "", 0},
		"a link to the input":                  {"ln -s speech.wav l.wav", "scout transcribe -q speech.wav -o l.wav", "l.wav is the same file", "", 0},
		"a chain of links to the input":        {"ln -s speech.wav a; ln -s a b", "scout transcribe -q --force speech.wav -o b", "same file", "", 0},
		"a hard link to the input":             {"ln speech.wav h.wav", "scout transcribe -q --force speech.wav -o h.wav", "h.wav is the same file", "", 0},
		"the file of standard input":           {"", "scout transcribe -q - -o speech.wav < speech.wav", "same file as the input standard input", "", 0},
		"the file of standard input, forced":   {"", "scout transcribe -q --force - -o speech.wav < speech.wav", "same file", "", 0},
		"/dev/stdin":                           {"", "scout transcribe -q - -o /dev/stdin < speech.wav", "/dev/stdin is the same file", "", 0},
		"/proc/self/fd/0":                      {"", "scout transcribe -q --force - -o /proc/self/fd/0 < speech.wav", "same file", "", 0},
		"/dev/fd of the input":                 {"", "scout transcribe -q speech.wav -o /dev/fd/7 7<> speech.wav", "same file as the input", "", 0},
		"standard output is the input":         {"", "scout transcribe -q speech.wav >> speech.wav", "standard output is the same file as the input", "", 0},
		"the log is the input":                 {"", "scout transcribe -q speech.wav --log-file speech.wav", "speech.wav", "", 0},
		"a corrected text":                     {"echo corrected > x.txt", "scout transcribe -q speech.wav -o x.txt", "x.txt exists already", "--force", 0},
		"a corrected text, by its folder":      {"echo corrected > speech.txt", "scout transcribe -q speech.wav -o .", "speech.txt exists already", "--force", 0},
		"a corrected text, through a link":     {"echo corrected > x.txt; ln -s x.txt l.txt", "scout transcribe -q speech.wav -o l.txt", "l.txt exists already", "--force", 0},
		"a link to a folder":                   {"mkdir d; echo corrected > d/speech.txt; ln -s d e", "scout transcribe -q speech.wav -o e", "exists already", "--force", 0},
		"several inputs, subtitles":            {"", "scout transcribe -q speech.wav speech.wav -f srt", "2 inputs", "FOLDER/", 0},
		"several inputs, vtt":                  {"", "scout transcribe -q speech.wav speech.wav -f vtt", "2 inputs", "FOLDER/", 0},
		"several inputs, tsv":                  {"", "scout transcribe -q speech.wav speech.wav -f tsv", "2 inputs", "FOLDER/", 0},
		"several inputs, json":                 {"", "scout transcribe -q speech.wav speech.wav -f json", "2 inputs", "FOLDER/", 0},
		"several inputs, one file":             {"", "scout transcribe -q speech.wav speech.wav -o all.srt", "2 inputs", "FOLDER/", 0},
		"several inputs, a pipe":               {"mkfifo p", "scout transcribe -q speech.wav speech.wav -f json -o p", "2 inputs", "FOLDER/", 0},
		"format against ending":                {"", "scout transcribe -q speech.wav -f srt -o x.vtt", "contradict", "x.srt", 0},
		"format against ending, text":          {"", "scout transcribe -q speech.wav -f text -o x.json", "contradict", "x.txt", 0},
		"format against ending, in capitals":   {"", "scout transcribe -q speech.wav -f JSON -o x.SRT", "contradict", "", 0},
		"an empty name":                        {"", "scout transcribe -q speech.wav -o ''", "empty", "", 0},
		"no such folder":                       {"", "scout transcribe -q speech.wav -o no/x.txt", "the folder no does not exist", "mkdir", 1},
		"a file where a folder should be":      {"", "scout transcribe -q speech.wav -o speech.wav/x.txt", "", "", 1},
		"a folder below a file":                {"", "scout transcribe -q speech.wav -o speech.wav/texts/", "", "", 1},
		"a folder where nothing can be made":   {"", "scout transcribe -q speech.wav -o /proc/texts/", "cannot", "", 1},
		"a link in a circle":                   {"ln -s a.txt b.txt; ln -s b.txt a.txt", "scout transcribe -q speech.wav -o a.txt", "circle", "", 1},
		"a link into a folder that is missing": {"ln -s no/x.txt l.txt", "scout transcribe -q speech.wav -o l.txt", "does not exist", "", 1},
		"two outputs that are one file":        {"mkdir d d/a d/b; cp speech.wav d/a/x.wav; cp speech.wav d/b/y.wav; : > d/x.txt; ln -s x.txt d/y.txt", "scout transcribe -q d/a/x.wav d/b/y.wav -o d", "one file", "", 0},
		"a name that is too long":              {"", "scout transcribe -q speech.wav -o " + strings.Repeat("ä", 128) + ".txt", "260 bytes", "shorter", 0},
		"a recording of Scout's own":           {"mkdir r; cp speech.wav r/20261124T082146-7f3a9c2e41d0.wav", "SCOUT_RECORDINGS=r scout transcribe -q --force speech.wav -o r/20261124T082146-7f3a9c2e41d0.wav", "Scout's own", "", 0},
		"a model of Scout's own":               {"", `scout transcribe -q --force speech.wav -o "$SCOUT_MODELS/moonshine-tiny-en/model.json"`, "Scout's own", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.prepare(c.setup)
			before := p.snapshot()
			got := p.sh(c.line)
			if want := cmp.Or(c.code, 2); got.code != want {
				t.Errorf("exit %d: want %d: %s", got.code, want, got.err)
			}
			lines := strings.Split(strings.TrimSpace(got.err), "\n")
			if len(lines) > 2 || !strings.HasPrefix(lines[0], "scout: ") || !strings.Contains(lines[0], c.says) || !strings.Contains(got.err, c.hint) {
				t.Errorf("%q: want one line with %q and a hint with %q", got.err, c.says, c.hint)
			}
			if got.out != "" {
				t.Errorf("standard output %q", got.out)
			}
			if after := p.snapshot(); after != before {
				t.Error("files were changed")
			}
		})
	}
}

// TestOutputsThatAreWritten: the complete text is where the user asked for it, and nothing else is there.
func TestOutputsThatAreWritten(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 247) + ".txt"
	multibyte := strings.Repeat("ä", 125) + ".txt"
	type written struct {
		setup string
		line  string
		files []string // that hold the text
		links []string // that are still links
	}
	outputs := map[string]written{
		"a new file":                       {"", "scout transcribe -q speech.wav -o x.txt", []string{"x.txt"}, nil},
		"an empty file":                    {": > x.txt", "scout transcribe -q speech.wav -o x.txt", []string{"x.txt"}, nil},
		"a file, forced":                   {"echo old > x.txt", "scout transcribe -q --force speech.wav -o x.txt", []string{"x.txt"}, nil},
		"through a link":                   {": > target.txt; ln -s target.txt link.txt", "scout transcribe -q speech.wav -o link.txt", []string{"target.txt", "link.txt"}, []string{"link.txt"}},
		"through a link, forced":           {"echo old > target.txt; ln -s target.txt link.txt", "scout transcribe -q --force speech.wav -o link.txt", []string{"target.txt"}, []string{"link.txt"}},
		"through a link to nothing yet":    {"mkdir d; ln -s d/new.txt link.txt", "scout transcribe -q speech.wav -o link.txt", []string{"d/new.txt"}, []string{"link.txt"}},
		"through a chain of links":         {"ln -s b.txt a.txt; ln -s c.txt b.txt", "scout transcribe -q speech.wav -o a.txt", []string{"c.txt"}, []string{"a.txt", "b.txt"}},
		"into a folder behind a link":      {"mkdir d; ln -s d e", "scout transcribe -q speech.wav -o e/x.txt", []string{"d/x.txt"}, []string{"e"}},
		"into a folder that is made":       {"", "scout transcribe -q speech.wav -o d/e/", []string{"d/e/speech.txt"}, nil},
		"a hidden input":                   {"mv speech.wav .hidden; mkdir d", "scout transcribe -q .hidden -o d/", []string{"d/.hidden.txt"}, nil},
		"a hidden input with an ending":    {"mv speech.wav .a.wav; mkdir d", "scout transcribe -q .a.wav -o d/", []string{"d/.a.txt"}, nil},
		"a name of 251 bytes":              {"", "scout transcribe -q speech.wav -o " + long, []string{long}, nil},
		"a name of 254 bytes, multibyte":   {"", "scout transcribe -q speech.wav -o " + multibyte, []string{multibyte}, nil},
		"an input of 255 bytes":            {"n=$(printf 'y%.0s' $(seq 252)); mv speech.wav $n.aa; mkdir d", "scout transcribe -q y* -o d", []string{"d/" + strings.Repeat("y", 251) + ".txt"}, nil},
		"an input of 255 bytes, multibyte": {"n=$(printf 'ü%.0s' $(seq 126)); mv speech.wav ${n}.aa; mkdir d", "scout transcribe -q ü* -o d", []string{"d/" + strings.Repeat("ü", 125) + ".txt"}, nil},
		"an input with a leading dash":     {"mv speech.wav ./-dash.wav; mkdir d", "scout transcribe -q ./-dash.wav -o d", []string{"d/-dash.txt"}, nil},
		"an input with control characters": {`mv speech.wav $'a\e[31mb\n.wav'; mkdir d`, `scout transcribe -q a* -o d`, []string{"d/a_[31mb_.txt"}, nil},
		"/dev/stdout":                      {"", "scout transcribe -q speech.wav -o /dev/stdout > x.txt", []string{"x.txt"}, nil},
		"/dev/stdout, appended":            {": > x.txt", "scout transcribe -q speech.wav -o /dev/stdout >> x.txt", []string{"x.txt"}, nil},
		"/dev/fd/3":                        {"", "scout transcribe -q speech.wav -o /dev/fd/3 3> x.txt", []string{"x.txt"}, nil},
		"a pipe":                           {"mkfifo p", "cat p > x.txt & scout transcribe -q speech.wav -o p && wait", []string{"x.txt"}, nil},
		"standard input, into a folder":    {"mkdir d", "scout transcribe -q - -o d < speech.wav", []string{"d/stdin.txt"}, nil},
		"without an ending":                {"", "scout transcribe -q speech.wav -o notes", []string{"notes"}, nil},
		"an unknown ending":                {"", "scout transcribe -q speech.wav -o notes.2026", []string{"notes.2026"}, nil},
		"a file in a folder that is full":  {": > d.txt; chmod 644 d.txt", "scout transcribe -q speech.wav -o d.txt", []string{"d.txt"}, nil},
	}
	for name, c := range testrun.SomeOf(t, outputs,
		"a new file", "a file, forced", "through a link", "through a link, forced", "through a link to nothing yet", "through a chain of links",
		"into a folder that is made", "a hidden input with an ending", "a name of 254 bytes, multibyte", "an input of 255 bytes, multibyte",
		"an input with a leading dash", "an input with control characters", "/dev/stdout, appended", "/dev/fd/3", "a pipe",
		"standard input, into a folder", "an unknown ending") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.prepare(c.setup)
			got := p.sh(c.line)
			if got.code != 0 || got.err != "" || got.out != "" {
				t.Errorf("exit %d, %q, %q", got.code, got.out, got.err)
			}
			for _, file := range c.files {
				if text := p.read(file); !said(text, 1) {
					t.Errorf("%s: %q", file, text)
				}
			}
			for _, link := range c.links {
				if info, err := os.Lstat(p.path(link)); err != nil || info.Mode()&os.ModeSymlink == 0 {
					t.Errorf("%s is no link any more: %v, %v", link, info.Mode(), err)
				}
			}
			if strings.Contains(p.snapshot(), ".scout-") || strings.Contains(p.snapshot(), ".partial") {
				t.Errorf("something is left: %s", p.snapshot())
			}
		})
	}
}

// TestModeOfAnOutput: a new file has the mode of the umask; an existing file keeps its mode.
func TestModeOfAnOutput(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.clip("speech.wav")
	got := p.sh("umask 027; : > old.txt; chmod 600 old.txt; scout transcribe -q speech.wav -o old.txt && scout transcribe -q speech.wav -o new.txt; stat -c %a old.txt new.txt")
	if got.out != "600\n640\n" {
		t.Errorf("%q %q: want 600 and 640", got.out, got.err)
	}
}

// TestSeveralTextsInOnePlace: several texts in one file are a valid document.
func TestSeveralTextsInOnePlace(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.clip("a.wav")
	p.clip("b\x1b[31m\u202Ec.wav")
	got := p.sh("scout transcribe -q *.wav")
	if got.code != 0 || got.err != "" || !strings.HasPrefix(got.out, "==> a.wav <==\n") || !strings.Contains(got.out, ".\n\n==> b\uFFFD[31m\uFFFDc.wav <==\n") {
		t.Errorf("exit %d, %q, %q", got.code, got.out, got.err)
	}
	file := p.sh("scout transcribe -q *.wav -o all.txt")
	if file.code != 0 || file.out != "" || p.read("all.txt") != got.out {
		t.Errorf("exit %d, %q, %q", file.code, file.out, file.err)
	}
	md := p.sh("scout transcribe -q *.wav -f md")
	if md.code != 0 || strings.Count(md.out, "\n\n# ") != 1 || !strings.HasPrefix(md.out, "# ") || strings.ContainsAny(md.out, "\x1b\u202E") {
		t.Errorf("exit %d, %q, %q", md.code, md.out, md.err)
	}
}

// TestOutputIsWholeOrAbsent: a text that cannot be written leaves no incomplete file.
func TestOutputIsWholeOrAbsent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ setup, line, says, hint string }{
		"a limit of the shell":    {"", "bash -c 'ulimit -f 0; exec scout transcribe -q speech.wav -o x.txt'", "larger than is allowed", "ulimit"},
		"a full device":           {"", "scout transcribe -q speech.wav -o /dev/full", "the disk is full", "free"},
		"standard output is full": {"", "scout transcribe -q speech.wav > /dev/full", "the disk is full", "free"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.clip("speech.wav")
			got := p.sh(c.line)
			if got.code != 1 || !strings.Contains(got.err, c.says) || !strings.Contains(got.err, c.hint) || strings.Count(got.err, "\n") > 2 {
				t.Errorf("exit %d, %q: want %q, %q", got.code, got.err, c.says, c.hint)
			}
			if entries, err := os.ReadDir(p.dir); err != nil || len(entries) != 1 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}
