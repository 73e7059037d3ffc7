package whisper

import "testing"

func TestLikeliest(t *testing.T) {
	t.Parallel()
	type found struct {
		text   string
		sum    float64
		tokens int // more tokens, a better mean
	}
	for name, c := range map[string]struct {
		found []found
		cost  float64
		want  string
	}{
		"one text":                           {[]found{{"Section.", -3, 2}}, wordCost, "Section."},
		"the most probable":                  {[]found{{"Gown.", -1.5, 2}, {"Down.", -1.2, 2}}, wordCost, "Down."},
		"not the best mean":                  {[]found{{"In section.", -2.4, 3}, {"Section.", -2.1, 1}}, wordCost, "Section."},
		"a word more must be more probable":  {[]found{{"In section.", -2.4, 3}, {"Section.", -3.5, 2}}, wordCost, "Section."},
		"unless there is time for it":        {[]found{{"In section.", -2.4, 3}, {"Section.", -3.5, 2}}, 0, "In section."},
		"and is taken if it is":              {[]found{{"Undo that.", -0.6, 3}, {"Undo.", -3.5, 2}}, wordCost, "Undo that."},
		"spellings count together":           {[]found{{"America.", -1.2, 2}, {"american", -1.5, 1}, {"American.", -1.4, 2}, {"American!", -1.6, 2}}, wordCost, "American."},
		"a text of signs is the last choice": {[]found{{"...", -0.5, 1}, {"Own.", -4, 2}}, wordCost, "Own."},
		"or the only one":                    {[]found{{"...", -0.5, 1}, {"?", -4, 1}}, wordCost, "..."},
		"words of another script":            {[]found{{"Стоп.", -1, 2}, {"Столб.", -2, 2}}, wordCost, "Стоп."},
		"no probability at all":              {[]found{{"Section.", -2000, 2}}, wordCost, "Section."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all []branch
			for i, f := range c.found {
				b := branch{tokens: []int64{int64(i)}, sum: f.sum}
				for range f.tokens - 1 {
					b.tokens = append(b.tokens, -1)
				}
				all = append(all, b)
			}
			best := likeliest(all, c.cost, func(tokens []int64) string { return c.found[tokens[0]].text })
			if got := c.found[best.tokens[0]].text; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSounding(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, said, behind int // frames of 20 ms
		quiet                float32
		want                 int
	}{
		"silence":                {0, 0, 50, 0, 50 * frameSamples},
		"nothing":                {0, 0, 0, 0, 0},
		"a word alone":           {0, 30, 0, 0, 30 * frameSamples},
		"a word in a quiet room": {15, 30, 15, 0.001, 30 * frameSamples},
		"a word in a loud room":  {15, 30, 15, 0.05, 60 * frameSamples},
	} {
		var samples []float32
		for _, part := range []struct {
			frames int
			level  float32
		}{{c.before, c.quiet}, {c.said, 0.5}, {c.behind, c.quiet}} {
			for range part.frames * frameSamples {
				samples = append(samples, part.level)
			}
		}
		if got := sounding(samples); got != c.want {
			t.Errorf("%s: %d samples, want %d", name, got, c.want)
		}
	}
}
