//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a program in a terminal of its own: a person in front of it sees what it writes and presses keys.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys *os.File // the person's side

	mu      sync.Mutex
	changed *sync.Cond
	raw     strings.Builder
	ended   bool
	late    bool
}

// inTerminal starts the program in a terminal of that size. Its standard output is the terminal too, unless cmd has another one.
func (b *booth) inTerminal(cmd *exec.Cmd, columns, rows uint16) *terminal {
	t := b.t
	t.Helper()
	person, program := openTerminal(t)
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	r := &terminal{t: t, cmd: cmd, keys: person}
	r.changed = sync.NewCond(&r.mu)
	cmd.Stdin, cmd.Stderr = program, program
	if cmd.Stdout == nil {
		cmd.Stdout = program
	}
	cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = program.Close() // it is the program's
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // where the test broke off
		_ = person.Close()
	})
	go r.read() // ends with the terminal
	return r
}

// openTerminal returns both sides of a pseudo-terminal.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	fd := int(person.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

func (r *terminal) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := r.keys.Read(buffer)
		r.mu.Lock()
		r.raw.Write(buffer[:n])
		r.ended = err != nil // the program has closed its side
		r.changed.Broadcast()
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// await waits until the program has shown text, after any escape sequences are removed.
func (r *terminal) await(text string) {
	r.t.Helper()
	late := time.AfterFunc(patience, func() { // whoever hangs fails, and says where
		r.mu.Lock()
		defer r.mu.Unlock()
		r.late = true
		r.changed.Broadcast()
	})
	defer late.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !strings.Contains(bare(r.raw.String()), text) {
		if r.ended || r.late {
			r.t.Fatalf("it did not show %q: %q", text, r.raw.String())
		}
		r.changed.Wait()
	}
}

var sequences = regexp.MustCompile(`\x1b\[[0-9;:<=>?]*[A-Za-z~]`)

// bare is what a terminal gets, without the sequences that move the cursor and change colours.
func bare(raw string) string { return sequences.ReplaceAllString(raw, "") }

// shown is what it has shown so far.
func (r *terminal) shown() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.raw.String()
}

func (r *terminal) press(keys string) {
	r.t.Helper()
	if _, err := r.keys.WriteString(keys); err != nil {
		r.t.Fatal(err)
	}
}

// end waits until the program has ended, and returns what it showed and how it ended.
func (r *terminal) end() (shown string, state *os.ProcessState) {
	r.t.Helper()
	late := time.AfterFunc(patience, func() { _ = r.cmd.Process.Signal(syscall.SIGABRT) }) // it tells where it hangs
	defer late.Stop()
	_ = r.cmd.Wait() // the state says it
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.ended {
		r.changed.Wait()
	}
	return r.raw.String(), r.cmd.ProcessState
}
