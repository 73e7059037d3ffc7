// Package testrun sets how the tests of a package run.
package testrun

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
)

// Beside lets n parallel tests of the package run beside each other, unless the caller of go test has given another number.
// It is for packages whose tests wait for time to pass: go test would run one for each processor, and the processors would
// idle. Call it first in TestMain.
func Beside(n int) { preset("test.parallel", n) }

// Rounds sets how often each property of a package is tried on random cases, where the hundred times that rapid takes by itself take long. make
// fuzz tries them more often. Call it in TestMain, before the tests run.
func Rounds(n int) { preset("rapid.checks", n) }

// preset sets a flag that the caller of go test has not given.
func preset(name string, n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	if err := flag.Set(name, strconv.Itoa(n)); err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		os.Exit(2)
	}
}

// Roomy lets the program of tests hold four times as much garbage as what it uses, unless GOGC is set: under the race detector, its collection
// takes a twentieth of the processor time of tests that compute. Programs that it starts collect theirs as always.
func Roomy() {
	const percent = 400
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// programsEnv names a folder with built programs, which make test hands over.
const programsEnv = "SCOUT_TEST_PROGRAMS"

// Programs puts the programs of cmd that are named into the folder dir: copies of what make has built, so that one build serves
// all packages, or else a build of its own. root is the folder of the module.
func Programs(root, dir string, names ...string) error {
	built := os.Getenv(programsEnv)
	if built == "" {
		args := []string{"build", "-o", dir + string(filepath.Separator)}
		for _, name := range names {
			args = append(args, "./cmd/"+name)
		}
		build := exec.Command("go", args...)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
		return nil
	}
	for _, name := range names {
		program, err := os.ReadFile(filepath.Join(built, name))
		if err != nil {
			return fmt.Errorf("%s names no folder with the programs: %w", programsEnv, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), program, 0o755); err != nil {
			return fmt.Errorf("copy program: %w", err)
		}
	}
	// The engine finds its libraries beside itself.
	if err := os.Symlink(filepath.Join(built, "lib"), filepath.Join(dir, "lib")); err != nil {
		return fmt.Errorf("link libraries: %w", err)
	}
	return nil
}
