//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/insert/inserttest"
)

// typedText is a text with letters of other layouts and scripts, and outside the first plane.
const typedText = "Grüße aus Köln, déjà vu: 5 €, Привет, 你好 👍🏽 z/y-_@"

// dictated is a house whose last dictation has that text.
func dictated(t *testing.T) *house {
	t.Helper()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.must("dictate", "--device", "file:"+clip, "--duration", "2s")
	h.must("transcripts", "edit", string(h.only().ID), "0", typedText)
	if got := h.must("dictate", "--last"); got.out != typedText+"\n" {
		t.Fatalf("the text is %q: %s", got.out, got.err)
	}
	return h
}

// lastOn delivers the last text on a display.
func (h *house) lastOn(display string, args ...string) outcome {
	h.t.Helper()
	cmd := h.command(append([]string{"dictate", "--last"}, args...)...)
	cmd.Env = append(slices.Clone(h.env), "DISPLAY="+display, "WAYLAND_DISPLAY=")
	return outcomeOf(h.t, cmd)
}

// fillClipboard puts a content onto the clipboard, in a form that args give. What xclip leaves behind takes the clipboard when it has its turn: it has
// it when the content is there.
func fillClipboard(t *testing.T, display string, content []byte, args ...string) {
	t.Helper()
	xclip(t, display, content, append(args, "-i")...)
	for deadline := time.Now().Add(time.Minute); xclip(t, display, nil, append(args, "-o")...) != string(content); {
		if time.Now().After(deadline) {
			t.Fatal("xclip does not take the clipboard")
		}
	}
}

// xclip reads the clipboard of a display in a form, or gives it input.
func xclip(t *testing.T, display string, input []byte, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "xclip", append([]string{"-selection", "clipboard"}, args...)...)
	cmd.Env = append(os.Environ(), "DISPLAY="+display)
	if input != nil {
		cmd.Stdin = bytes.NewReader(input)
		if err := cmd.Run(); err != nil { // its output stays open in the process that it leaves
			t.Fatal(err)
		}
		return ""
	}
	out, err := cmd.Output()
	if err != nil {
		t.Logf("xclip %v: %v", args, err)
	}
	return string(out)
}

// A field is a program with a text field, which writes what is in it into a file when Return is pressed.
func field(t *testing.T, display, kind, file string) *exec.Cmd {
	t.Helper()
	switch kind {
	case "GTK":
		inserttest.Need(t, "zenity")
		return inserttest.Start(t, display, nil, "sh", "-c", "exec zenity --entry --title field --text say >'"+file+"'")
	case "Tk":
		inserttest.Need(t, "wish")
		script := filepath.Join(t.TempDir(), "field.tcl")
		if err := os.WriteFile(script, []byte(`wm title . field
entry .e -width 60
pack .e
focus -force .e
bind .e <Return> {
	set f [open [lindex $argv 0] w]
	fconfigure $f -encoding utf-8
	puts $f [.e get]
	close $f
	exit
}
`), 0o600); err != nil {
			t.Fatal(err)
		}
		return inserttest.Start(t, display, nil, "wish", script, file)
	}
	inserttest.Need(t, "xterm")
	return inserttest.Start(t, display, nil, "xterm", "-u8", "-T", "field", "-e", "sh", "-c", "head -n 1 >'"+file+"'")
}

// The last text arrives whole in real fields, whatever the layout of the keyboard, and the picture on the clipboard comes back in
// every form. Where it cannot be put into a window, it is on the clipboard, and the command says so.
func TestATextIsDelivered(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"Xvfb", "xclip", "xdotool", "setxkbmap"} {
		inserttest.Need(t, program)
	}
	h := dictated(t)
	picture := bytes.Repeat([]byte("\x89PNG\r\n\x1a\n scout"), 50_000)
	for _, kind := range []string{"GTK", "Tk", "xterm"} {
		t.Run("into "+kind, func(t *testing.T) {
			display := inserttest.Server(t, "de")
			fillClipboard(t, display, picture, "-t", "image/png")
			file := filepath.Join(t.TempDir(), "typed")
			program := field(t, display, kind, file)
			inserttest.Focus(t, display, "^field$")
			got := h.lastOn(display, "--type")
			if got.code != 0 || got.err != "" || got.out != typedText+"\n" {
				t.Errorf("exit %d: %q %s", got.code, got.out, got.err)
			}
			inserttest.Press(t, display, "key", "Return")
			_ = program.Wait() // what it wrote tells
			wrote, err := os.ReadFile(file)
			if err != nil || string(wrote) != typedText+"\n" {
				t.Errorf("the field has %q, %v", wrote, err)
			}
			if forms := xclip(t, display, nil, "-o", "-t", "TARGETS"); !strings.Contains(forms, "image/png") || strings.Contains(forms, "UTF8_STRING") {
				t.Errorf("on the clipboard is %q", forms)
			}
			if back := xclip(t, display, nil, "-o", "-t", "image/png"); back != string(picture) {
				t.Errorf("the picture has %d bytes, had %d", len(back), len(picture))
			}
		})
	}
	for situation, c := range map[string]struct {
		args    []string
		prepare func(t *testing.T, display string)
		code    int
		says    string
	}{
		"to the clipboard":   {[]string{"--copy"}, func(*testing.T, string) {}, 0, ""},
		"into no window":     {[]string{"--type"}, func(*testing.T, string) {}, 1, "no window has the keyboard focus"},
		"into a deaf window": {[]string{"--type"}, deaf, 0, "whether it arrived is not known, so the text is also on the clipboard"},
		"into a window that closes": {[]string{"--type"}, func(t *testing.T, display string) {
			t.Helper()
			inserttest.Need(t, "wish")
			script := filepath.Join(t.TempDir(), "closes.tcl")
			if err := os.WriteFile(script, []byte("wm title . field\nbind . <Control-KeyPress> exit\nbind . <Control-v> exit\nbind . <Key> exit\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			inserttest.Start(t, display, nil, "wish", script)
			inserttest.Focus(t, display, "^field$")
		}, 1, "the window was closed"},
	} {
		t.Run(situation, func(t *testing.T) {
			display := inserttest.Server(t, "de")
			fillClipboard(t, display, []byte("before"))
			c.prepare(t, display)
			got := h.lastOn(display, c.args...)
			if got.code != c.code || !strings.Contains(got.err, c.says) || c.says == "" && got.err != "" || got.out != typedText+"\n" {
				t.Errorf("exit %d: %q %s", got.code, got.out, got.err)
			}
			if c.code != 0 && !strings.Contains(got.err, "the text is on the clipboard") {
				t.Errorf("it does not say where the text is: %s", got.err)
			}
			if has := xclip(t, display, nil, "-o"); has != typedText {
				t.Errorf("on the clipboard is %q", has)
			}
		})
	}
	t.Run("without a display", func(t *testing.T) {
		if got := h.lastOn("", "--type"); got.code != 1 || !strings.Contains(got.err, "DISPLAY") || got.out != typedText+"\n" {
			t.Errorf("exit %d: %q %s", got.code, got.out, got.err)
		}
		if got := h.lastOn("", "--copy"); got.code != 1 || !strings.Contains(got.err, "clipboard") || got.out != typedText+"\n" {
			t.Errorf("exit %d: %q %s", got.code, got.out, got.err)
		}
	})
}

// deaf opens a window that takes no text.
func deaf(t *testing.T, display string) {
	t.Helper()
	inserttest.Need(t, "wish")
	script := filepath.Join(t.TempDir(), "deaf.tcl")
	if err := os.WriteFile(script, []byte("wm title . field\npack [label .l -text deaf]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inserttest.Start(t, display, nil, "wish", script)
	inserttest.Focus(t, display, "^field$")
}
