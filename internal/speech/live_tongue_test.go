package speech_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// interpreter is a recognizer of a tape in several languages. Asked for no language, it takes the one of most words. A word in another
// language than the one it writes comes out as nonsense, as with a real model.
type interpreter struct {
	listener
	of func(k int) string
	// weak makes it unsure of what is shorter.
	weak time.Duration
}

func (p *interpreter) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	h, err := p.listener.Transcribe(ctx, r)
	if err != nil {
		return nil, err
	}
	from := speechtest.PositionOf(r.Samples[0])
	counts, total := map[string]int{}, 0
	for k := from / wordFrames; k*wordFrames < from+len(r.Samples); k++ {
		if p.mute == nil || !p.mute(k) {
			counts[p.of(k)]++
			total++
		}
	}
	h.Language = r.Language
	if r.Language == "" && total > 0 {
		for code, n := range counts {
			if n > counts[h.Language] || n == counts[h.Language] && code < h.Language {
				h.Language = code
			}
		}
		prob := float64(counts[h.Language]) / float64(total)
		if len(r.Samples) < int(p.weak.Seconds()*rate) {
			prob = min(prob, 0.6)
		}
		h.LanguageProb = &prob
	}
	texts := []string{}
	for i := range h.Words {
		k := (from + int(*h.Words[i].Start*rate/time.Second)) / wordFrames
		if p.of(k) != h.Language {
			h.Words[i].Text = fmt.Sprintf("nonsense%d", k)
		}
		texts = append(texts, h.Words[i].Text)
	}
	h.Text = strings.Join(texts, " ")
	return h, nil
}

// TestLiveLanguages dictates in languages that nobody has named. Nothing is committed before the language is known. Where it changes,
// the piece is closed, and no word is written in the wrong language beyond those at the border.
func TestLiveLanguages(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		seconds []int // of each language in turn
		weak    time.Duration
		first   time.Duration // the earliest commit
		borders int           // nonsense that is allowed
		most    string        // empty if it is not clear
	}{
		"one language":              {[]int{25}, 0, 3 * time.Second, 0, "de"},
		"a short text":              {[]int{2}, 0, 2 * time.Second, 0, "de"},
		"unsure for eight seconds":  {[]int{25}, 8 * time.Second, 8 * time.Second, 0, "de"},
		"never sure":                {[]int{40}, time.Minute, 6 * time.Second, 0, "de"},
		"it changes":                {[]int{25, 15}, 0, 3 * time.Second, 3, "de"},
		"it changes there and back": {[]int{12, 15, 30}, 0, 3 * time.Second, 6, "de"},
		"sentences of both":         {[]int{9, 9, 9, 9, 9}, 0, 3 * time.Second, 12, ""},
	} {
		for _, cost := range []time.Duration{20 * time.Millisecond, 700 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, %v a decode", situation, cost), func(t *testing.T) {
				t.Parallel()
				length, codes := 0, []string{"de", "en"}
				var ends []int
				for _, s := range c.seconds {
					length += s
					ends = append(ends, length*rate/wordFrames)
				}
				of := func(k int) string {
					at := slices.IndexFunc(ends, func(end int) bool { return k < end })
					if at < 0 {
						at = len(ends) - 1
					}
					return codes[at%2]
				}
				pause := pauses{5, 1}
				words := length * rate / wordFrames
				p := &page{t: t}
				o := p.options(speech.LiveOptions{Recorded: onDisk((words + 5) * wordFrames)})
				sim := &speech.Simulation{
					Samples: pause.tapeOf((words + 5) * wordFrames), StopAt: time.Duration(words) * wordLength, Block: 20 * time.Millisecond,
					Cost: func() time.Duration { return cost },
				}
				first, committed := time.Duration(-1), o.Committed
				o.Committed = func(l speech.LiveCommitted) {
					if first < 0 && len(l.Words) > 0 {
						first = sim.Now()
					}
					committed(l)
				}
				final, _, err := newLive(t, &interpreter{listener: listener{timed: true, mute: pause.mute}, of: of, weak: c.weak}, o).Simulate(t.Context(), sim)
				if err != nil {
					t.Fatal(err)
				}
				if first < c.first {
					t.Errorf("the first word was committed after %v, want %v or later", first, c.first)
				}
				borders := c.borders
				if cost > 100*time.Millisecond { // it asks less often
					borders *= 2
				}
				wrong := strings.Count(p.text, "nonsense") + strings.Count(p.text, "garbled")
				if wrong > borders {
					t.Errorf("%d wrong words, want at most %d: %s", wrong, borders, p.text)
				}
				if got, want := len(strings.Fields(p.text)), len(strings.Fields(pause.script(words))); got < want-borders || got > want+borders {
					t.Errorf("%d words, want %d: %s", got, want, p.text)
				}
				if c.most != "" && final.Language != c.most {
					t.Errorf("most of it is in %q, want %q", final.Language, c.most)
				}
			})
		}
	}
}

// TestLiveLanguageOfALoop asks a model that repeats itself in another language, of which it says to be sure. That is no answer.
func TestLiveLanguageOfALoop(t *testing.T) {
	t.Parallel()
	for name, every := range map[string]int{"always": 1, "every second time": 2, "every third time": 3} {
		for _, fromTheBeginning := range []bool{true, false} {
			if fromTheBeginning && every == 1 {
				continue // nothing tells it from that language
			}
			t.Run(fmt.Sprintf("%s, from the beginning %t", name, fromTheBeginning), func(t *testing.T) {
				t.Parallel()
				pause, words := pauses{5, 1}, 40*rate/wordFrames
				model := &interpreter{listener: listener{timed: true, mute: pause.mute}, of: func(int) string { return "de" }}
				known, asked, loops := fromTheBeginning, 0, 0
				recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
					h, err := model.Transcribe(ctx, r)
					if err != nil || r.Language != "" {
						known = true
						return h, err
					}
					if asked++; !known || asked%every > 0 {
						return h, nil
					}
					loops++
					sure := 0.99
					h.Stop, h.Language, h.LanguageProb = scout.StopRepeats, "en", &sure
					return h, nil
				})
				p := &page{t: t}
				sim := &speech.Simulation{
					Samples: pause.tapeOf((words + 5) * wordFrames), StopAt: time.Duration(words) * wordLength, Block: 20 * time.Millisecond,
					Cost: func() time.Duration { return 20 * time.Millisecond },
				}
				final, _, err := newLive(t, recognizer, p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples))})).Simulate(t.Context(), sim)
				if err != nil {
					t.Fatal(err)
				}
				if loops == 0 {
					t.Fatal("the model was never asked")
				}
				if final.Language == "en" || strings.Contains(p.text, "nonsense") {
					t.Errorf("language %q: %s", final.Language, p.text)
				}
			})
		}
	}
}

// TestLiveLanguageThatIsNamed asks for no language where one was named.
func TestLiveLanguageThatIsNamed(t *testing.T) {
	t.Parallel()
	pause, words := pauses{10, 1}, 20*rate/wordFrames
	model := &interpreter{listener: listener{timed: true, mute: pause.mute}, of: func(int) string { return "en" }}
	p := &page{t: t}
	asked := map[string]bool{}
	recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
		asked[r.Language] = true
		return model.Transcribe(ctx, r)
	})
	sim := &speech.Simulation{
		Samples: pause.tapeOf((words + 5) * wordFrames), StopAt: time.Duration(words) * wordLength, Block: 20 * time.Millisecond,
		Cost: func() time.Duration { return 20 * time.Millisecond },
	}
	final, _, err := newLive(t, recognizer, p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Language: "de"})).Simulate(t.Context(), sim)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || !asked["de"] || final.Language != "" {
		t.Errorf("asked for %v; found %q", asked, final.Language)
	}
}

// TestLiveLanguageGoesOn continues a dictation of which an earlier process found the language.
func TestLiveLanguageGoesOn(t *testing.T) {
	t.Parallel()
	const frames = 25 * rate
	model := &interpreter{listener: listener{timed: true}, of: func(int) string { return "fr" }}
	p := &page{t: t}
	sim := &speech.Simulation{Samples: tapeOf(frames), StopAt: 25 * time.Second, Block: 20 * time.Millisecond, Cost: func() time.Duration { return 40 * time.Millisecond }}
	if _, _, err := newLive(t, model, p.options(speech.LiveOptions{Recorded: onDisk(frames)})).Simulate(t.Context(), sim); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(p.states); i += 5 {
		stored, err := json.Marshal(p.states[i])
		if err != nil {
			t.Fatal(err)
		}
		var state speech.LiveState
		if err := json.Unmarshal(stored, &state); err != nil {
			t.Fatal(err)
		}
		again := &page{t: t, text: p.text[:p.at[i]], through: state.Through}
		asked := 0
		recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
			if r.Language == "" {
				asked++
			}
			return model.Transcribe(ctx, r)
		})
		l := newLive(t, recognizer, again.options(speech.LiveOptions{Recorded: onDisk(frames), From: &state}))
		l.End(frames)
		final, err := l.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sameScript(t, again.text, frames)
		if final.Language != "fr" || final.LanguageProb == nil || *final.LanguageProb < 0.99 || asked > 0 {
			t.Errorf("from state %d: %q, %v, asked %d times", i, final.Language, final.LanguageProb, asked)
		}
	}
}
