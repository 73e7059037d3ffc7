package fanout_test

import (
	"sync"
	"testing"

	"github.com/scout-speech/scout/internal/fanout"
)

func TestASlowReceiverLosesAndIsTold(t *testing.T) {
	t.Parallel()
	dropped := 0
	hub := fanout.Hub[int]{Dropped: func() { dropped++ }}
	slow, quick := hub.Subscribe(2), hub.Subscribe(10)
	for i := range 5 {
		hub.Send(i)
	}
	if got := <-slow.Items(); got.Value != 0 || got.Missed != 0 {
		t.Errorf("first %+v", got)
	}
	if got := <-slow.Items(); got.Value != 1 || got.Missed != 0 {
		t.Errorf("second %+v", got)
	}
	hub.Send(5)
	if got := <-slow.Items(); got.Value != 5 || got.Missed != 3 {
		t.Errorf("after the loss %+v", got)
	}
	if slow.Missed() != 3 || dropped != 3 || quick.Missed() != 0 {
		t.Errorf("missed %d, dropped %d, the fast one missed %d", slow.Missed(), dropped, quick.Missed())
	}
	for i := range 6 {
		if got := <-quick.Items(); got.Value != i || got.Missed != 0 {
			t.Errorf("quick %+v, want %d", got, i)
		}
	}
}

func TestClosing(t *testing.T) {
	t.Parallel()
	var hub fanout.Hub[string]
	a, b := hub.Subscribe(1), hub.Subscribe(0)
	hub.Send("last")
	a.Close()
	a.Close()
	if hub.Receivers() != 1 {
		t.Errorf("%d receivers", hub.Receivers())
	}
	hub.Close()
	hub.Close()
	hub.Send("nobody hears it")
	for _, s := range []*fanout.Subscription[string]{a, b} {
		if got := <-s.Items(); got.Value != "last" {
			t.Errorf("buffered %+v", got)
		}
		if got, open := <-s.Items(); open {
			t.Errorf("open: %+v", got)
		}
		s.Close()
	}
	if _, open := <-hub.Subscribe(1).Items(); open {
		t.Error("a closed hub has an open subscription")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const senders, values = 4, 500
	var hub fanout.Hub[int]
	var sending, receiving sync.WaitGroup
	for range 8 {
		s := hub.Subscribe(3)
		receiving.Go(func() {
			var got uint64
			for item := range s.Items() {
				got += 1 + item.Missed
			}
			if total := got; total > senders*values || total+s.Missed() < senders*values {
				t.Errorf("received or reported %d of %d values, missed %d", total, senders*values, s.Missed())
			}
		})
	}
	for range senders {
		sending.Go(func() {
			for i := range values {
				hub.Send(i)
			}
		})
	}
	sending.Wait()
	hub.Close()
	receiving.Wait()
}
