package speech_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// lostIn hears nothing, or only a loop, in audio as it is. It hears what listener hears if there is silence of a length before it.
type lostIn struct {
	listener
	silence int
	answer  scout.Hypothesis
	peeks   int // of audio as it is
}

func (l *lostIn) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	silent := slices.IndexFunc(r.Samples, func(v float32) bool { return v != 0 })
	if silent < l.silence {
		l.peeks++
		answer := l.answer
		return &answer, nil
	}
	if speechtest.PositionOf(r.Samples[silent]) == 1 {
		silent-- // the first frame of a tape is silent too
	}
	behind := len(r.Samples)
	for behind > 0 && r.Samples[behind-1] == 0 {
		behind--
	}
	r.Samples = r.Samples[silent:behind]
	result, err := l.listener.Transcribe(ctx, r)
	if result != nil {
		for i := range result.Words {
			*result.Words[i].Start += segment.Duration(int64(silent))
			*result.Words[i].End += segment.Duration(int64(silent))
		}
	}
	return result, err
}

// TestLiveHearsInAnotherWay speaks to a model that is lost in the audio as it is, as it sometimes is for a whole piece. The words
// are known while the piece grows, because the next peek listens in another way. Where the model is sure that nothing was
// said, that is believed.
func TestLiveHearsInAnotherWay(t *testing.T) {
	t.Parallel()
	const said = 30
	for situation, c := range map[string]struct {
		silence int
		answer  scout.Hypothesis
		words   bool
	}{
		"nothing, not sure, moved":             {200, scout.Hypothesis{Stop: scout.StopEnd, EndLogProb: new(-0.3)}, true},
		"nothing, not sure, in silence":        {1000, scout.Hypothesis{Stop: scout.StopEnd, EndLogProb: new(-0.3)}, true},
		"nothing, not sure, in longer silence": {4000, scout.Hypothesis{Stop: scout.StopEnd, EndLogProb: new(-0.3)}, true},
		"a loop":                               {200, scout.Hypothesis{Stop: scout.StopRepeats, Text: strings.Repeat("we know ", 40)}, true},
		"nothing, and sure":                    {200, scout.Hypothesis{Stop: scout.StopEnd, EndLogProb: new(-0.001)}, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			model := &lostIn{listener: listener{timed: true}, silence: c.silence, answer: c.answer}
			sim := &speech.Simulation{
				Samples: tapeOf((said + 5) * wordFrames), StopAt: said * wordLength, Block: 20 * time.Millisecond,
				Cost: func() time.Duration { return 30 * time.Millisecond },
			}
			committed, latest := 0, time.Duration(0)
			p := &page{t: t}
			o := p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples))})
			told := o.Committed
			o.Committed = func(said speech.LiveCommitted) {
				if told(said); sim.Now() < sim.StopAt {
					committed += len(said.Words)
					for _, w := range said.Words {
						if w.End != nil {
							latest = max(latest, sim.Now()-*w.End)
						}
					}
				}
			}
			if _, _, err := newLive(t, model, o).Simulate(t.Context(), sim); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(p.text); c.words && got != script(said) {
				t.Errorf("heard %q\nwant  %q", got, script(said))
			}
			switch {
			case !c.words && committed > 0:
				t.Errorf("%d words of a model that is sure that there are none", committed)
			case c.words && (committed < said/2 || latest > 4*time.Second):
				t.Errorf("%d of %d words were committed before the stop, the latest %v after its end", committed, said, latest)
			}
		})
	}
}
