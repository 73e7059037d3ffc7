package realtime_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/speech"
)

// TestUnheardSoundIsBounded sends more than may wait to a session of which nothing is heard before the end of an item. It is not read until the
// item has ended by itself and was heard, and no word is lost.
func TestUnheardSoundIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prom.NewRegistry()
		scope := observe.NewScope(nil, registry, nil)
		e, dir := &counting{}, t.TempDir()
		all := realtime.New(realtime.Options{
			Scope: scope, Failures: observe.NewFailures(scope), Dir: dir, Budget: freespace.NewBudget(dir, func() int64 { return 0 }), MostAudio: time.Hour,
			MostUnheard: 4 * time.Second, Ease: func() speech.Ease { return speech.EaseToTheStop },
			Check: func(context.Context, realtime.Ask) *realtime.Problem { return nil },
			Borrow: func(context.Context, realtime.Ask) (realtime.Recognizer, func(), error) {
				return realtime.Recognizer{Model: "counting", Engine: e, Known: "en"}, func() {}, nil
			},
		})
		value := func(name string) float64 {
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() == name {
					return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
				}
			}
			t.Fatalf("there is no %s", name)
			return 0
		}
		one, err := all.Open(realtime.Order{Config: realtime.DefaultConfig("")})
		if err != nil {
			t.Fatal(err)
		}
		c := client{t, one}
		c.say(`{"type":"session.update","session":{"audio":{"input":{"turn_detection":null,"format":{"type":"audio/pcm","rate":16000}}}}}`)
		c.say(appendOf + spoken(0, 5) + `"}`)
		if got := value("scout_realtime_unheard_seconds"); got != 5 {
			t.Errorf("%v s were not heard, want 5", got)
		}
		waits := 0
		if err := one.Room(t.Context(), func() { waits++ }); err != nil {
			t.Fatal(err)
		}
		if got := c.until("completed")["transcript"]; got != "wa wb wc wd we" || waits != 1 {
			t.Errorf("%q, after %d waits", got, waits)
		}
		c.say(`{"type":"nonsense"}`)
		c.until("error")
		one.Close("closed", "")
		for name, want := range map[string]float64{"scout_realtime_unheard_seconds": 0, "scout_realtime_waits_total": 1, "scout_realtime_errors_total": 1} {
			if got := value(name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	})
}
