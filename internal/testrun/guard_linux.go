package testrun

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// guardVariable tells the test binary that it is a guard, and of which suite and folder.
const guardVariable = "SCOUT_TEST_GUARD"

// groupsFile in the folder of a suite lists the control groups that its tests made, one a line.
const groupsFile = "control-groups"

// guard is the process that outlives the test binary.
type guard struct {
	suite   string
	process *os.Process
	pipe    *os.File // its end tells the guard that the test binary has ended
}

// startGuard starts the guard of a suite. It is in a session of its own, so that no signal to a process group reaches it, and has none
// of the files of this process, so that go test does not wait for it.
func startGuard(suite, folder string) (*guard, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }() // the guard has its own
	none, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	defer func() { _ = none.Close() }() // as above
	process, err := os.StartProcess("/proc/self/exe", os.Args[:1], &os.ProcAttr{
		Dir: "/", Env: append(os.Environ(), guardVariable+"="+suite+" "+folder), Files: []*os.File{none, none, none, read},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the guard of the tests: %w", err), write.Close())
	}
	return &guard{suite: suite, process: process, pipe: write}, nil
}

// becomeGuard does not return if this process is a guard.
func becomeGuard() {
	suite, folder, is := strings.Cut(os.Getenv(guardVariable), " ")
	if !is {
		return
	}
	const pipe = 3
	_, _ = io.Copy(io.Discard, os.NewFile(pipe, "suite"))        // nothing is written: it returns when the test binary has ended
	for none := 0; none < 2; time.Sleep(10 * time.Millisecond) { // twice, for what was started meanwhile
		none++
		for _, p := range members(suite) {
			none = 0
			_ = syscall.Kill(p.PID, syscall.SIGKILL) // it may have ended
		}
	}
	groups, err := os.ReadFile(filepath.Join(folder, groupsFile))
	if err == nil {
		for _, group := range slices.Backward(strings.Fields(string(groups))) {
			_ = os.Remove(group) // the test may have done it
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// left returns the processes of the suite that are still there after a time.
func (g *guard) left(within time.Duration) []Process {
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) { // nothing announces the end of a process that is no child
		found := slices.DeleteFunc(members(g.suite), func(p Process) bool { return p.PID == g.process.Pid })
		if len(found) == 0 || time.Now().After(deadline) {
			return found
		}
	}
}

// dismiss lets the guard end what is left and remove the files, and waits for it.
func (g *guard) dismiss() error {
	if err := g.pipe.Close(); err != nil {
		return err
	}
	state, err := g.process.Wait()
	if err == nil && !state.Success() {
		err = errors.New("the temporary files of the tests could not be removed")
	}
	return err
}

// members returns the processes of a suite and of those within it, without this one and without their guards.
func members(suite string) (found []Process) {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		panic(err) // the pattern is constant
	}
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil || pid == os.Getpid() {
			continue
		}
		environment, err := os.ReadFile(filepath.Join(folder, "environ"))
		if err != nil || !marked(environment, suite) {
			continue // it has ended, or belongs to somebody else
		}
		command, _ := os.ReadFile(filepath.Join(folder, "cmdline")) // empty is as good
		found = append(found, Process{PID: pid, Command: string(bytes.ReplaceAll(bytes.TrimRight(command, "\x00"), []byte{0}, []byte{' '}))})
	}
	slices.SortFunc(found, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	return found
}

// marked reports whether an environment is one of the suite's.
func marked(environment []byte, suite string) bool {
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if name, ok := bytes.CutPrefix(entry, []byte(suiteVariable+"=")); ok {
			return string(name) == suite || strings.HasPrefix(string(name), suite+"/")
		}
	}
	return false
}
