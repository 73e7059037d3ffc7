package capture

import (
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
