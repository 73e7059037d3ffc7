package forced_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/forced"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// letters is a model whose tokens are characters. A token is the likelier the less often it was there before, and its cache holds what
// was forced last.
type letters struct {
	cache []int64
	runs  []int // tokens of each run
}

const end = 0

func (*letters) Encode(text string) []int64 {
	var tokens []int64
	for _, r := range text {
		tokens = append(tokens, int64(r))
	}
	return tokens
}

func (*letters) End() int64 { return end }

func (l *letters) Force(text []int64, at int) ([]float32, error) {
	l.cache = append(l.cache[:at:at], text[at:]...)
	l.runs = append(l.runs, len(text)-at)
	var logprobs []float32
	for i := at; i < len(l.cache); i++ {
		logprobs = append(logprobs, logProb(l.cache[:i], l.cache[i]))
	}
	return logprobs, nil
}

// logProb is -1 for a token that is new, less for each time that it was there before, and none for a star.
func logProb(before []int64, token int64) float32 {
	if token == '*' {
		return float32(math.Inf(-1))
	}
	n := float32(1)
	for _, b := range before {
		if b == token {
			n++
		}
	}
	return -n
}

// alone is the sum over the last tokens of a text, from its beginning.
func alone(text string, from, until int) (sum float64) {
	tokens := append((&letters{}).Encode(text), end)
	for i := from; i < min(until, len(tokens)); i++ {
		sum += float64(logProb(tokens[:i], tokens[i]))
	}
	return sum
}

func TestScores(t *testing.T) {
	t.Parallel()
	known := "we go on" // encoded with a space before each word
	for situation, c := range map[string]struct {
		change     wire.Change
		own, other float64
	}{
		"another word":        {wire.Change{From: 1, To: 2, Words: []string{"run"}}, alone(" "+known, 3, 6+3), alone(" we run on", 3, 7+3)},
		"no word":             {wire.Change{From: 1, To: 2}, alone(" "+known, 3, 6+3), alone(" we on", 3, 3+3)},
		"one more":            {wire.Change{From: 1, To: 1, Words: []string{"do"}}, alone(" "+known, 3, 3+3), alone(" we do go on", 3, 6+3)},
		"at the beginning":    {wire.Change{From: 0, To: 1, Words: []string{"You", "all"}}, alone(" "+known, 0, 3+3), alone(" You all go on", 0, 8+3)},
		"the last word":       {wire.Change{From: 2, To: 3, Words: []string{"home"}}, alone(" "+known, 6, 10), alone(" we go home", 6, 12)},
		"after the last word": {wire.Change{From: 3, To: 3, Words: []string{"now"}}, alone(" "+known, 9, 10), alone(" we go on now", 9, 14)},
		"the same words":      {wire.Change{From: 1, To: 3, Words: []string{"go", "on"}}, alone(" "+known, 3, 10), alone(" "+known, 3, 10)},
		"a word that the model may not say": {wire.Change{From: 1, To: 2, Words: []string{"*"}}, alone(" "+known, 3, 6+3), //
			float64(logProb([]int64{' '}, ' ')) + forced.Least + alone(" we * on", 5, 8)},
	} {
		// Whatever is asked besides, in whatever order.
		request := &wire.Score{Words: strings.Fields(known), Behind: 3, Changes: []wire.Change{
			{From: 0, To: 3, Words: []string{"zzz"}}, c.change, {From: 2, To: 3, Words: []string{"off", "there"}},
		}}
		if err := forced.Check(request); err != nil {
			t.Fatal(err)
		}
		model := &letters{}
		got, err := forced.Scores(context.Background(), model, request, 20)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || math.Abs(got[1].Own-c.own) > 1e-5 || math.Abs(got[1].Other-c.other) > 1e-5 {
			t.Errorf("%s: %+v, want %v and %v", situation, got, c.own, c.other)
		}
		if model.runs[0] != 10 || len(model.runs) != 4 {
			t.Errorf("%s: runs of %v tokens: the known text is to be run once", situation, model.runs)
		}
	}
}

func TestTextsOfOtherScriptsHaveNoSpaces(t *testing.T) {
	t.Parallel()
	model := &letters{}
	if _, err := forced.Scores(context.Background(), model, &wire.Score{Words: []string{"你", "好"}}, 20); err != nil {
		t.Fatal(err)
	}
	if got := string([]rune{rune(model.cache[0]), rune(model.cache[1]), rune(model.cache[2])}); got != " 你好" && got != "你好\x00" {
		t.Errorf("%q", got)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	for situation, s := range map[string]*wire.Score{
		"before the first word": {Words: []string{"a"}, Changes: []wire.Change{{From: -1, To: 0}}},
		"after the last word":   {Words: []string{"a"}, Changes: []wire.Change{{From: 0, To: 2}}},
		"backwards":             {Words: []string{"a"}, Changes: []wire.Change{{From: 1, To: 0}}},
		"a number below 0":      {Words: []string{"a"}, Behind: -1},
		"too many words":        {Words: make([]string, forced.MostWords+1)},
		"too many changes":      {Changes: make([]wire.Change, forced.Most+1)},
		"a change too long":     {Changes: []wire.Change{{Words: make([]string, forced.MostWords+1)}}},
	} {
		if err := forced.Check(s); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v", situation, err)
		}
	}
	for situation, s := range map[string]*wire.Score{
		"the text is too long":   {Words: []string{"123456789"}},
		"a change makes it long": {Words: []string{"1"}, Changes: []wire.Change{{From: 1, To: 1, Words: []string{"23456789"}}}},
	} {
		if _, err := forced.Scores(context.Background(), &letters{}, s, 10); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v", situation, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := forced.Scores(ctx, &letters{}, &wire.Score{Words: []string{"a"}, Changes: []wire.Change{{}}}, 10); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("after the end of its context: %v", err)
	}
}
