package wake_test

import (
	"testing"

	"github.com/scout-speech/scout/internal/wake"
)

func heard(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestABellWakesWhoListens(t *testing.T) {
	t.Parallel()
	var b wake.Bell
	b.Ring()
	first, endFirst := b.Listen()
	second, endSecond := b.Listen()
	defer endSecond()
	if heard(first) {
		t.Error("a ring before Listen was delivered")
	}
	b.Ring()
	b.Ring() // does not block
	if !heard(first) || !heard(second) || heard(first) || heard(second) {
		t.Error("each listener must get one token for the rings since its last one")
	}
	endFirst()
	b.Ring()
	if heard(first) || !heard(second) {
		t.Error("only the remaining listener must get a token")
	}
}

func TestRingAllocatesNothing(t *testing.T) { // not parallel: AllocsPerRun forbids it
	var b wake.Bell
	_, end := b.Listen()
	defer end()
	if n := testing.AllocsPerRun(100, b.Ring); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
