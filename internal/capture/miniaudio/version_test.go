package miniaudio

import (
	"os"
	"regexp"
	"testing"
)

// installCallback looks into the memory of a device of malgo's. Which version that was tried with is said here, so that
// another one is looked at before it is used: see docs/adr/0021-ring.md.
func TestTheCallbackWasTriedWithThisVersionOfMalgo(t *testing.T) {
	t.Parallel()
	const tried = "v0.11.24"
	requirements, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\s*github\.com/gen2brain/malgo ` + regexp.QuoteMeta(tried) + `$`).Match(requirements) {
		t.Errorf("go.mod wants another malgo than %s, with which the callback was tried: run the tests of real devices and the soak test, then change this line", tried)
	}
}
