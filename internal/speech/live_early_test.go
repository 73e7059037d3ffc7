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
)

// TestLiveWaitsForWhatTheModelCorrects dictates to a model that mends a word when it has heard some more behind it. Several hypotheses
// in a row have the same error, because they heard almost the same audio. A word must not be committed from them, and the end of a
// sentence even later. Without either part of the rule the errors stay.
func TestLiveWaitsForWhatTheModelCorrects(t *testing.T) {
	t.Parallel()
	without := func(change func(*speech.CommitRule)) speech.CommitRule {
		rule := speech.DefaultCommitRule()
		change(&rule)
		return rule
	}
	for situation, c := range map[string]struct {
		mark   string // of an error: a word ends with it
		mended time.Duration
		rule   speech.CommitRule
		stays  bool
	}{
		"another word, mended after 1.2 s":    {"wrong", 1200 * time.Millisecond, speech.DefaultCommitRule(), false},
		"the same, hypotheses not apart":      {"wrong", 1200 * time.Millisecond, without(func(r *speech.CommitRule) { r.Apart = 0 }), true},
		"a full stop, mended after 2.4 s":     {".", 2400 * time.Millisecond, speech.DefaultCommitRule(), false},
		"the same, ends as soon as any words": {".", 2400 * time.Millisecond, without(func(r *speech.CommitRule) { r.SentenceEnd = 0 }), true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			const length = 12 * time.Second
			hears := &listener{timed: true}
			early := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
				h, err := hears.Transcribe(ctx, r)
				if err != nil {
					return nil, err
				}
				heard := *h
				heard.Words = slices.Clone(h.Words)
				all := time.Duration(len(r.Samples)) * time.Second / rate
				texts := make([]string, len(heard.Words))
				for i := range heard.Words {
					if w := &heard.Words[i]; all-*w.End < c.mended {
						w.Text += c.mark
					}
					texts[i] = heard.Words[i].Text
				}
				heard.Text = strings.Join(texts, " ")
				return &heard, nil
			})
			var wrong []string
			sim := &speech.Simulation{Samples: tapeOf(int(length.Seconds() * rate)), StopAt: length, Block: 20 * time.Millisecond, Cost: func() time.Duration { return 20 * time.Millisecond }}
			l := newLive(t, early, speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Commit: c.rule, Committed: func(committed speech.LiveCommitted) {
				for _, w := range committed.Words {
					if sim.Now() < length && strings.HasSuffix(w.Text, c.mark) {
						wrong = append(wrong, w.Text)
					}
				}
			}})
			if _, _, err := l.Simulate(t.Context(), sim); err != nil {
				t.Fatal(err)
			}
			if stays := len(wrong) > 0; stays != c.stays {
				t.Errorf("committed with errors: %q", wrong)
			}
		})
	}
}

// TestLiveFirstWordsComeSoon dictates to a model that finds nothing until it has heard enough. Until a text is shown, it is asked more
// often than later, so the first words come soon after it can know them.
func TestLiveFirstWordsComeSoon(t *testing.T) {
	t.Parallel()
	const length, cost = 4 * time.Second, 20 * time.Millisecond
	// dictate returns how long after the model could know the first words they came, and how often it was asked after that.
	dictate := func(rhythm speech.Rhythm, enough time.Duration) (late time.Duration, later int) {
		hears := &listener{timed: true}
		first := time.Duration(-1)
		sim := &speech.Simulation{Samples: tapeOf(int(length.Seconds() * rate)), StopAt: length, Block: 20 * time.Millisecond, Cost: func() time.Duration { return cost }}
		slow := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
			if first >= 0 && sim.Now() < length {
				later++
			}
			if time.Duration(len(r.Samples))*time.Second/rate < enough {
				return &scout.Hypothesis{}, nil
			}
			return hears.Transcribe(ctx, r)
		})
		l := newLive(t, slow, speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Rhythm: rhythm, Partial: func(p speech.LivePartial) {
			if first < 0 && p.Text != "" {
				first = sim.Now()
			}
		}})
		if _, _, err := l.Simulate(t.Context(), sim); err != nil {
			t.Fatal(err)
		}
		return first - enough, later
	}
	longest := func(rhythm speech.Rhythm) (late time.Duration) {
		for enough := 800 * time.Millisecond; enough < 1100*time.Millisecond; enough += 20 * time.Millisecond {
			one, _ := dictate(rhythm, enough)
			late = max(late, one)
		}
		return late
	}
	rhythm := speech.DefaultRhythm()
	const soon = 200 * time.Millisecond // a step of 100 ms, the block that is under way, and a decode before that of the text
	if late := longest(rhythm); late > soon {
		t.Errorf("first words up to %v after the model could know them", late)
	}
	if _, later := dictate(rhythm, 800*time.Millisecond); later > int(length/rhythm.Step) {
		t.Errorf("asked %d times in less than %v after the first words", later, length)
	}
	rhythm.First = 0
	if late := longest(rhythm); late <= soon {
		t.Errorf("the same without a rhythm of their own: %v", late)
	}
}
