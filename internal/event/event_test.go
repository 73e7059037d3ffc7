package event_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout/internal/event"
)

// take reads n events, a reset as "reset".
func take(t *testing.T, f *event.Follower, n int) (ids []uint64, types []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for range n {
		e, reset, ok := f.Next(ctx)
		if !ok {
			t.Fatalf("ended after %v", types)
		}
		if reset {
			e.Type = "reset"
		}
		ids, types = append(ids, e.ID), append(types, e.Type)
	}
	return ids, types
}

func TestWhatAFollowerReads(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		published int
		follow    func(*event.Log) *event.Follower
		wantIDs   []uint64
		wantTypes []string
	}{
		"from now on":                    {3, (*event.Log).Follow, []uint64{103}, []string{"later"}},
		"after the first":                {3, func(l *event.Log) *event.Follower { return l.FollowAfter(100) }, []uint64{101, 102, 103}, []string{"e1", "e2", "later"}},
		"after the newest":               {3, func(l *event.Log) *event.Follower { return l.FollowAfter(102) }, []uint64{103}, []string{"later"}},
		"from before the log began":      {3, func(l *event.Log) *event.Follower { return l.FollowAfter(42) }, []uint64{102, 103}, []string{"reset", "later"}},
		"just before the log began":      {3, func(l *event.Log) *event.Follower { return l.FollowAfter(99) }, []uint64{100, 101, 102, 103}, []string{"e0", "e1", "e2", "later"}},
		"from the future":                {3, func(l *event.Log) *event.Follower { return l.FollowAfter(5000) }, []uint64{102, 103}, []string{"reset", "later"}},
		"of an empty log":                {0, func(l *event.Log) *event.Follower { return l.FollowAfter(7) }, []uint64{99, 100}, []string{"reset", "later"}},
		"from what is not kept any more": {event.KeptEvents + 5, func(l *event.Log) *event.Follower { return l.FollowAfter(102) }, []uint64{10104, 10105}, []string{"reset", "later"}},
		"from the oldest that is kept":   {event.KeptEvents + 5, func(l *event.Log) *event.Follower { return l.FollowAfter(105) }, []uint64{106}, []string{"e6"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			log := event.NewLog(100, time.Now)
			for i := range c.published {
				log.Publish(fmt.Sprintf("e%d", i), nil)
			}
			f := c.follow(log)
			log.Publish("later", map[string]int{"n": 1})
			ids, types := take(t, f, len(c.wantIDs))
			if fmt.Sprint(ids, types) != fmt.Sprint(c.wantIDs, c.wantTypes) {
				t.Errorf("%v %v, want %v %v", ids, types, c.wantIDs, c.wantTypes)
			}
		})
	}
}

func TestASlowFollowerIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	log := event.NewLog(1, time.Now)
	f := log.Follow()
	for range event.KeptEvents + 1 {
		log.Publish("e", nil)
	}
	if ids, types := take(t, f, 1); types[0] != "reset" || ids[0] != event.KeptEvents+1 {
		t.Errorf("%v %v, want a reset at the newest event", ids, types)
	}
}

func TestEventsEndWithTheirAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog(1, time.Now)
		log.Publish("old", nil)
		time.Sleep(event.KeptFor + time.Second)
		log.Publish("new", nil)
		if _, types := take(t, log.FollowAfter(0), 1); types[0] != "reset" {
			t.Errorf("%v, want a reset: the first event is too old", types)
		}
	})
}

func TestAFollowerIsWokenAndEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog(1, time.Now)
		f := log.Follow()
		got := make(chan string, 2)
		go func() { // ended by the close of the log
			for {
				e, _, ok := f.Next(t.Context())
				if !ok {
					close(got)
					return
				}
				got <- e.Type
			}
		}()
		synctest.Wait()
		log.Publish("first", nil)
		log.Close()
		log.Publish("after the end", nil)
		synctest.Wait()
		if first, more := <-got; first != "first" || !more {
			t.Errorf("%q, want first", first)
		}
		if second, more := <-got; more {
			t.Errorf("%q after the close", second)
		}
	})
}
