// Package inserttest starts X servers and programs with windows for tests. Each test has a server of its own, so that tests run in
// parallel and see nothing of the user's. It needs the Debian packages xvfb, x11-xkb-utils and xdotool; without them tests are skipped.
package inserttest

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Need skips a test where one of the programs is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run make setup as root", p)
		}
	}
}

// Server starts an X server of its own, with a layout of the keyboard, and returns its name.
func Server(t *testing.T, layout string) string {
	t.Helper()
	Need(t, "Xvfb")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{write}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close() // it is the server's
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended in the test
		_ = cmd.Wait()
	})
	number, err := bufio.NewReader(read).ReadString('\n')
	_ = read.Close() // it was read
	if err != nil {
		t.Fatalf("Xvfb did not start: %v", err)
	}
	name := ":" + strings.TrimSpace(number)
	if layout != "" {
		Need(t, "setxkbmap")
		set := exec.Command("setxkbmap", "-display", name, "-layout", layout)
		if out, err := set.CombinedOutput(); err != nil {
			t.Fatalf("setxkbmap: %v: %s", err, out)
		}
	}
	return name
}

// Start starts a program on the display, ended with the test.
func Start(t *testing.T, name string, out *bytes.Buffer, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+name, "LC_ALL=C.UTF-8", "NO_AT_BRIDGE=1", "GTK_A11Y=none")
	if out != nil {
		cmd.Stdout = out
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

// Focus waits for a window with that title and gives it the focus.
func Focus(t *testing.T, name, title string) {
	t.Helper()
	Need(t, "xdotool")
	cmd := exec.CommandContext(t.Context(), "xdotool", "search", "--sync", "--onlyvisible", "--name", title, "windowfocus", "--sync")
	cmd.Env = append(os.Environ(), "DISPLAY="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("focus: %v: %s", err, out)
	}
}

// Press runs xdotool on the display.
func Press(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "xdotool", args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("xdotool: %v: %s", err, out)
	}
}
