package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// LiveSeconds are the second passes of a group.
type LiveSeconds struct {
	// Outcomes counts what became of them.
	Outcomes map[string]int `json:"outcomes"`
	// StopToSecond is from the stop to the accurate text, where there is one. StopToInsert is from the stop to the text that is inserted
	// with insert.wait at InsertWait: the accurate one, in Inserted dictations, or else the first one when that wait is over.
	StopToSecond Spread `json:"stop_to_second_ms"`
	StopToInsert Spread `json:"stop_to_insert_ms"`
	Inserted     int    `json:"inserted"`
	// Words compares the texts after the second pass with what was said, First those of the first pass of the same dictations, Single
	// those of a single pass of the accurate model; absent if that is not known.
	Words  *LiveWords `json:"words,omitempty"`
	First  *LiveWords `json:"first,omitempty"`
	Single *LiveWords `json:"single,omitempty"`
}

// InsertWait is the default of the setting insert.wait.
const InsertWait = 400 * time.Millisecond

// LiveSecond is what the second pass made of a dictation.
type LiveSecond struct {
	// Outcome is as in docs/formats/live-events.md. StopToText is from the stop to the text, or to when it was known that there is none.
	Outcome    string        `json:"outcome"`
	StopToText time.Duration `json:"stop_to_text_ns"`
	// Edits compares the text after the second pass with what was said, First that of the first pass, Single that of the accurate model
	// in a single pass. They are nil if what was said is not known.
	Edits  *Edits `json:"edits,omitempty"`
	First  *Edits `json:"first,omitempty"`
	Single *Edits `json:"single,omitempty"`
	Text   string `json:"text"`
}

// accurate reports whether the text is what an accurate model heard.
func (s *LiveSecond) accurate() bool { return s.Outcome == "published" || s.Outcome == "same" }

// inserted is when a text is inserted, after the stop, and whether it is the accurate one. final is when the first one came.
func (s *LiveSecond) inserted(final time.Duration) (after time.Duration, accurate bool) {
	if s.StopToText <= final+InsertWait {
		return s.StopToText, s.accurate()
	}
	return final + InsertWait, false
}

// secondsOf are the second passes of dictations, nil if there were none.
func secondsOf(takes []*LiveTake) *LiveSeconds {
	r := LiveSeconds{Outcomes: map[string]int{}}
	var second, insert []time.Duration
	for _, t := range takes {
		s := t.Second
		if s == nil {
			continue
		}
		r.Outcomes[s.Outcome]++
		after, accurate := s.inserted(t.StopToText)
		if insert = append(insert, after); accurate {
			r.Inserted++
		}
		if s.accurate() {
			second = append(second, s.StopToText)
		}
		for _, words := range []struct {
			of   *Edits
			into **LiveWords
		}{{s.Edits, &r.Words}, {s.First, &r.First}, {s.Single, &r.Single}} {
			if words.of == nil {
				continue
			}
			if *words.into == nil {
				*words.into = &LiveWords{}
			}
			(*words.into).add(*words.of)
		}
	}
	if len(r.Outcomes) == 0 {
		return nil
	}
	r.StopToSecond, r.StopToInsert = SpreadOf(second), SpreadOf(insert)
	return &r
}

// secondFigures are the figures of second passes.
func (r *LiveReport) secondFigures(add func(Figure)) {
	const late, mostWrong, aimWrong, gain = 700, 9, 8, -0.5
	inserted, passes := 0, 0
	var first, second LiveWords
	for i := range r.Groups {
		g := &r.Groups[i]
		s := g.Second
		if s == nil {
			continue
		}
		if s.First != nil && s.Words != nil && usual(g.Name) {
			first.add(s.First.Words)
			second.add(s.Words.Words)
		}
		switch g.Name {
		case Group2s, Group10s, Group60s:
			inserted, passes = inserted+s.Inserted, passes+s.StopToInsert.Count
		}
		f := Figure{
			ID: "stop_to_second_" + slug(g.Name), Name: "stop to accurate text, " + g.Name + ", p95", Unit: UnitMS, Value: s.StopToSecond.P95, Bound: late,
			Detail: fmt.Sprintf("n %d of %d, p50 %.0f, longest %.0f ms; tail p50 %.1f s", s.StopToSecond.Count, s.StopToInsert.Count, s.StopToSecond.P50, s.StopToSecond.Max, g.Tail.P50/1000),
		}
		if Long(g.Name) {
			f.Name, f.Value = "stop to accurate text, "+g.Name+", longest", s.StopToSecond.Max
		}
		if s.StopToSecond.Count > 0 {
			add(f)
		}
		if s.Words != nil && s.First != nil && Long(g.Name) {
			add(Figure{
				ID: longID("second_wer", g.Name), Name: "WER of the second version, " + g.Name, Unit: UnitShare, Value: 100 * s.Words.WER, Bound: mostWrong, Aim: aimWrong,
				Detail: fmt.Sprintf("%d words; first version %.2f %%", s.Words.Words.Reference, 100*s.First.WER),
			})
		}
		if s.Words != nil && s.Single != nil {
			add(Figure{
				ID: longID("second_points", g.Name), Name: "WER of the second version minus scout transcribe --effort normal, " + g.Name, Unit: UnitPoints, Value: 100 * (s.Words.WER - s.Single.WER), Bound: 0.5,
				Detail: fmt.Sprintf("%.2f %% and %.2f %% of the same %d words", 100*s.Words.WER, 100*s.Single.WER, s.Words.Words.Reference),
			})
		}
	}
	if first.Words.Reference > 0 {
		add(Figure{
			ID: "second_gain", Name: "WER of the second version minus the first", Unit: UnitPoints, Value: 100 * (second.WER - first.WER), Bound: gain,
			Detail: fmt.Sprintf("%.2f %% and %.2f %% of %d words in dictations of all lengths", 100*second.WER, 100*first.WER, first.Words.Reference),
		})
	}
	if passes > 0 {
		const least = 80
		add(Figure{
			ID: "inserted_accurate", Name: "dictations of 2 to 60 s that insert the accurate text", Unit: UnitShare, Value: 100 * float64(inserted) / float64(passes), Bound: least, AtLeast: true,
			Detail: fmt.Sprintf("%d of %d, %s after the event final at most", inserted, passes, InsertWait),
		})
	}
}

// writeSecond writes what the second passes did.
func (r *LiveReport) writeSecond(t *table) {
	if !slices.ContainsFunc(r.Groups, func(g LiveGroup) bool { return g.Second != nil }) {
		return
	}
	t.line("dictation\tsecond passes\tstop to second p50\tp95\tmax\tstop to insert p50\tp95\taccurate inserted\tWER first\tsecond\taccurate alone\t")
	wer := func(w *LiveWords) string {
		if w == nil {
			return "-"
		}
		return fmt.Sprintf("%.2f %%", 100*w.WER)
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		s := g.Second
		if s == nil {
			continue
		}
		var outcomes []string
		for outcome, n := range s.Outcomes {
			outcomes = append(outcomes, fmt.Sprintf("%d %s", n, outcome))
		}
		slices.Sort(outcomes)
		t.line("%s\t%s\t%.0f ms\t%.0f\t%.0f\t%.0f ms\t%.0f\t%d of %d\t%s\t%s\t%s\t", g.Name, strings.Join(outcomes, ", "), s.StopToSecond.P50, s.StopToSecond.P95, s.StopToSecond.Max,
			s.StopToInsert.P50, s.StopToInsert.P95, s.Inserted, s.StopToInsert.Count, wer(s.First), wer(s.Words), wer(s.Single))
	}
	t.line("")
}
