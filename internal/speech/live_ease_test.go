package speech_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/speech"
)

// Less work costs no word. Each level shows less while one speaks, and asks the recognizer less often.
func TestLiveWithLessWork(t *testing.T) {
	t.Parallel()
	const seconds = 44
	pause := pauses{25, 5}
	type seen struct{ calls, partials, committed int } // before the stop
	dictate := func(ease func(now time.Duration) speech.Ease) seen {
		p := &page{t: t}
		r := &listener{timed: true, mute: pause.mute}
		o := p.options(speech.LiveOptions{Recorded: onDisk(seconds * rate)})
		sim := &speech.Simulation{Samples: pause.tapeOf(seconds * rate), StopAt: seconds * time.Second, Block: 100 * time.Millisecond}
		var before seen
		sim.Cost = func() time.Duration {
			if sim.Now() < sim.StopAt {
				before.calls = int(r.calls.Load())
			}
			return 20 * time.Millisecond
		}
		o.Ease = func() speech.Ease { return ease(sim.Now()) }
		partial, committed := o.Partial, o.Committed
		o.Partial = func(s speech.LivePartial) {
			if partial(s); s.Text != "" {
				before.partials++
			}
		}
		o.Committed = func(c speech.LiveCommitted) {
			if committed(c); sim.Now() < sim.StopAt {
				before.committed++
			}
		}
		l := newLive(t, r, o)
		if _, _, err := l.Simulate(context.Background(), sim); err != nil {
			t.Fatal(err)
		}
		if want := pause.script(seconds * rate / wordFrames); strings.TrimSpace(p.text) != want {
			t.Fatalf("heard %q\nwant  %q", p.text, want)
		}
		return before
	}
	always := func(e speech.Ease) func(time.Duration) speech.Ease {
		return func(time.Duration) speech.Ease { return e }
	}
	all := dictate(always(speech.EaseNothing))
	third := dictate(always(speech.EaseRhythm))
	pieces := dictate(always(speech.EaseCommitted))
	stop := dictate(always(speech.EaseToTheStop))
	t.Logf("calls, partial texts, commits before the stop: %v, at a third %v, pieces only %v, nothing before the stop %v", all, third, pieces, stop)
	if 2*third.calls > all.calls || third.partials == 0 {
		t.Errorf("at a third of the rhythm %+v, else %+v", third, all)
	}
	if pieces.partials > 0 || pieces.committed == 0 || pieces.calls >= third.calls {
		t.Errorf("committed pieces only: %+v", pieces)
	}
	if stop.calls > 0 || stop.committed > 0 {
		t.Errorf("nothing before the stop: %+v", stop)
	}
	// The level may change at any time.
	changing := dictate(func(now time.Duration) speech.Ease { return speech.Ease(now / (7 * time.Second) % 4) })
	if changing.calls >= all.calls || changing.calls == 0 {
		t.Errorf("changing: %+v", changing)
	}
}
