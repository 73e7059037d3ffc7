//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/testrun"
	"github.com/scout-speech/scout/internal/text"
)

// TestClosedStandardStreams: text that cannot be written is a failure with a message, even if the shell has closed the
// stream. A closed stream that is not used does no harm.
func TestClosedStandardStreams(t *testing.T) {
	t.Parallel()
	const noOutput = "cannot write to standard output: it is closed"
	for name, c := range map[string]struct {
		line string
		code int
		out  string // is in standard output
		says string // is in standard error
	}{
		"text":                    {"scout transcribe -q speech.wav >&-", 1, "", noOutput},
		"text as JSON":            {"scout transcribe -q -f json speech.wav >&-", 1, "", noOutput},
		"text to the descriptor":  {"scout transcribe -q -o /dev/stdout speech.wav >&-", 1, "", noOutput},
		"text to a file":          {"scout transcribe -q -o x.txt speech.wav >&- && cat x.txt", 0, "e", ""},
		"a list":                  {"scout models list >&-", 1, "", noOutput},
		"JSON":                    {"scout recordings list --json >&-", 1, "", noOutput},
		"help":                    {"scout help record >&-", 1, "", noOutput},
		"help by a flag":          {"scout --help >&-", 1, "", noOutput},
		"the version":             {"scout version >&-", 1, "", noOutput},
		"the version by a flag":   {"scout --version >&-", 1, "", noOutput},
		"completion":              {"scout completion bash >&-", 1, "", noOutput},
		"a full disk":             {"scout --version >/dev/full", 1, "", "cannot write to standard output: the disk is full"},
		"no standard error":       {"scout transcribe speech.wav 2>&-", 0, "e", ""},
		"no standard error, fail": {"scout transcribe missing.wav 2>&-", 1, "", ""},
		"no input":                {"scout transcribe -q - <&-", 1, "", "cannot read standard input: it is closed"},
		"no input is needed":      {"scout transcribe -q speech.wav <&-", 0, "e", ""},
		"all of them":             {"scout transcribe -q speech.wav <&- >&- 2>&-", 1, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.clip("speech.wav")
			got := p.sh(c.line)
			if got.code != c.code || !strings.Contains(got.out, c.out) || c.out == "" && got.out != "" || !strings.Contains(got.err, c.says) {
				t.Errorf("code %d, out %q, err %s", got.code, got.out, got.err)
			}
			if c.says != "" && strings.Count(got.err, "hint:") != 1 {
				t.Errorf("hints: %s", got.err)
			}
		})
	}
}

// TestWhatIsAskedForIsDoneWhereNobodyReads: a closed pipe ends a command that only prints. One that was asked for more does that first.
func TestWhatIsAskedForIsDoneWhereNobodyReads(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	unread := func(args ...string) outcome {
		t.Helper()
		var w *os.File
		err := testrun.Unforked(func() error { // else another process that is being started has the other end
			r, write, err := os.Pipe()
			w = write
			return errors.Join(err, r.Close())
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close() }() // the command has its own
		var said bytes.Buffer
		cmd := h.command(args...)
		cmd.Stdout, cmd.Stderr = w, &said
		err = cmd.Run()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code := cmd.ProcessState.ExitCode()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal()) // as a shell says it
		}
		return outcome{err: said.String(), code: code}
	}
	const broken = 128 + int(syscall.SIGPIPE)
	titles := func() (all []string) {
		t.Helper()
		for _, text := range h.texts("list") {
			all = append(all, text.Title)
		}
		slices.Sort(all)
		return all
	}
	h.must("status")
	t.Run("texts that are kept", func(t *testing.T) { // not parallel, as what follows: they share the house
		needModel(t)
		dir := t.TempDir()
		var args []string
		for _, name := range []string{"a.wav", "b.wav"} {
			data, err := os.ReadFile(clip)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			args = append(args, filepath.Join(dir, name))
		}
		missing := filepath.Join(dir, "missing.wav")
		if got := unread("transcribe", "--quiet", "--keep", "--effort", "quick", args[0], missing, args[1]); got.code != broken || !strings.Contains(got.err, "missing.wav") {
			t.Errorf("exit %d: %s", got.code, got.err)
		}
		if got, want := titles(), []string{"a.wav", "b.wav"}; !slices.Equal(got, want) {
			t.Errorf("kept %q, want %q", got, want)
		}
	})
	c := h.client()
	defer c.Close()
	var ids []string
	for _, title := range []string{"one", "two", "three"} {
		var kept v1.TranscriptSummary
		keep := v1.Keep{Title: title, Transcript: v1.Transcript{Object: text.Object{Text: title, Segments: []text.Segment{{End: 1, Text: title}}}}}
		if err := c.Post(t.Context(), "/transcripts", keep, &kept); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, kept.ID)
	}
	t.Run("texts that are deleted", func(t *testing.T) {
		if got := unread("transcripts", "delete", ids[0], ids[1]); got.code != broken || got.err != "" {
			t.Errorf("exit %d: %s", got.code, got.err)
		}
		if got := unread("transcripts", "delete", "none", ids[2]); got.code != 1 || !strings.Contains(got.err, "no text has the id") {
			t.Errorf("one of them is none: exit %d: %s", got.code, got.err)
		}
		for _, title := range titles() {
			if slices.Contains([]string{"one", "two", "three"}, title) {
				t.Errorf("%s is there still", title)
			}
		}
	})
}

// An error of an output that several inputs share is told: no input has it.
func TestAnOutputThatInputsShareCannotBeWritten(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.clip("speech.wav")
	got := p.sh("mkdir d; (cat speech.wav; rm -r d) | scout transcribe -q --effort quick -o d/x.txt - speech.wav")
	if got.code != 1 || !strings.Contains(got.err, "d/x.txt") {
		t.Errorf("exit %d: %q", got.code, got.err)
	}
}
