package bench

// Comparison compares a run with a stored one.
type Comparison struct {
	// Short, Long and Total compare the files that both runs have.
	Short Change `json:"short"`
	Long  Change `json:"long"`
	Total Change `json:"total"`
	// RTF, Memory and Decode are after divided by before, 0 if one of them is not known. Decode is for the median.
	RTF    float64 `json:"rtf_ratio"`
	Memory float64 `json:"memory_ratio"`
	Decode float64 `json:"decode_ratio"`
	// OnlyBefore and OnlyAfter name the files that the other run does not have.
	OnlyBefore []string `json:"only_before,omitempty"`
	OnlyAfter  []string `json:"only_after,omitempty"`
}

// Change is the change of the word error rate of a group of files.
type Change struct {
	Files  int     `json:"files"`
	Before float64 `json:"wer_before"`
	After  float64 `json:"wer_after"`
	// Delta is After - Before, with its 95 % interval over files. If the interval contains 0, the change may be chance.
	Delta Rate `json:"delta"`
}

// Against compares r with a stored run. Files are matched by name; a file whose reference changed in between counts as
// another file.
func (r *Report) Against(baseline *Report) Comparison {
	var c Comparison
	before := make(map[string]File, len(baseline.Files))
	for _, f := range baseline.Files {
		before[f.File] = f
	}
	type pair struct{ before, after File }
	var pairs []pair
	matched := map[string]bool{}
	for _, f := range r.Files {
		if b, ok := before[f.File]; ok && b.Reference == f.Reference {
			pairs = append(pairs, pair{b, f})
			matched[f.File] = true
			continue
		}
		c.OnlyAfter = append(c.OnlyAfter, f.File)
	}
	for _, f := range baseline.Files {
		if !matched[f.File] {
			c.OnlyBefore = append(c.OnlyBefore, f.File)
		}
	}
	change := func(in func(File) bool) Change {
		var b, a []share
		for _, p := range pairs {
			if in(p.after) {
				b, a = append(b, p.before.words()), append(a, p.after.words())
			}
		}
		out := Change{Files: len(a)}
		if rate := rateOf(b); rate != nil {
			out.Before = rate.Value
		}
		if rate := rateOf(a); rate != nil {
			out.After = rate.Value
			out.Delta = Rate{Value: out.After - out.Before, Interval: pairedBootstrap(b, a)}
		}
		return out
	}
	c.Short = change(func(f File) bool { return f.Audio > 0 && f.Audio <= LongAudio.Seconds() })
	c.Long = change(func(f File) bool { return f.Audio > LongAudio.Seconds() })
	c.Total = change(func(File) bool { return true })
	c.RTF = ratio(baseline.Total.RTF, r.Total.RTF)
	c.Decode = ratio(baseline.Decodes.P50, r.Decodes.P50)
	if baseline.Memory != nil && r.Memory != nil {
		c.Memory = ratio(float64(baseline.Memory.Peak), float64(r.Memory.Peak))
	}
	return c
}

func ratio(before, after float64) float64 {
	if before <= 0 {
		return 0
	}
	return after / before
}
