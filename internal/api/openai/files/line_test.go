package files

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// Clients take turns, however many requests each has; a place that nobody gives back is no reason to wait for ever.
func TestTheLineIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(newMetrics(observe.Scope{}))
		order := make(chan string, 100)
		n := 0
		enter := func(client string) {
			n++
			holds := time.Second + time.Duration(n)*time.Millisecond // one place is free at a time
			go func() {                                              // ends with its place
				leave, err := l.enter(context.Background(), client, time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				order <- client
				time.Sleep(holds)
				leave()
			}()
			synctest.Wait()
		}
		for range usualPlaces + 20 {
			enter("many")
		}
		for i := range 3 {
			enter(fmt.Sprint("one", i))
		}
		for range usualPlaces {
			<-order
		}
		seen := map[string]bool{}
		for range 3 {
			seen[<-order] = true
		}
		if len(seen) != 3 || seen["many"] {
			t.Errorf("after the first places came %v, want the clients that had none", seen)
		}
		for range 20 {
			<-order
		}
		time.Sleep(time.Minute) // all places are given back
	})
}

// A request that would wait for too long is refused at once, and says when to come again; others wait until their time is over.
func TestTheLineRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(newMetrics(observe.Scope{}))
		entered := make(chan func(), mostPlaces)
		for range mostPlaces {
			go func() { // ends with its place
				leave, err := l.enter(context.Background(), "", time.Hour)
				if err != nil {
					t.Error(err)
				}
				entered <- leave
			}()
			synctest.Wait()
		}
		time.Sleep(time.Hour / 2) // one place more every two seconds
		synctest.Wait()
		if len(entered) != mostPlaces {
			t.Fatalf("%d places after a while, want %d", len(entered), mostPlaces)
		}
		began := time.Now()
		_, err := l.enter(context.Background(), "x", 10*time.Second)
		if scout.CodeOf(err) != scout.CodeBusy || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %s, want busy after 10 s", err, time.Since(began))
		}
		_, err = l.enter(context.Background(), "x", time.Millisecond)
		var later interface{ RetryAfter() time.Duration }
		if !errors.As(err, &later) || later.RetryAfter() <= 10*time.Second || time.Since(began) != 10*time.Second {
			t.Errorf("%v: want a refusal at once that says to come behind the one before", err)
		}
		for range mostPlaces {
			(<-entered)()
		}
		if leave, err := l.enter(context.Background(), "x", time.Millisecond); err != nil {
			t.Error(err)
		} else {
			leave()
		}
	})
}
