package realtime_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/realtime"
)

// telling is a counting engine that tells the tokens of words, a letter each, and its positions: 40 a second.
type telling struct {
	counting
	silent bool // it tells none
}

func (e *telling) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	h, err := e.counting.Transcribe(ctx, request)
	if err != nil || e.silent {
		return h, err
	}
	h.AudioTokens, h.PromptTokens = len(request.Samples)/400, 2
	for i := range h.Words {
		if w := &h.Words[i]; request.Tokens {
			for _, letter := range w.Text {
				w.Tokens = append(w.Tokens, scout.WordToken{Bytes: []byte(string(letter)), LogProb: *w.LogProb / 2})
			}
		}
	}
	return h, nil
}

// spell has an entry for each token; nil where there are none.
func spell(before string, words []scout.Word) []realtime.LogProb {
	all := []realtime.LogProb{}
	for _, w := range words {
		if len(w.Tokens) == 0 {
			return nil
		}
		for i, t := range w.Tokens {
			text := string(t.Bytes)
			if i == 0 && before != "" {
				text = " " + text
			}
			all = append(all, realtime.LogProb{Token: text, LogProb: t.LogProb})
		}
		before = w.Text
	}
	return all
}

func openTelling(t *testing.T, e *telling, model string) client {
	t.Helper()
	c := open(t, realtime.New(realtime.Options{
		Failures: observe.NewFailures(observe.Scope{}), Dir: t.TempDir(), Budget: freespace.NewBudget(t.TempDir(), func() int64 { return 0 }), MostAudio: time.Hour, Spell: spell,
		Check: func(context.Context, realtime.Ask) *realtime.Problem { return nil },
		Borrow: func(_ context.Context, ask realtime.Ask) (realtime.Recognizer, func(), error) {
			return realtime.Recognizer{Model: "telling", Engine: e, Known: "en", CountsTokens: strings.HasPrefix(ask.Model, "gpt-4o")}, func() {}, nil
		},
	}))
	c.say(`{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"` + model + `"}}}}}`)
	return c
}

// joined are the tokens of an event; ok is false if it has no logprobs.
func joined(t *testing.T, e map[string]any) (text string, ok bool) {
	t.Helper()
	list, there := e["logprobs"].([]any)
	for _, one := range list {
		token, _ := one.(map[string]any)
		piece, _ := token["token"].(string)
		if p, _ := token["logprob"].(float64); p != -0.05 {
			t.Errorf("the probability of %q is %g", piece, p)
		}
		text += piece
	}
	return text, there
}

func TestLogProbs(t *testing.T) {
	t.Parallel()
	c := openTelling(t, &telling{}, "whisper-2")
	include := func(list string) { c.say(`{"type":"session.update","session":{"include":` + list + `}}`) }
	read := func() (completed map[string]any, deltas string) {
		for {
			e := c.until("")
			switch e["type"] {
			case "conversation.item.input_audio_transcription.delta":
				text, there := joined(t, e)
				if there && text != e["delta"] {
					t.Errorf("the tokens of a delta are %q: %v", text, e["delta"])
				}
				deltas += text
			case "conversation.item.input_audio_transcription.completed":
				return e, deltas
			}
		}
	}
	for i, wanted := range []bool{false, true, false} {
		include(map[bool]string{true: `["item.input_audio_transcription.logprobs"]`, false: "null"}[wanted])
		c.say(appendOf + spoken(8*i, 8) + `"}`)
		c.say(commitMessage)
		e, deltas := read()
		text, there := joined(t, e)
		if there != wanted || wanted && (text != e["transcript"] || deltas != text) {
			t.Errorf("wanted %t: the tokens of %v are %q, those of the deltas %q", wanted, e["transcript"], text, deltas)
		}
	}
	include(`["item.input_audio_transcription.logprobs"]`)
	c.say(appendOf + base64.StdEncoding.EncodeToString(make([]byte, 2*rate)) + `"}`)
	c.say(commitMessage)
	if e, _ := read(); !reflect.DeepEqual(e["logprobs"], []any{}) {
		t.Errorf("nothing was said: %v", e)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	length := func(seconds float64) map[string]any { return map[string]any{"type": "duration", "seconds": seconds} }
	tokens := func(audio, written float64) map[string]any {
		return map[string]any{
			"type": "tokens", "input_tokens": audio + 2, "output_tokens": written, "total_tokens": audio + 2 + written,
			"input_token_details": map[string]any{"audio_tokens": audio, "text_tokens": 2.0},
		}
	}
	for situation, c := range map[string]struct {
		engine *telling
		model  string
		want   [3]map[string]any // of silence, of words, of silence
	}{
		"a model with seconds":            {&telling{}, "whisper-1", [3]map[string]any{length(1), length(8), length(1)}},
		"a model with tokens":             {&telling{}, "gpt-4o-transcribe", [3]map[string]any{length(1), tokens(320, 16), tokens(40, 0)}},
		"an engine that does not tell it": {&telling{silent: true}, "gpt-4o-transcribe", [3]map[string]any{length(1), length(8), length(1)}},
	} {
		client := openTelling(t, c.engine, c.model)
		silence := base64.StdEncoding.EncodeToString(make([]byte, 2*rate))
		for i, sound := range []string{silence, spoken(0, 8), silence} {
			client.say(appendOf + sound + `"}`)
			client.say(commitMessage)
			got, _ := client.until("completed")["usage"].(map[string]any)
			if i == 1 && got["type"] == "tokens" { // the model's positions of some length, by which the item's are found
				details, _ := got["input_token_details"].(map[string]any)
				audio, _ := details["audio_tokens"].(float64)
				if math.Abs(audio-320) > 1 {
					t.Errorf("%s: %v positions", situation, audio)
				}
			}
			if !reflect.DeepEqual(got, c.want[i]) {
				text, _ := json.Marshal(got)
				t.Errorf("%s, item %d: %s", situation, i, text)
			}
		}
	}
}
