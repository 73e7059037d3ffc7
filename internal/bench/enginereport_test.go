package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

func TestEngineReportVerdicts(t *testing.T) {
	t.Parallel()
	ms := func(n ...int) (out []time.Duration) {
		for _, v := range n {
			out = append(out, time.Duration(v)*time.Millisecond)
		}
		return out
	}
	var r EngineReport
	r.ratio(Figure{ID: "met", Name: "a ratio that is met", Bound: 0.48, Aim: 0.38}, ms(40, 41, 900), ms(100, 100, 100)) // medians: one slow round is no matter
	r.ratio(Figure{ID: "missed", Name: "a ratio that is missed", Bound: 0.48}, ms(50), ms(100))
	r.add(Figure{ID: "least", Name: "at least", Unit: UnitTimes, AtLeast: true, Value: 1.6, Bound: 1.5})
	r.add(Figure{ID: "too little", Name: "too little", Unit: UnitTimes, AtLeast: true, Value: 1.4, Bound: 1.5})
	r.add(Figure{ID: "free", Name: "without a bound", Unit: UnitMS, Value: 1e9})
	r.memory(Figure{ID: "size", Name: "a size", Bound: 130, Aim: 120}, 131_000_000, 0)
	want := []bool{true, false, true, false, true, false}
	for i, f := range r.Figures {
		if f.OK != want[i] {
			t.Errorf("%s: ok is %v", f.Name, f.OK)
		}
	}
	if got := r.Figures[0].Value; got != 0.41 {
		t.Errorf("ratio of medians %v", got)
	}
	var out strings.Builder
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "SHORT"); n != 3 || !strings.Contains(out.String(), "<= 130 MB") || !strings.Contains(out.String(), ">= 1.50") {
		t.Errorf("%d marked in\n%s", n, out.String())
	}
}

func TestLastWordsWrong(t *testing.T) {
	t.Parallel()
	result := &scout.Hypothesis{}
	for i, text := range []string{" one", " two", " three", "fold", " of", ","} {
		id := int32(i)
		if text == " of" {
			id = 310
		}
		result.Tokens = append(result.Tokens, scout.Token{ID: id, Text: text})
	}
	ids, kept := lastWordsWrong(result)
	if kept != 1 || ids[0] != 0 {
		t.Errorf("kept %d of %v", kept, ids)
	}
	for i := kept; i < len(ids); i++ {
		if ids[i] == result.Tokens[i].ID {
			t.Errorf("token %d is still right", i)
		}
	}
}
