package capture

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestLedgerKeepsEachGapOnce(t *testing.T) {
	t.Parallel()
	var l ledger
	open := Gap{Start: 100, Frames: 10, Reason: GapStalled}
	l.note(open)
	open.Frames = 30 // it lasts
	l.note(open)
	open.Reason = GapDeviceLost // and now it is known why
	l.note(open)
	next := Gap{Start: 500, Frames: 1, Reason: GapMissing}
	l.note(next)
	if got, want := l.all(), []Gap{open, next}; !slices.Equal(got, want) || l.count() != 2 {
		t.Errorf("gaps %+v, want %+v", got, want)
	}
	l.all()[0].Frames = 99 // a copy
	if l.all()[0] != open {
		t.Error("whoever reads the gaps can change them")
	}
	l.begin()
	if l.count() != 0 {
		t.Error("a new recording begins with gaps")
	}
}

// installCallback looks into the memory of a device of malgo's. Which version that was tried with is said here, so that
// another one is looked at before it is used: see docs/adr/0021-ring.md.
func TestTheCallbackWasTriedWithThisVersionOfMalgo(t *testing.T) {
	t.Parallel()
	const tried = "v0.11.24"
	requirements, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\s*github\.com/gen2brain/malgo ` + regexp.QuoteMeta(tried) + `$`).Match(requirements) {
		t.Errorf("go.mod wants another malgo than %s, with which the callback was tried: run the tests of real devices and the soak test, then change this line", tried)
	}
}
