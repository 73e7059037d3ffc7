package bench

import (
	"math"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// VotePiece is a piece as the accurate model decoded it, and the texts of both models in it; no ballot where there was no vote.
type VotePiece struct {
	Decoded speech.Decoded `json:"decoded"`
	Ballot  *vote.Ballot   `json:"ballot,omitempty"`
}

// VoteClip is a clip with the pieces that both models made of it. It can be stored as JSON.
type VoteClip struct {
	File      string      `json:"file"`
	Language  string      `json:"language,omitempty"`
	Reference string      `json:"reference"`
	Seconds   float64     `json:"seconds"`
	Pieces    []VotePiece `json:"pieces"`
	CPU       VoteCPU     `json:"cpu_seconds"`
}

// VoteCPU is processor time of the engines: for the text of each model, and for the scores of all differences.
type VoteCPU struct {
	Accurate       float64 `json:"accurate"`
	AccurateScores float64 `json:"accurate_scores"`
	Fast           float64 `json:"fast"`
	FastScores     float64 `json:"fast_scores"`
}

func (c VoteCPU) plus(o VoteCPU) VoteCPU {
	return VoteCPU{c.Accurate + o.Accurate, c.AccurateScores + o.AccurateScores, c.Fast + o.Fast, c.FastScores + o.FastScores}
}

func (c VoteCPU) over(seconds float64) VoteCPU {
	if seconds == 0 {
		return VoteCPU{}
	}
	return VoteCPU{c.Accurate / seconds, c.AccurateScores / seconds, c.Fast / seconds, c.FastScores / seconds}
}

// text is the text of the clip in which the fast model's words stand where take says so.
func (c *VoteClip) text(take func(*vote.Difference) bool) string {
	var t scout.Transcript
	joiner := speech.NewJoiner(speech.JoinerState{}, func(s scout.Segment) { t.Segments = append(t.Segments, s) })
	for _, p := range c.Pieces {
		d := p.Decoded
		if p.Ballot != nil {
			d.Words = p.Ballot.Words(take)
		} else {
			d.Words = slices.Clone(d.Words)
		}
		joiner.Add(d)
	}
	joiner.Finish()
	return t.Text()
}

// judgedDifference is a difference and how many errors fewer the clip has with the fast model's words there.
type judgedDifference struct {
	*vote.Difference
	gain int
}

// votedClip is a clip with what its differences are worth.
type votedClip struct {
	*VoteClip
	normaliser  Normaliser
	reference   []string
	accurate    Edits
	differences []judgedDifference
	known       map[string]Edits // of choices, by their text
}

// judge returns the edits of the clip with a choice.
func (c *votedClip) judge(take func(*vote.Difference) bool) Edits {
	text := c.text(take)
	if edits, ok := c.known[text]; ok {
		return edits
	}
	edits := CountEdits(c.reference, c.normaliser.Units(text, c.Language))
	c.known[text] = edits
	return edits
}

// VoteGroup is what the vote does to a group of clips. Rates are fractions.
type VoteGroup struct {
	Name  string `json:"name"`
	Files int    `json:"files"`
	Words int    `json:"words"`
	// Fast is the error rate of the fast model alone; of the accurate model it is in Change.Before, with the vote in Change.After.
	Fast   float64 `json:"wer_fast"`
	Change Change  `json:"change"`
	// Cross is the change with a rule that was learned without the clip, in ten folds, and Oracle the best that any choice could do.
	Cross  *Change `json:"change_cross_validated,omitempty"`
	Oracle float64 `json:"wer_oracle"`
	// Differences of the texts; in Opened of them the first key turned, in Taken both. Of those, the text got Better, Worse or neither.
	Differences int `json:"differences"`
	Opened      int `json:"opened"`
	Taken       int `json:"taken"`
	Better      int `json:"better"`
	Worse       int `json:"worse"`
}

// VoteReport is what the clips say about the vote.
type VoteReport struct {
	// Learned is the rule that the clips teach, Used the one that the groups are measured with.
	Learned vote.Rule `json:"learned"`
	Used    vote.Rule `json:"used"`
	// Groups are of short clips, of long ones and of all.
	Groups []VoteGroup `json:"groups"`
	// Around are error rates of all clips with other rules.
	Around []VoteAround `json:"around"`
	// CPU is processor time in seconds for each second of audio.
	CPU VoteCPU `json:"cpu_ratio"`
	// Each are the differences in which the words of the fast model were taken.
	Each []VoteTaken `json:"taken,omitempty"`
}

// VoteAround is a rule, and the error rates of short, long and all clips with it.
type VoteAround struct {
	Rule  vote.Rule `json:"rule"`
	Short float64   `json:"wer_short"`
	Long  float64   `json:"wer_long"`
	All   float64   `json:"wer_all"`
}

// VoteTaken is a difference in which the words of the fast model were taken. Gain is how many errors fewer there are.
type VoteTaken struct {
	File     string `json:"file"`
	Accurate string `json:"accurate"`
	Fast     string `json:"fast"`
	Gain     int    `json:"gain"`
}

// voteFolds is how often a rule is learned for the cross-validated rate.
const voteFolds = 10

// Votes learns a rule from clips and measures one: used, or the learned one if that is nil. Clips with the same reference are one
// clip in learning.
func Votes(clips []VoteClip, normaliser Normaliser, used *vote.Rule) *VoteReport {
	voted := make([]*votedClip, len(clips))
	weights := map[string]float64{} // of clips with a reference
	for i := range clips {
		voted[i] = votedOf(&clips[i], normaliser)
		weights[clips[i].Reference]++
	}
	weight := func(c *votedClip) float64 { return 1 / weights[c.Reference] }
	r := &VoteReport{Learned: learn(voted, weight)}
	r.Used = r.Learned
	if used != nil {
		r.Used = *used
	}
	fold := foldsOf(voted)
	rules := make([]vote.Rule, voteFolds)
	for k := range rules {
		rules[k] = learn(voted, func(c *votedClip) float64 {
			if fold[c.Reference] == k {
				return 0
			}
			return weight(c)
		})
	}
	cross := func(c *votedClip) vote.Rule { return rules[fold[c.Reference]] }
	if used != nil {
		cross = nil
	}
	short := func(c *votedClip) bool { return c.Seconds <= LongAudio.Seconds() }
	long := func(c *votedClip) bool { return !short(c) }
	all := func(*votedClip) bool { return true }
	for _, g := range []struct {
		name string
		in   func(*votedClip) bool
	}{{"short", short}, {"long", long}, {"all", all}} {
		r.Groups = append(r.Groups, voteGroupOf(g.name, voted, g.in, r.Used, cross))
	}
	for _, slope := range []float64{0.6, 0.8, 1} {
		for _, offset := range []float64{0, 0.4, 0.8, 1.2} {
			rule := vote.Rule{Slope: slope, Offset: offset}
			r.Around = append(r.Around, VoteAround{rule, rateWith(voted, short, rule), rateWith(voted, long, rule), rateWith(voted, all, rule)})
		}
	}
	var seconds float64
	for _, c := range voted {
		seconds += c.Seconds
		r.CPU = r.CPU.plus(c.CPU)
		for _, d := range c.differences {
			if r.Used.Takes(d.Difference) {
				r.Each = append(r.Each, takenOf(c, d))
			}
		}
	}
	r.CPU = r.CPU.over(seconds)
	return r
}

func takenOf(c *votedClip, d judgedDifference) VoteTaken {
	spelt := func(words []scout.Word) string {
		list := make([]string, len(words))
		for i := range words {
			list[i] = words[i].Text
		}
		return strings.Join(list, " ")
	}
	t := VoteTaken{File: c.File, Gain: d.gain}
	for _, p := range c.Pieces {
		if p.Ballot != nil && slices.Contains(p.Ballot.Differences, d.Difference) {
			t.Accurate, t.Fast = spelt(d.B.Of(p.Ballot.Accurate)), spelt(d.A.Of(p.Ballot.Fast))
		}
	}
	return t
}

// votedOf finds out what each difference of a clip is worth.
func votedOf(clip *VoteClip, normaliser Normaliser) *votedClip {
	c := &votedClip{VoteClip: clip, normaliser: normaliser, reference: normaliser.Units(clip.Reference, clip.Language), known: map[string]Edits{}}
	c.accurate = c.judge(func(*vote.Difference) bool { return false })
	for _, p := range clip.Pieces {
		if p.Ballot == nil {
			continue
		}
		for _, d := range p.Ballot.Differences {
			with := c.judge(func(o *vote.Difference) bool { return o == d })
			c.differences = append(c.differences, judgedDifference{d, c.accurate.Errors() - with.Errors()})
		}
	}
	return c
}

// foldsOf assigns references to folds, in turn.
func foldsOf(clips []*votedClip) map[string]int {
	fold := map[string]int{}
	for _, c := range clips {
		if _, ok := fold[c.Reference]; !ok {
			fold[c.Reference] = len(fold) % voteFolds
		}
	}
	return fold
}

// learn finds the line between differences in which the fast model is right and in which the accurate one is, by logistic regression
// on the two sums of log-probabilities. A difference counts by the errors that it is worth and by the weight of its clip. The rule
// keeps the second key out of it, which has no constant.
func learn(clips []*votedClip, weight func(*votedClip) float64) vote.Rule {
	const (
		lowest = -12 // below it a sum says no more
		rounds = 50
		ridge  = 1
	)
	var rows []voteRow
	for _, c := range clips {
		for _, d := range c.differences {
			if w := weight(c) * math.Abs(float64(d.gain)); w > 0 {
				fast := 0.0
				if d.gain > 0 {
					fast = 1
				}
				rows = append(rows, voteRow{[3]float64{1, max(d.Accurate, lowest), max(d.Fast, lowest)}, fast, w})
			}
		}
	}
	// Newton's method (iteratively reweighted least squares); the ridge keeps the two slopes finite.
	var b [3]float64
	for range rounds {
		var gradient [3]float64
		hessian := [3][3]float64{{}, {1: ridge}, {2: ridge}}
		gradient[1], gradient[2] = -ridge*b[1], -ridge*b[2]
		for _, row := range rows {
			p := 1 / (1 + math.Exp(-(b[0]*row.x[0] + b[1]*row.x[1] + b[2]*row.x[2])))
			for i := range 3 {
				gradient[i] += row.weight * (row.fast - p) * row.x[i]
				for k := range 3 {
					hessian[i][k] += row.weight * p * (1 - p) * row.x[i] * row.x[k]
				}
			}
		}
		step, ok := solve(hessian, gradient)
		if !ok {
			break
		}
		for i := range b {
			b[i] += step[i]
		}
	}
	if !(b[2] > 0) { // the fast model's probability says nothing: never
		return vote.Rule{Slope: 1, Offset: math.MaxFloat64}
	}
	return vote.Rule{Slope: -b[1] / b[2], Offset: -b[0] / b[2]}
}

// voteRow is a difference as learn sees it.
type voteRow struct {
	x      [3]float64 // 1, and the sums of the accurate and the fast model
	fast   float64    // 1 if the fast model is right, else 0
	weight float64
}

// solve returns x of a*x = b for a symmetric positive matrix, by Gaussian elimination.
func solve(a [3][3]float64, b [3]float64) (x [3]float64, ok bool) {
	for i := range 3 {
		if !(math.Abs(a[i][i]) > 1e-12) {
			return x, false
		}
		for k := i + 1; k < 3; k++ {
			f := a[k][i] / a[i][i]
			for j := i; j < 3; j++ {
				a[k][j] -= f * a[i][j]
			}
			b[k] -= f * b[i]
		}
	}
	for i := 2; i >= 0; i-- {
		x[i] = b[i]
		for j := i + 1; j < 3; j++ {
			x[i] -= a[i][j] * x[j]
		}
		x[i] /= a[i][i]
	}
	return x, true
}

func voteGroupOf(name string, clips []*votedClip, in func(*votedClip) bool, rule vote.Rule, cross func(*votedClip) vote.Rule) VoteGroup {
	g := VoteGroup{Name: name}
	var before, after, crossed, fast, oracle []share
	for _, c := range clips {
		if !in(c) {
			continue
		}
		g.Files++
		g.Words += c.accurate.Reference
		before = append(before, c.accurate.share())
		after = append(after, c.judge(rule.Takes).share())
		fast = append(fast, c.judge(func(*vote.Difference) bool { return true }).share())
		oracle = append(oracle, c.judge(c.gains).share())
		if cross != nil {
			other := cross(c)
			crossed = append(crossed, c.judge(other.Takes).share())
		}
		for _, d := range c.differences {
			g.Differences++
			if rule.Opens(d.Difference) {
				g.Opened++
			}
			if rule.Takes(d.Difference) {
				g.Taken++
				switch {
				case d.gain > 0:
					g.Better++
				case d.gain < 0:
					g.Worse++
				}
			}
		}
	}
	g.Change = voteChange(before, after)
	if cross != nil {
		c := voteChange(before, crossed)
		g.Cross = &c
	}
	g.Fast, g.Oracle = meanOf(fast), meanOf(oracle)
	return g
}

// gains reports whether the fast model's words are better in a difference, alone.
func (c *votedClip) gains(d *vote.Difference) bool {
	return slices.ContainsFunc(c.differences, func(j judgedDifference) bool { return j.Difference == d && j.gain > 0 })
}

func (e Edits) share() share { return share{float64(e.Errors()), float64(e.Reference)} }

func meanOf(shares []share) float64 {
	if rate := rateOf(shares); rate != nil {
		return rate.Value
	}
	return 0
}

func voteChange(before, after []share) Change {
	c := Change{Files: len(after), Before: meanOf(before), After: meanOf(after)}
	interval := pairedBootstrap(before, after)
	c.Delta = Rate{Value: c.After - c.Before, Interval: interval}
	return c
}

func rateWith(clips []*votedClip, in func(*votedClip) bool, rule vote.Rule) float64 {
	var shares []share
	for _, c := range clips {
		if in(c) {
			shares = append(shares, c.judge(rule.Takes).share())
		}
	}
	return meanOf(shares)
}
