package testrun

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// suiteVariable is in the environment of every process that a suite starts, directly or through another one. Its value names the
// suite; that of a suite within another one begins with the name of the outer one and a slash.
const suiteVariable = "SCOUT_TEST_SUITE"

// endWithin is how long a process may live on after the last test, because it is just ending.
const endWithin = 3 * time.Second

// Suite is the tests of one package, with everything that they start and every temporary file. Its guard, a process of its own, ends
// and removes all that when the test binary ends, in whatever way: by itself, by a panic, by a deadline, by kill -9.
type Suite struct {
	m     *testing.M
	name  string
	guard *guard // nil on systems without /proc
}

// Contain begins a suite. TestMain calls it before it creates files or starts processes, and then Run:
//
//	os.Exit(testrun.Contain(m).Run())
//	goleak.VerifyTestMain(testrun.Contain(m))
//
// From then on the temporary folder is one of the suite's own, and garbage lies longer. In the guard, which is this same program, it does not
// return.
func Contain(m *testing.M) *Suite {
	becomeGuard()
	Roomy()
	s, err := contain(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		os.Exit(2)
	}
	return s
}

func contain(m *testing.M) (*Suite, error) {
	folder, err := os.MkdirTemp("", "scout-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(folder, 0o711); err != nil { //nolint:gosec // some tests run programs as another user
		return nil, err
	}
	s := &Suite{m: m, name: folder[strings.LastIndexByte(folder, '-')+1:]}
	if outer := os.Getenv(suiteVariable); outer != "" {
		s.name = outer + "/" + s.name
	}
	for name, value := range map[string]string{suiteVariable: s.name, "TMPDIR": folder} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	s.guard, err = startGuard(s.name, folder)
	return s, err
}

// Run runs the tests. It fails if a process of the suite is still there after the last one.
func (s *Suite) Run() int {
	code := s.m.Run()
	left := s.guard.left(endWithin)
	for _, p := range left {
		fmt.Fprintf(os.Stderr, "testrun: a test left process %d: %s\n", p.PID, p.Command)
	}
	if len(left) > 0 && code == 0 {
		code = 1
	}
	if err := s.guard.dismiss(); err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		code = max(code, 1)
	}
	return code
}

// Marked is what the environment of a process needs so that it belongs to the suite. Tests that do not pass their own environment on
// add it.
func Marked() string { return suiteVariable + "=" + os.Getenv(suiteVariable) }

// Process is one that belongs to a suite.
type Process struct {
	PID     int
	Command string // the program and its arguments
}
