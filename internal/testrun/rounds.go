package testrun

import (
	"flag"
	"fmt"
	"strconv"
)

// Rounds sets how often each property of a package is tried on random cases, where the hundred times that rapid takes by itself take long. The
// flag -rapid.checks has precedence: make fuzz tries them more often. TestMain calls it before it runs the tests.
func Rounds(n int) {
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		panic(fmt.Errorf("no property of this package is tried: %w", err))
	}
}
