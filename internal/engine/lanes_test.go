package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestLaneOrder holds who gets a lane next, with one lane and with two.
func TestLaneOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		total int
		busy  []Priority // acquired first
		queue []Priority // then waiting, in this order
		order []int      // indices of queue in the order they are served as lanes come free
	}{
		"one lane, interactive first":        {1, []Priority{Batch}, []Priority{Batch, Interactive, Batch}, []int{1, 0, 2}},
		"one lane, batch when nobody else":   {1, []Priority{Interactive}, []Priority{Batch}, []int{0}},
		"two lanes, batch leaves one":        {2, []Priority{Batch}, []Priority{Batch, Batch}, []int{0, 1}},
		"two lanes, interactive takes both":  {2, []Priority{Interactive, Interactive}, []Priority{Batch, Interactive}, []int{1, 0}},
		"first come first served by kind":    {1, []Priority{Batch}, []Priority{Interactive, Interactive, Batch, Batch}, []int{0, 1, 2, 3}},
		"interactive never waits for a file": {2, []Priority{Batch}, []Priority{Interactive}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var l lanes
				l.resize(c.total)
				var held []*turn
				for _, p := range c.busy {
					got, err := l.acquire(t.Context(), p, false, func() {})
					if err != nil {
						t.Fatal(err)
					}
					held = append(held, got)
				}
				type place struct {
					i    int
					lane *turn
				}
				served := make(chan place, len(c.queue))
				for i, p := range c.queue {
					go func() {
						if got, err := l.acquire(t.Context(), p, false, func() {}); err == nil {
							served <- place{i, got}
						}
					}()
					synctest.Wait() // so that the order of arrival is the order of the table
				}
				for _, want := range c.order {
					synctest.Wait()
					if len(served) == 0 {
						l.release(held[0])
						held = held[1:]
						synctest.Wait()
					}
					got := <-served
					if got.i != want {
						t.Fatalf("served %d: want %d", got.i, want)
					}
					held = append(held, got.lane)
				}
				for _, lane := range held {
					l.release(lane)
				}
				if !l.idle() {
					t.Fatal("not idle after all left")
				}
			})
		})
	}
}

func TestLaneWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l lanes
		lane, err := l.acquire(t.Context(), Batch, false, func() {})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.acquire(ctx, Batch, false, func() {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v: want the deadline", err)
		}
		if l.depth(Batch) != 0 {
			t.Fatal("still in the queue")
		}
		l.release(lane)
		if !l.idle() {
			t.Fatal("not idle")
		}
	})
}

// TestBatchTakesEveryLaneUntilSomebodyWaits: with all lanes for batch, an interactive caller gets one by
// interrupting the batch caller that came last, and one stays free for a while.
func TestBatchTakesEveryLaneUntilSomebodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour) // fake time: the zero time of the last interactive caller is long ago
		l := lanes{batch: 2, reserve: 10 * time.Second}
		l.resize(2)
		take := func(p Priority, again bool, interrupt func()) *turn {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			lane, err := l.acquire(ctx, p, again, interrupt)
			if err != nil {
				return nil
			}
			return lane
		}
		first := take(Batch, false, func() { t.Error("the caller that came first is interrupted") })
		var second *turn
		interrupted := 0
		second = take(Batch, false, func() {
			interrupted++
			go l.release(second)
		})
		if first == nil || second == nil {
			t.Fatal("batch does not get both lanes")
		}
		var again *turn
		waits := make(chan struct{})
		go func() {
			defer close(waits)
			again, _ = l.acquire(t.Context(), Batch, false, func() {}) // ends with the test at the latest
		}()
		synctest.Wait()
		dictation := take(Interactive, false, nil)
		if dictation == nil || interrupted != 1 {
			t.Fatalf("interactive caller: %v, %d interrupted", dictation, interrupted)
		}
		if next := take(Interactive, false, nil); next != nil {
			t.Fatal("a third lane")
		}
		l.release(dictation)
		if late := take(Batch, true, func() {}); late != nil {
			t.Fatal("batch takes the lane that is kept for the next interactive request")
		}
		if next := take(Interactive, false, nil); next == nil || interrupted != 1 {
			t.Fatal("the lane is not kept")
		} else {
			l.release(next)
		}
		time.Sleep(l.reserve + time.Second)
		l.release(first)
		<-waits
		both := take(Batch, false, func() {})
		if again == nil || both == nil {
			t.Fatal("batch does not get both lanes back")
		}
		quiet := l.becomeQuiet()
		l.release(again)
		select {
		case <-quiet:
			t.Fatal("quiet with a busy lane")
		default:
		}
		l.release(both)
		<-quiet
	})
}
