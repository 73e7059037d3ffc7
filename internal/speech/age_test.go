package speech_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
)

// TestWordsAreCommittedByTheirAge dictates for a minute to a machine on which a second of audio takes a while to decode, so that a piece that
// is closed keeps the engine busy. Nearly all words are committed when they are as old as they may be, and each of them once.
func TestWordsAreCommittedByTheirAge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		age   time.Duration
		cost  time.Duration // of a second of audio
		fixed time.Duration // of a decode
	}{
		{400 * time.Millisecond, 6 * time.Millisecond, 10 * time.Millisecond},
		{800 * time.Millisecond, 6 * time.Millisecond, 10 * time.Millisecond},
		{800 * time.Millisecond, 15 * time.Millisecond, 10 * time.Millisecond},
		{1500 * time.Millisecond, 6 * time.Millisecond, 10 * time.Millisecond},
		{1500 * time.Millisecond, 8 * time.Millisecond, 10 * time.Millisecond},
		{3 * time.Second, 40 * time.Millisecond, 10 * time.Millisecond},
	} {
		t.Run(c.age.String()+" at "+c.cost.String(), func(t *testing.T) {
			t.Parallel()
			const length, block = time.Minute, 100 * time.Millisecond
			hears, spent := &listener{timed: true}, time.Duration(0)
			slow := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
				spent += c.fixed + time.Duration(int64(len(r.Samples))*int64(c.cost)/rate)
				return hears.Transcribe(ctx, r)
			})
			sim := &speech.Simulation{Samples: tapeOf(int(length.Seconds() * rate)), StopAt: length, Block: block, Cost: func() time.Duration {
				took := spent
				spent = 0
				return took
			}}
			p := &page{t: t}
			var ages []time.Duration
			o := p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples))})
			committed := o.Committed
			o.Committed = func(said speech.LiveCommitted) {
				for _, w := range said.Words {
					if sim.Now() < length {
						came := (*w.End + block - 1).Truncate(block)
						ages = append(ages, sim.Now()-came)
					}
				}
				committed(said)
			}
			o.CommitByAge(c.age)
			if _, _, err := newLive(t, slow, o).Simulate(t.Context(), sim); err != nil {
				t.Fatal(err)
			}
			sameScript(t, p.text, len(sim.Samples))
			slices.Sort(ages)
			if p95 := ages[len(ages)*95/100]; len(ages) < 100 || p95 > c.age {
				t.Errorf("%d words, p95 %v, at most %v", len(ages), p95, ages[len(ages)-1])
			}
		})
	}
}

// TestWordsAreCommittedOnASlowMachine dictates to a machine that is several times slower than the speech allows to decode at leisure: no word
// waits longer than 4 s.
func TestWordsAreCommittedOnASlowMachine(t *testing.T) {
	t.Parallel()
	for _, cost := range []time.Duration{20 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond} { // of a second of audio
		t.Run(cost.String(), func(t *testing.T) {
			t.Parallel()
			hears, spent := &listener{timed: true}, time.Duration(0)
			slow := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
				spent += time.Duration(int64(len(r.Samples)) * int64(cost) / rate)
				return hears.Transcribe(ctx, r)
			})
			sim := &speech.Simulation{Samples: tapeOf(60 * rate), StopAt: time.Minute, Block: 20 * time.Millisecond, Cost: func() time.Duration {
				took := spent
				spent = 0
				return took
			}}
			var longest time.Duration
			l := newLive(t, slow, speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Committed: func(said speech.LiveCommitted) {
				for _, w := range said.Words {
					longest = max(longest, sim.Now()-*w.End)
				}
			}})
			if _, _, err := l.Simulate(t.Context(), sim); err != nil {
				t.Fatal(err)
			}
			if longest > 4*time.Second {
				t.Errorf("a word waited for %v", longest)
			}
		})
	}
}
