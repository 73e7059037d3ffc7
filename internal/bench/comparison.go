package bench

// Comparison compares a run with a stored one.
type Comparison struct {
	// Short, Long and Total compare the files that both runs have.
	Short Change `json:"short"`
	Long  Change `json:"long"`
	Total Change `json:"total"`
	// RTF, Memory and Decode are after divided by before, 0 if one of them is not known. Decode is for the median.
	RTF float64 `json:"rtf_ratio"`
	// CPU is the same for the processor time of the engine: of all clips, of those under 10 s, and of long ones.
	CPU      float64 `json:"cpu_ratio,omitempty"`
	CPUBrief float64 `json:"cpu_ratio_under_10_s,omitempty"`
	CPULong  float64 `json:"cpu_ratio_long,omitempty"`
	// Characters compares the files that are counted in characters; the groups above leave them out.
	Characters *Change `json:"characters,omitempty"`
	// Languages compares each language; a Change has the rate in the unit of its language.
	Languages map[string]Change `json:"languages,omitempty"`
	Memory    float64           `json:"memory_ratio"`
	Decode    float64           `json:"decode_ratio"`
	// OnlyBefore and OnlyAfter name the files that the other run does not have.
	OnlyBefore []string `json:"only_before,omitempty"`
	OnlyAfter  []string `json:"only_after,omitempty"`
}

// briefAudio is the length in seconds below which a clip counts as brief.
const briefAudio = 10

// Change is the change of the error rate of a group of files.
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
	words := func(in func(File) bool) Change {
		return change(func(f File) bool { return f.Unit != InCharacters && in(f) })
	}
	long := func(f File) bool { return f.Audio > LongAudio.Seconds() }
	everything := func(File) bool { return true }
	c.Short = words(func(f File) bool { return f.Audio > 0 && !long(f) })
	c.Long = words(long)
	c.Total = words(everything)
	if characters := change(func(f File) bool { return f.Unit == InCharacters }); characters.Files > 0 {
		c.Characters = &characters
	}
	for _, l := range r.Languages {
		if l.Language == "" {
			continue
		}
		if c.Languages == nil {
			c.Languages = map[string]Change{}
		}
		c.Languages[l.Language] = change(func(f File) bool { return f.Language == l.Language })
	}
	processor := func(in func(File) bool) float64 {
		var before, after float64
		for _, p := range pairs {
			if in(p.after) && p.before.CPU > 0 && p.after.CPU > 0 && p.before.Error == nil && p.after.Error == nil {
				before, after = before+p.before.CPU, after+p.after.CPU
			}
		}
		return ratio(before, after)
	}
	c.CPU, c.CPULong = processor(everything), processor(long)
	c.CPUBrief = processor(func(f File) bool { return f.Audio > 0 && f.Audio < briefAudio })
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
