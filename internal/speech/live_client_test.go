package speech_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech"
)

// noted is a recognizer that hears nothing, and notes what it is asked.
type noted struct {
	mu      sync.Mutex
	classes map[schedule.Class]int
	clients map[string]int
}

func (a *noted) Transcribe(_ context.Context, r engine.Request) (*scout.Hypothesis, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.classes[r.Class]++
	a.clients[r.Client]++
	return &scout.Hypothesis{}, nil
}

// The sound of a client comes after that of the microphone, and whoever follows it is told how far it was heard.
func TestLiveSoundOfAClient(t *testing.T) {
	t.Parallel()
	a := &noted{classes: map[schedule.Class]int{}, clients: map[string]int{}}
	const frames = 3 * scout.EngineSampleRateHz
	var heard []time.Duration
	live, err := speech.NewLive(observe.Scope{}, observe.NewFailures(observe.Scope{}), a, speech.LiveOptions{
		Recorded: onDisk(frames), Client: "somebody", Heard: func(to time.Duration) { heard = append(heard, to) },
	})
	if err != nil {
		t.Fatal(err)
	}
	live.Write(0, tapeOf(frames))
	live.End(frames)
	if _, err := live.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.classes[schedule.Stream] == 0 || a.classes[schedule.Dictation]+a.classes[schedule.Partial] > 0 {
		t.Errorf("requests by class: %v", a.classes)
	}
	if len(a.clients) != 1 || a.clients["somebody"] == 0 {
		t.Errorf("requests by client: %v", a.clients)
	}
	if len(heard) == 0 || heard[len(heard)-1] != 3*time.Second {
		t.Errorf("heard up to %v", heard)
	}
}
