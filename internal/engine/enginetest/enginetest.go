// Package enginetest helps the tests of the engine process: a test binary is also an engine, which fails as its tests
// request.
package enginetest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/testrun"
)

// asEngine in the environment turns a test binary into an engine.
const asEngine = "SCOUT_TEST_AS_ENGINE"

// Main is TestMain of a package whose tests start their own binary (os.Args[0]) as engine. options returns those of the
// engine that writes its answers to out. It fails if goroutines are left after the last test. Main does not return.
func Main(m *testing.M, options func(out *os.File) server.Options) {
	goleak.VerifyTestMain(Prepare(m, options))
}

// Prepare is Main for packages that do more: they run the suite. In the engine it does not return.
func Prepare(m *testing.M, options func(out *os.File) server.Options) *testrun.Suite {
	if os.Getenv(asEngine) != "" {
		in, out := os.NewFile(3, "requests"), os.NewFile(4, "answers")
		if err := server.Serve(context.Background(), in, out, options(out)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	suite := testrun.Contain(m)
	testrun.Beside(8)
	if err := os.Setenv(asEngine, "1"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return suite
}

// Panics returns how many panics a registry has counted.
func Panics(t *testing.T, registry prom.Registry) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "scout_panics_recovered_total" {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
