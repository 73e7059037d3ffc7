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
		t.Error("a ring before Listen was heard")
	}
	b.Ring()
	b.Ring() // waits for nobody
	if !heard(first) || !heard(second) || heard(first) || heard(second) {
		t.Error("each listener hears of the rings since it last looked, once")
	}
	endFirst()
	b.Ring()
	if heard(first) || !heard(second) {
		t.Error("who ended hears no more, the other does")
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
