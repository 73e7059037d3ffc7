package wire_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

func TestResultBecomesAHypothesis(t *testing.T) {
	t.Parallel()
	start, end, odds := float32(250), float32(500.5), float32(-0.5)
	from, to, wide := 250*time.Millisecond, 500500*time.Microsecond, -0.5
	likely, probable, impossible := float32(0.75), 0.75, float32(1.5)
	for name, c := range map[string]struct {
		result wire.Result
		want   scout.Hypothesis
	}{
		"all that a backend may tell": {
			wire.Result{
				Text: "ask not", Stop: wire.StopEnd, EndLogProb: &odds, Agreed: 2, Again: []wire.AgainReason{wire.AgainRepeats, wire.AgainLength}, DecodeMS: 1.5, EncodeMS: 0.5,
				Language: "haw", LanguageProb: &likely, NoSpeech: &likely, AudioTokens: 40, PromptTokens: 3,
				Tokens: []wire.Token{{ID: 7, Text: " ask", LogProb: &odds, StartMS: &start}, {ID: -1}},
				Words:  []wire.Word{{Text: "ask", StartMS: &start, EndMS: &end, LogProb: &odds, Tokens: []wire.WordToken{{Bytes: []byte(" ask"), LogProb: -0.5}}}, {Text: "not"}},
			},
			scout.Hypothesis{
				Text: "ask not", Stop: scout.StopEnd, EndLogProb: &wide, Agreed: 2, Again: []scout.AgainReason{scout.AgainRepeats, scout.AgainLength},
				Language: "haw", LanguageProb: &probable, NoSpeech: &probable, AudioTokens: 40, PromptTokens: 3,
				DecodeTime: 1500 * time.Microsecond, EncodeTime: 500 * time.Microsecond,
				Tokens: []scout.Token{{ID: 7, Text: " ask", LogProb: &wide, Start: &from}, {ID: -1}},
				Words:  []scout.Word{{Text: "ask", Start: &from, End: &to, LogProb: &wide, Tokens: []scout.WordToken{{Bytes: []byte(" ask"), LogProb: -0.5}}}, {Text: "not"}},
			},
		},
		"scores":       {wire.Result{Scores: []wire.ChangeScore{{Own: -1, Other: -2}}}, scout.Hypothesis{Changes: []scout.ChangeScore{{Own: -1, Other: -2}}}},
		"a text alone": {wire.Result{Text: "ask", Stop: wire.StopLength}, scout.Hypothesis{Text: "ask", Stop: scout.StopLength}},
		"more tokens than steps": {
			wire.Result{Tokens: []wire.Token{{ID: 7}}, Words: []wire.Word{{Text: "a", Tokens: []wire.WordToken{{Bytes: []byte("a")}}}, {Text: "b", Tokens: []wire.WordToken{{Bytes: []byte("b")}}}}},
			scout.Hypothesis{Tokens: []scout.Token{{ID: 7}}, Words: []scout.Word{{Text: "a"}, {Text: "b"}}},
		},
		"a token without bytes": {
			wire.Result{Tokens: []wire.Token{{ID: 7}}, Words: []wire.Word{{Text: "a", Tokens: []wire.WordToken{{}}}}},
			scout.Hypothesis{Tokens: []scout.Token{{ID: 7}}, Words: []scout.Word{{Text: "a"}}},
		},
		"a token of too many bytes": {
			wire.Result{Tokens: []wire.Token{{ID: 7}}, Words: []wire.Word{{Text: "a", Tokens: []wire.WordToken{{Bytes: make([]byte, 257)}}}}},
			scout.Hypothesis{Tokens: []scout.Token{{ID: 7}}, Words: []scout.Word{{Text: "a"}}},
		},
		"probabilities that are none": {wire.Result{LanguageProb: &impossible, NoSpeech: &odds}, scout.Hypothesis{}},
		"counts that are none":        {wire.Result{AudioTokens: -1, PromptTokens: 1 << 30}, scout.Hypothesis{}},
		"a language that is no code":  {wire.Result{Language: "../en"}, scout.Hypothesis{}},
		"a language of one letter":    {wire.Result{Language: "e"}, scout.Hypothesis{}},
		"reasons that are none":       {wire.Result{Again: []wire.AgainReason{"bored", wire.AgainDoubtful, ""}}, scout.Hypothesis{Again: []scout.AgainReason{scout.AgainDoubtful}}},
		"too many reasons":            {wire.Result{Again: slices.Repeat([]wire.AgainReason{wire.AgainLength}, 1000)}, scout.Hypothesis{Again: slices.Repeat([]scout.AgainReason{scout.AgainLength}, 8)}},
		"repeats":                     {wire.Result{Stop: wire.StopRepeats}, scout.Hypothesis{Stop: scout.StopRepeats}},
		"nothing":                     {wire.Result{}, scout.Hypothesis{}},
	} {
		if got := c.result.Hypothesis(); !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, *got, c.want)
		}
	}
}
