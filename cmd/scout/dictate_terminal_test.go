//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/recording"
)

// What ends a dictation at a terminal, with sound from a microphone: the text, where it stands, the exit code, what is kept. The
// cases share a daemon, one after the other.
func TestWhatEndsADictationAtATerminal(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(newBooth(t))
	h.must("status") // the daemon runs
	for _, c := range []struct {
		situation string
		args      []string
		begin     string // a key that begins it
		act       func(r *terminal)
		elsewhere bool // standard output is no terminal
		code      int  // of the exit; negative: died of that signal
		says      string
		text      int // 1: it is shown or printed; 2: it is there later; 0: there is none
	}{
		{"Ctrl-C, with the output elsewhere", nil, "", strikes("\x03"), true, 0, "", 1},
		{"Enter", nil, "", strikes("\r"), false, 0, "", 1},
		{"Ctrl-D", nil, "", strikes("\x04"), false, 0, "", 1},
		{"SIGINT from elsewhere", nil, "", signalling(syscall.SIGINT), true, 0, "", 1},
		{"Esc", nil, "", strikes("\x1b"), true, 1, "the audio is kept", 0},
		{"Ctrl-C twice", nil, "", strikes("\x03\x03"), true, -int(syscall.SIGINT), "scout dictate --last", 2},
		{"terminated", nil, "", signalling(syscall.SIGTERM), true, -int(syscall.SIGTERM), "scout stop", 2},
		{"the terminal was closed", nil, "", signalling(syscall.SIGHUP), true, -int(syscall.SIGHUP), "scout stop", 2},
		{"two taps of the space bar", []string{"--hold"}, "\x1b[32;1:1u\x1b[32;1:3u", strikes("\x1b[32;1:1u"), true, 0, "the space bar ends", 1},
		{"the space bar, let go", []string{"--hold"}, "\x1b[32;1:1u", strikes("\x1b[32;1:3u"), true, 0, "letting go", 1},
		{"the space bar, repeated and let go", []string{"--hold"}, " ", func(r *terminal) {
			for range 10 { // as a keyboard does
				r.press(" ")
				time.Sleep(20 * time.Millisecond)
			}
		}, true, 0, "letting go", 1},
	} {
		t.Run(c.situation, func(t *testing.T) {
			h.t = t
			cmd := h.command(append([]string{"dictate", "--device", h.mic.ID}, c.args...)...)
			var out bytes.Buffer
			if c.elsewhere {
				cmd.Stdout = &out
			}
			r := h.inTerminal(cmd, 80, 24)
			if c.begin != "" {
				r.await("hold the space bar")
				if strings.HasPrefix(c.begin, "\x1b") {
					r.press("\x1b[?0u") // this terminal can tell when a key is let go
				}
				r.press(c.begin)
			}
			r.await("listening")
			speech := h.mic.PlayFile(clip)
			defer speech.Close()
			r.await("fellow")  // partial or committed
			r.await("merican") // a partial word may be cut in two by the end, the one before it may not
			c.act(r)
			shown, state := r.end()
			id := h.latest().ID
			if status, ok := state.Sys().(syscall.WaitStatus); !ok || c.code >= 0 && status.ExitStatus() != c.code || c.code < 0 && status.Signal() != syscall.Signal(-c.code) {
				t.Errorf("ended with %v, want %d", state, c.code)
			}
			if !strings.Contains(bare(shown), c.says) || strings.Contains(shown, "defect") {
				t.Errorf("shown: %q, want %q", shown, c.says)
			}
			if strings.Contains(shown, "\x1b[>11u") != strings.Contains(shown, "\x1b[<u") {
				t.Errorf("the terminal is left in another mode: %q", shown)
			}
			if c.text == 2 {
				h.must("stop")
			}
			text := strings.TrimSpace(h.run("transcripts", "show", string(id)).out)
			switch {
			case c.text == 0 && text != "":
				t.Errorf("there is a text: %q", text)
			case c.text > 0 && !strings.Contains(strings.ToLower(text), "fellow"):
				t.Errorf("the text is %q", text)
			case c.text == 1 && c.elsewhere && out.String() != text+"\n":
				t.Errorf("printed %q, want %q", out.String(), text)
			case c.text == 1 && !c.elsewhere && !endsWithWords(shown, text):
				t.Errorf("shown %q, want %q at its end", shown, text)
			case c.text != 1 && out.Len() > 0:
				t.Errorf("printed %q", out.String())
			}
			h.run("stop") // returns when the file is final
			if m, err := h.folder().Manifest(id); err != nil || m.State != recording.StateFinished || m.Frames == 0 {
				t.Errorf("recording: %+v, %v", m, err)
			}
		})
	}
	h.t = t
}

func strikes(keys string) func(*terminal) { return func(r *terminal) { r.press(keys) } }

func signalling(s syscall.Signal) func(*terminal) {
	return func(r *terminal) {
		if err := r.cmd.Process.Signal(s); err != nil {
			r.t.Fatal(err)
		}
	}
}

// endsWithWords reports whether what a terminal shows in the end has a text as its last words, however it was broken into lines.
func endsWithWords(raw, text string) bool {
	s := &screen{width: 80, height: 24}
	s.show(raw)
	shown, words := bench.Words(s.text()), bench.Words(text)
	return len(words) > 0 && len(shown) >= len(words) && slices.Equal(shown[len(shown)-len(words):], words)
}

// Ctrl-Z gives the terminal back to the shell, and fg comes back to the dictation, which went on.
func TestADictationIsSuspendedAndResumed(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(newBooth(t))
	h.must("status")
	inner := h.command("dictate", "--device", h.mic.ID)
	cmd := exec.CommandContext(t.Context(), "bash", "-mc", strings.Join(inner.Args, " ")+"; stty -a; fg >/dev/null; echo code $?")
	cmd.Env = inner.Env
	r := h.inTerminal(cmd, 80, 24)
	r.await("listening")
	h.mic.PlayFile(clip)
	r.await("fellow")
	r.press("\x1a")
	r.await("icanon")
	shell, _, _ := strings.Cut(r.shown(), "icanon")
	before, _, _ := strings.Cut(shell, "\x1b[2mthe dictation goes on")
	r.await("ask")
	r.press("\r")
	shown, _ := r.end()
	if !strings.Contains(bare(shown), "fg comes back to it") || strings.HasSuffix(shell, "-") {
		t.Errorf("the terminal is not the shell's: %q", shown)
	}
	_, after, _ := strings.Cut(shown, "-extproc") // what the dictation showed before it was suspended is above
	text, _, ended := strings.Cut(after, "code 0")
	if final := h.must("dictate", "--last").out; !ended || !endsWithWords(before+text, final) || !strings.Contains(final, "fellow") {
		t.Errorf("shown %q, the text is %q", shown, final)
	}
	if m := h.only(); len(m.Gaps) > 0 {
		t.Errorf("gaps %+v", m.Gaps)
	}
}

// latest is the manifest of the recording that began last.
func (b *booth) latest() recording.Manifest {
	b.t.Helper()
	all := b.list()
	latest := all[0]
	for _, m := range all {
		if m.StartedAt.After(latest.StartedAt) {
			latest = m
		}
	}
	return latest
}

// What takes sound away in mid-sentence: the text up to there comes, the reason is said, the exit code tells, and the audio is whole.
func TestSoundThatIsLostInADictation(t *testing.T) {
	t.Parallel()
	needModel(t)
	for situation, c := range map[string]struct {
		lose    func(t *testing.T, h *house)
		waits   string // shown when it is lost
		regains func(t *testing.T, h *house)
		says    []string
		gap     bool
		full    bool
		code    int
	}{
		"the microphone": {
			func(_ *testing.T, h *house) { h.mic.Remove() }, "no sound arrives from the microphone: device lost", nil,
			[]string{"of sound are missing"},
			true, false, 1,
		},
		"the sound server": {
			func(_ *testing.T, h *house) { h.server.Kill() }, "no sound arrives from the microphone: server lost", nil,
			[]string{"of sound are missing"},
			true, false, 1,
		},
		"the microphone, which comes back": {
			func(_ *testing.T, h *house) { h.mic.Remove() }, "no sound arrives", func(_ *testing.T, h *house) { h.mic = h.server.AddMicrophone("mic", 48_000, 1) },
			[]string{"listening again", "of sound are missing"},
			true, false, 1,
		},
		"room on the disk": {
			func(t *testing.T, h *house) {
				t.Helper()
				fill(t, h.dir)
			}, "the disk is full", nil, []string{"the text is complete, but not the recording"}, false, true, 1,
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(newBooth(t))
			if c.full {
				smallDisk(t, h)
			}
			h.must("status")
			cmd := h.command("dictate", "--device", h.mic.ID, "--on-loss", "follow")
			var out bytes.Buffer
			cmd.Stdout = &out
			r := h.inTerminal(cmd, 80, 24)
			r.await("listening")
			speech := h.mic.PlayFile(clip)
			r.await("fellow")
			r.await("sk")
			c.lose(t, h)
			r.await(c.waits)
			time.Sleep(2 * speakable) // so much is missing at least
			if c.regains != nil {
				c.regains(t, h)
				r.await("listening again")
			}
			r.press("\r")
			shown, state := r.end()
			speech.Close()
			if m, err := h.folder().Manifest(h.latest().ID); c.full && err == nil && m.State == recording.StateFinished && m.LostFrames() == 0 {
				c.code, c.says = 0, nil // the recorder found room for it
			}
			if state.ExitCode() != c.code || strings.Contains(shown, "defect") {
				t.Errorf("ended with %v, want %d", state, c.code)
			}
			for _, text := range c.says {
				if !strings.Contains(strings.ReplaceAll(bare(shown), "\r\n", ""), text) {
					t.Errorf("it does not say %q: %q", text, shown)
				}
			}
			if words := wordsOf(out.String()); len(words) < 4 || !slices.Contains(words, "fellow") || words[0] != "and" {
				t.Errorf("the text is %q", out.String())
			}
			if c.full {
				if err := os.Remove(filepath.Join(h.dir, "fill")); err != nil {
					t.Fatal(err)
				}
				h.must("stop") // the recorder has tried again
			}
			if m := h.only(); m.State != recording.StateFinished || (len(m.Gaps) > 0) != c.gap || m.Frames-m.LostFrames() < 16_000 {
				t.Errorf("recording: %s, %d frames, gaps %+v", m.State, m.Frames, m.Gaps)
			}
		})
	}
}

// A microphone that was kept open has the word that was spoken before the key, and it is said that it is open. Without that, it is not
// opened before. The word is in the text also on a slow machine, where the program begins late.
func TestTheWordBeforeTheKeyIsInTheText(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(newBooth(t))
	device := []string{"--device", h.mic.ID}
	if got := h.must(append([]string{"toggle", "--print", "--warm"}, device...)...); !strings.HasPrefix(got.err, "the microphone stays open for 10 minutes") || !strings.Contains(got.err, "in memory") {
		t.Errorf("it says %q", got.err)
	}
	h.run("toggle", "--print") // nothing was said
	ear := h.mic.Listen(48_000, 1)
	h.mic.PlayFile(clip)
	for until := time.Now().Add(patience); ear.Peak() < 1000; time.Sleep(5 * time.Millisecond) { // nothing announces speech
		if time.Now().After(until) {
			t.Fatal("nobody speaks")
		}
	}
	time.Sleep(200 * time.Millisecond) // so much was spoken before the key, at least
	slow := h.command(append([]string{"toggle", "--print", "--warm"}, device...)...)
	slow.Args = append([]string{"sh", "-c", `sleep 1; exec "$0" "$@"`, slow.Path}, slow.Args[1:]...)
	slow.Path = "/bin/sh"
	if got := outcomeOf(t, slow); got.code != 0 {
		t.Fatalf("toggle: exit %d: %s", got.code, got.err)
	}
	m := h.latest()
	h.untilFrames(3 * 16_000)
	got := h.must("toggle", "--print")
	ear.Stop()
	if words := wordsOf(got.out); len(words) < 3 || words[0] != "and" || words[1] != "so" {
		t.Errorf("the text is %q", got.out)
	}
	if m.PrerollFrames == 0 {
		t.Error("the recording has nothing from before the key")
	}
}

// smallDisk makes the folder of recordings a file system that has room for a few minutes, until the test ends.
func smallDisk(t *testing.T, h *house) {
	t.Helper()
	dir := h.dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		h.close() // nobody uses it any more
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill leaves no room on the disk of a folder until the test ends.
func fill(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	if err := file.Close(); err != nil {
		t.Log(err)
	}
}
