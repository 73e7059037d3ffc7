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
				for _, p := range c.busy {
					if err := l.acquire(t.Context(), p); err != nil {
						t.Fatal(err)
					}
				}
				served := make(chan int, len(c.queue))
				for i, p := range c.queue {
					go func() {
						if err := l.acquire(t.Context(), p); err == nil {
							served <- i
						}
					}()
					synctest.Wait() // so that the order of arrival is the order of the table
				}
				held := c.busy
				for _, want := range c.order {
					synctest.Wait()
					if len(served) == 0 {
						l.release(held[0])
						held = held[1:]
						synctest.Wait()
					}
					got := <-served
					if got != want {
						t.Fatalf("served %d: want %d", got, want)
					}
					held = append(held, c.queue[got])
				}
				for _, p := range held {
					l.release(p)
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
		if err := l.acquire(t.Context(), Batch); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.acquire(ctx, Batch); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v: want the deadline", err)
		}
		if l.depth(Batch) != 0 {
			t.Fatal("still in the queue")
		}
		l.release(Batch)
		if !l.idle() {
			t.Fatal("not idle")
		}
	})
}
