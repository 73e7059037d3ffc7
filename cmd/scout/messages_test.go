package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/printable"
)

// goWords matches words of the standard library and of other libraries, which do not belong into messages for people.
var goWords = regexp.MustCompile(`(?i)\b(stat|lstat|open|mkdir|readdirent|arg\(s\)|strconv|parseint|parsebool|invalid syntax|EOF|context (canceled|deadline)|shorthand|goroutine|errno|nil)\b.*|\.scout-|/scout-[0-9]+\.audio`)

// TestMessagesOfWrongCalls: one line says what is wrong, another one helps, the exit code is right, and no word is
// Go's.
func TestMessagesOfWrongCalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dash := "-dash.wav"
	for name, c := range map[string]struct {
		args []string
		code int
		says string
		hint string
	}{
		"a misspelt command":                  {[]string{"recrod"}, 2, `"recrod"`, "scout record?"},
		"letters that changed places":         {[]string{"transcirbe", "x"}, 2, `"transcirbe"`, "scout transcribe?"},
		"the beginning of a command":          {[]string{"dev"}, 2, `"dev"`, "scout devices?"},
		"a misspelt subcommand":               {[]string{"models", "lst"}, 2, `"models lst"`, "scout models list?"},
		"another misspelt subcommand":         {[]string{"recordings", "verfy"}, 2, `"recordings verfy"`, "scout recordings verify?"},
		"a command that is nothing":           {[]string{"xyzzy"}, 2, `"xyzzy"`, "scout --help"},
		"a file in the place of a command":    {[]string{clip}, 2, "jfk.wav", "scout transcribe "},
		"help for nothing":                    {[]string{"help", "recrod"}, 2, `"recrod"`, "scout record?"},
		"a misspelt flag":                     {[]string{"transcribe", "--fromat", "srt", clip}, 2, "--fromat", "--format?"},
		"a misspelt flag of all commands":     {[]string{"transcribe", "--log-levle", "info", clip}, 2, "--log-levle", "--log-level?"},
		"a letter that is no flag":            {[]string{"transcribe", "-z", clip}, 2, "unknown flag -z", "--help"},
		"a name with a dash":                  {[]string{"transcribe", "-q", dash}, 2, dash, "./-dash.wav"},
		"a name with two dashes":              {[]string{"transcribe", "--my.wav"}, 2, "--my.wav", "./--my.wav"},
		"a flag without a value":              {[]string{"transcribe", clip, "-o"}, 2, "--output needs a value", "--help"},
		"a word for a number":                 {[]string{"transcribe", "--threads", "many", clip}, 2, `--threads "many" is not a number`, "whole number"},
		"a number too large":                  {[]string{"transcribe", "--threads", "99999999999999999999", clip}, 2, "is not a number", ""},
		"a word for a length":                 {[]string{"level", "--every", "often"}, 2, `--every "often" is not a length`, "15s"},
		"a word for yes or no":                {[]string{"transcribe", "--quiet=maybe", clip}, 2, "neither true nor false", "--quiet"},
		"a models folder that is missing":     {[]string{"models", "verify", "--models-dir", dir + "/nope"}, 2, "nope does not exist", "--models-dir"},
		"the same, its path":                  {[]string{"models", "path", "--models-dir", dir + "/nope"}, 2, "nope does not exist", "--models-dir"},
		"the same, listed":                    {[]string{"models", "list", "--models-dir", dir + "/nope"}, 2, "nope does not exist", "--models-dir"},
		"the same, used":                      {[]string{"models", "use", "moonshine-tiny-en", "--models-dir", dir + "/nope"}, 2, "nope does not exist", "--models-dir"},
		"the same, removed":                   {[]string{"models", "remove", "moonshine-tiny-en", "--models-dir", dir + "/nope"}, 2, "nope does not exist", "--models-dir"},
		"the same, transcribed":               {[]string{"transcribe", "-q", clip, "--models-dir", dir + "/nope"}, 2, "nope does not exist", "--models-dir"},
		"a data folder that is missing":       {[]string{"recordings", "list", "--data-dir", dir + "/nope"}, 2, "nope does not exist", "--data-dir"},
		"a recordings folder that is missing": {[]string{"recordings", "list", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"the same, verified":                  {[]string{"recordings", "verify", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"the same, shown":                     {[]string{"recordings", "show", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"the same, recovered":                 {[]string{"recordings", "recover", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"the same, attached to":               {[]string{"recordings", "attach", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"the same, deleted from":              {[]string{"recordings", "delete", "x", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"the same, its trash":                 {[]string{"recordings", "trash", "x", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"the same, restored from":             {[]string{"recordings", "restore", "x", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"a stop in a folder that is missing":  {[]string{"record", "stop", "--recordings-dir", dir + "/nope"}, 2, "nope does not exist", "--recordings-dir"},
		"a source of a model that is missing": {[]string{"models", "pull", "moonshine-tiny-en", "--from", dir + "/nope"}, 2, "nope", "--from"},
		"an engine backend that is missing":   {[]string{"transcribe", "-q", clip, "--backend", "nope"}, 2, "nope", ""},
		"no argument":                         {[]string{"transcribe"}, 2, "name a file", "--help"},
		"no model":                            {[]string{"models", "pull"}, 2, "scout models pull MODEL", "for example"},
		"too many arguments":                  {[]string{"models", "path", "a", "b"}, 2, `"b"`, "--help"},
		"an argument that is not wanted":      {[]string{"devices", "x"}, 2, `"x"`, "--help"},
		"an empty name":                       {[]string{"transcribe", ""}, 2, "name of an input is empty", "-"},
		"a file that does not exist":          {[]string{"transcribe", "-q", filepath.Join(dir, "nosuch.wav")}, 1, "nosuch.wav does not exist", "check the path"},
		"a folder":                            {[]string{"transcribe", "-q", dir}, 1, "is a folder", "*.wav"},
		"a file below a file":                 {[]string{"transcribe", "-q", filepath.Join(clip, "x.wav")}, 1, "a part of the path is a file", "check the path"},
		"a name that is too long":             {[]string{"transcribe", "-q", filepath.Join(dir, strings.Repeat("x", 300))}, 1, "name is too long", ""},
		"an unknown profile":                  {[]string{"transcribe", "--profile", "foo", clip}, 2, `"foo"`, "lean, plain"},
		"an unknown backend":                  {[]string{"transcribe", "--backend", "foo", clip}, 2, `"foo"`, "moonshine, whisper, sherpa"},
		"hot words that are missing":          {[]string{"transcribe", "--hot-words", "nosuch.txt", clip}, 2, "no such file", "check the path"},
		"hot words of a missing path":         {[]string{"transcribe", "--hot-words", filepath.Join(dir, "words"), clip}, 2, "no such file", "check the path"},
		"hot words named as a file":           {[]string{"transcribe", "--hot-words", "@nosuch", clip}, 2, "no such file", ""},
		"hot words in a folder":               {[]string{"transcribe", "--hot-words", dir, clip}, 2, "it is a folder", ""},
		"hot words of sound":                  {[]string{"transcribe", "--hot-words", clip, clip}, 2, "not a text file", ""},
		"an unknown language":                 {[]string{"transcribe", "-l", "klingonese", clip}, 2, "klingonese", "en-US"},
		"an unknown format of samples":        {[]string{"transcribe", "--raw-format", "s17:16000", clip}, 2, "s17", "s16le:16000:1"},
		"a folder of recordings in a file":    {[]string{"recordings", "--recordings-dir", clip, "list"}, 1, "jfk.wav", ""},
		"a check of another file":             {[]string{"check", clip}, 1, "jfk.wav: the file is not a database, or its beginning is damaged", "name a database of Scout, or a backup of it"},
		"a check of a folder":                 {[]string{"check", dir}, 1, "it is a folder", "name a database of Scout"},
		"a check of a device":                 {[]string{"check", os.DevNull}, 1, "it is a device", "name a database of Scout"},
		"a check of nothing":                  {[]string{"check", filepath.Join(dir, "nosuch.db")}, 1, "there is no database at", "as soon as"},
		"a rescue of a folder":                {[]string{"check", "--rescue", filepath.Join(dir, "new.db"), dir}, 1, "it is a folder", "name a database of Scout"},
		"a rescue of a device":                {[]string{"check", "--rescue", filepath.Join(dir, "new.db"), "/dev/zero"}, 1, "it is a device", "name a database of Scout"},
		"a restore of another file":           {[]string{"restore", clip}, 1, "jfk.wav: the file is not a database, or its beginning is damaged", "name a database of Scout, or a backup of it"},
		"a restore of a device":               {[]string{"restore", os.DevNull}, 1, "it is a device", "name a database of Scout"},
		"a restore of a folder":               {[]string{"restore", dir}, 1, "it is a folder", "name a database of Scout"},
		"an invalid address":                  {[]string{"--trace-endpoint", ":", "version"}, 2, "--trace-endpoint", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := scoutRun(t, nil, c.args...)
			got.complains(t, c.code, c.says, c.hint)
			if !strings.Contains(got.err, "\n  hint: ") {
				t.Errorf("%q has no hint", got.err)
			}
			if word := goWords.FindString(strings.ReplaceAll(got.err, dir, "")); word != "" || got.out != "" {
				t.Errorf("%q has %q; output %q", got.err, word, got.out)
			}
		})
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	_, number := strconv.Atoi("x1")
	_, missing := os.Stat("/nosuch/file")
	for want, err := range map[string]error{
		"read: /nosuch/file: no such file or folder": fmt.Errorf("read: %w", missing),
		`level: "x1" is not a number`:                fmt.Errorf("level: %w", number),
		"a: permission denied; b: it is a folder": errors.Join(
			&fs.PathError{Op: "open", Path: "a", Err: syscall.EACCES}, &fs.PathError{Op: "read", Path: "b", Err: syscall.EISDIR}),
		"decode x: it is text": fmt.Errorf("decode x: %w", errors.New("decode x: it is text")),
	} {
		if got := cli.OneLine(err); got != want {
			t.Errorf("%q: want %q", got, want)
		}
	}
}

func TestVersionIsNamed(t *testing.T) {
	t.Parallel()
	flag, command := scoutRun(t, nil, "--version"), scoutRun(t, nil, "version")
	if flag.code != 0 || flag.err != "" || flag != command || !strings.HasPrefix(flag.out, "scout ") {
		t.Errorf("%+v, %+v", flag, command)
	}
}

// TestUsualNamesOfLanguages: the usual names of a language are understood, and other languages are refused.
func TestUsualNamesOfLanguages(t *testing.T) {
	t.Parallel()
	needModel(t)
	for _, language := range []string{"en-US", "english", "auto"} {
		if got := scoutRun(t, nil, "transcribe", "-q", "-l", language, clip); got.code != 0 || !said(got.out, 1) {
			t.Errorf("%s: %+v", language, got)
		}
	}
	if got := scoutRun(t, nil, "transcribe", "-q", "-l", "zulu", clip); got.code != 1 || !strings.Contains(got.err, "does not know the language Zulu") {
		t.Errorf("%+v", got)
	}
}

// TestHelpIsForPeople: the help has no flags for developers, and hand-written lines fit into 80 columns.
func TestHelpIsForPeople(t *testing.T) {
	t.Parallel()
	help := scoutRun(t, nil, "transcribe", "--help")
	for _, hidden := range []string{"--backend", "--profile", "--cut "} {
		if strings.Contains(help.out, hidden) {
			t.Errorf("%s is in the help", hidden)
		}
	}
	for _, word := range []string{"--force", "--raw-format", "FILE.partial", "==> talk.wav <==", "130"} {
		if !strings.Contains(help.out, word) {
			t.Errorf("%s is not in the help", word)
		}
	}
	above, _, _ := strings.Cut(help.out, "Flags:")
	for line := range strings.Lines(above) {
		if width := printable.Width(strings.TrimRight(line, "\n")); width > 84 {
			t.Errorf("%d columns: %s", width, line)
		}
	}
}

// TestProgressFitsTheTerminal at any width, for any name.
func TestProgressFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.wav", strings.Repeat("interview-with-a-very-long-name-", 4) + ".flac", "会議の録音ファイル会議の録音.wav", "naïve e\u0301te\u0301 👩\u200d🔬.wav"} {
		for _, files := range []int{1, 5, 12345} {
			for _, length := range []time.Duration{0, time.Minute, 100 * time.Hour} {
				for _, share := range []float64{0, 0.001, 0.5, 1, 1.5} {
					s := progressState{name: name, file: files/2 + 1, files: files, length: length, done: time.Duration(share * float64(length)), elapsed: 83 * time.Second}
					if length == 0 {
						s.done = time.Hour
					}
					for cells := 9; cells < 200; cells++ {
						line := s.line(cells)
						if w := printable.Width(line); w > cells || line == "" || strings.ContainsAny(line, "\n\r\x1b") {
							t.Fatalf("%d cells: %q takes %d", cells, line, w)
						}
					}
				}
			}
		}
	}
	s := progressState{name: "talk.flac", file: 2, files: 5, length: 10 * time.Minute, done: 5 * time.Minute, elapsed: 20 * time.Second}
	if line := s.line(100); line != "talk.flac  [##############..............]  file 2 of 5  50%  0:20 elapsed  about 0:20 left" {
		t.Errorf("%q", line)
	}
}

// TestProgressBehindTheLength: an input that is longer than its header says has no percentage.
func TestProgressBehindTheLength(t *testing.T) {
	t.Parallel()
	s := progressState{name: "joined.ogg", length: 10 * time.Second, done: 25 * time.Second, elapsed: 4 * time.Second}
	if line := s.line(80); strings.Contains(line, "%") || strings.Contains(line, "left") || !strings.Contains(line, "25.0 s done") {
		t.Errorf("%q", line)
	}
}
