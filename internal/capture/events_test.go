package capture_test

import (
	"testing"

	"github.com/scout-speech/scout/internal/capture"
)

func TestSlowSubscribersMissAndAreTold(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		slow := s.Subscribe(1)
		for range 3 {
			start(t, s)
			stop(t, s)
		}
		if slow.Missed() < 5 {
			t.Errorf("missed %d", slow.Missed())
		}
		slow.Close()
		slow.Close()
		<-slow.Items() // the one it had room for
		if _, ok := <-slow.Items(); ok {
			t.Error("an event after close")
		}
	})
}
