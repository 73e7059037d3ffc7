// Package testrun sets how the tests of a package run.
package testrun

import (
	"flag"
	"fmt"
	"os"
	"strconv"
)

// Beside lets n parallel tests of the package run beside each other, unless the caller of go test has given another number.
// It is for packages whose tests wait for time to pass: go test would run one for each processor, and the processors would
// idle. Call it first in TestMain.
func Beside(n int) {
	const name = "test.parallel"
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
