// Package turns measures the search for turns of realtime sessions: on the pauses of real speech, alone and with noise, and on noise alone.
package turns

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/noise"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// Clip is speech with its words.
type Clip struct {
	Samples []float32
	Words   []scout.Word
}

// Sound is sound without words.
type Sound struct {
	Name    string
	Samples []float32
}

// Rule is a way to find turns.
type Rule struct {
	Name string
	How  realtime.Detection
}

// Rules are those of the protocol, and variants of them.
func Rules() (all []Rule) {
	add := func(name string, threshold float64, silence, afterSentence time.Duration) {
		all = append(all, Rule{name, realtime.Detection{Threshold: threshold, Prefix: 300 * time.Millisecond, Silence: silence, AfterSentence: afterSentence}})
	}
	for _, silence := range []int{200, 500, 800, 1200} {
		add(fmt.Sprintf("server_vad %d ms", silence), 0.5, time.Duration(silence)*time.Millisecond, 0)
	}
	add("server_vad 500 ms, threshold 0", 0, 500*time.Millisecond, 0)
	add("server_vad 500 ms, threshold 1", 1, 500*time.Millisecond, 0)
	add("semantic_vad high", 0.5, 2*time.Second, 800*time.Millisecond)
	add("semantic_vad auto", 0.5, 4*time.Second, 1200*time.Millisecond)
	add("semantic_vad low", 0.5, 8*time.Second, 2*time.Second)
	add("semantic_vad auto, 300 ms after a sentence", 0.5, 4*time.Second, 300*time.Millisecond)
	return all
}

// Report is what was measured.
type Report struct {
	// Within and Between are the pauses within sentences and between them.
	Within  bench.Spread `json:"pauses_within_sentences"`
	Between bench.Spread `json:"pauses_between_sentences"`
	Clips   int          `json:"clips"`
	Found   []Found      `json:"found"`
}

// Found is what a rule found in all clips.
type Found struct {
	Rule string `json:"rule"`
	// SNR is the ratio of speech to the noise that was mixed in, in dB; 0 for none.
	SNR float64 `json:"snr,omitempty"`
	// Turns were found. Cuts lie between two words of a sentence, and Inside in a word.
	Turns  int `json:"turns"`
	Cuts   int `json:"cuts"`
	Inside int `json:"inside"`
	// Missed are clips without a turn, Unended those whose last turn did not end.
	Missed  int `json:"missed"`
	Unended int `json:"unended"`
	// Began is how long after its first word a turn was found, Ended how long after its last word it ended.
	Began bench.Spread `json:"began"`
	Ended bench.Spread `json:"ended"`
	// Empty is how many turns a minute of sound without words has.
	Empty float64 `json:"empty_a_minute"`
}

const (
	// lag is how far the engine is behind the sound.
	lag = 400 * time.Millisecond
	// tail is how much of its background follows a clip.
	tail = 10 * time.Second
	// before is how much of it precedes a clip.
	before = 2 * time.Second
)

// Measure searches for the turns of the clips with each rule, alone and with each sound at each ratio, and for turns in the sounds.
func Measure(clips []Clip, sounds []Sound, ratios []float64) Report {
	report := Report{Clips: len(clips)}
	var within, between []time.Duration
	for _, c := range clips {
		for i := 1; i < len(c.Words); i++ {
			a, b := &c.Words[i-1], &c.Words[i]
			if a.End == nil || b.Start == nil || *b.Start-*a.End < 100*time.Millisecond {
				continue
			}
			if pause := *b.Start - *a.End; sentence.Ends([]string{a.Text, b.Text}, 0) {
				between = append(between, pause)
			} else {
				within = append(within, pause)
			}
		}
	}
	report.Within, report.Between = bench.SpreadOf(within), bench.SpreadOf(between)
	for _, rule := range Rules() {
		for _, snr := range append([]float64{0}, ratios...) {
			f := tally{found: Found{Rule: rule.Name, SNR: snr}}
			for i, c := range clips {
				surrounded := surround(c)
				if snr != 0 && len(sounds) > 0 {
					surrounded.Samples = noise.Mix(surrounded.Samples, sounds[i%len(sounds)].Samples, snr)
				}
				f.clip(surrounded, rule.How)
			}
			if snr == 0 {
				f.sounds(sounds, rule.How)
			}
			report.Found = append(report.Found, f.result())
		}
	}
	return report
}

// surround puts a clip into its own background: its quietest half second, again and again.
func surround(c Clip) Clip {
	const half = scout.EngineSampleRateHz / 2
	levels := realtime.Levels(c.Samples)
	per := half / int(realtime.HopFrames)
	quietest, at := 0.0, 0
	for i := 0; i+per <= len(levels); i++ {
		if loudest := slices.Max(levels[i : i+per]); i == 0 || loudest < quietest {
			quietest, at = loudest, i
		}
	}
	from := at * int(realtime.HopFrames)
	quiet := c.Samples[from:min(from+half, len(c.Samples))]
	room := func(length time.Duration) (all []float32) {
		for n := int(length.Seconds() * scout.EngineSampleRateHz); len(all) < n; {
			all = append(all, quiet...)
		}
		return all
	}
	lead := room(before)
	shift := time.Duration(len(lead)) * time.Second / scout.EngineSampleRateHz
	s := Clip{Samples: slices.Concat(lead, c.Samples, room(tail))}
	for _, w := range c.Words {
		if w.Start == nil || w.End == nil {
			continue
		}
		start, end := *w.Start+shift, *w.End+shift
		s.Words = append(s.Words, scout.Word{Text: w.Text, Start: &start, End: &end})
	}
	return s
}

type tally struct {
	found        Found
	began, ended []time.Duration
	empty        int
	silent       time.Duration
}

func at(d time.Duration) int64 { return int64(d) * scout.EngineSampleRateHz / int64(time.Second) }

func since(frames int64) time.Duration {
	return time.Duration(frames) * time.Second / scout.EngineSampleRateHz
}

// clip searches for the turns of a clip.
func (t *tally) clip(c Clip, how realtime.Detection) {
	turns := realtime.NewTurns(how)
	item, first, found := int64(0), 0, 0 // where the item begins, and its first word
	for i, level := range realtime.Levels(c.Samples) {
		to := int64(i+1) * realtime.HopFrames
		said := realtime.Spoken{Heard: max(item, to-at(lag))}
		for n := first; n < len(c.Words) && at(*c.Words[n].End) <= said.Heard; n++ {
			if !said.Any {
				said.Any, said.First = true, at(*c.Words[n].Start)
			}
			said.Last, said.Ends = at(*c.Words[n].End), true // the model ends every text with a full stop
		}
		switch change, _ := turns.Hear(to, level, item, said); change {
		case realtime.TurnBegins:
			if found++; first < len(c.Words) {
				t.began = append(t.began, since(to-at(*c.Words[first].Start)))
			}
		case realtime.TurnEnds:
			t.ends(&c, to, first)
			for first < len(c.Words) && at(*c.Words[first].Start) < to {
				first++
			}
			item = to
		case realtime.TurnNone:
		}
	}
	t.found.Turns += found
	switch {
	case found == 0 && len(c.Words) > 0:
		t.found.Missed++
	case turns.Open():
		t.found.Unended++
	}
}

// ends judges the end of a turn.
func (t *tally) ends(c *Clip, to int64, first int) {
	last := first
	for last < len(c.Words) && at(*c.Words[last].Start) < to {
		last++
	}
	if last == first {
		return // a turn without words
	}
	w := &c.Words[last-1]
	switch {
	case at(*w.End) > to+at(100*time.Millisecond):
		t.found.Inside++
	case last < len(c.Words) && !sentence.Ends([]string{w.Text, c.Words[last].Text}, 0):
		t.found.Cuts++
	}
	t.ended = append(t.ended, since(to-at(*w.End)))
}

// sounds searches for turns where nobody speaks.
func (t *tally) sounds(all []Sound, how realtime.Detection) {
	for _, s := range all {
		turns := realtime.NewTurns(how)
		for i, level := range realtime.Levels(s.Samples) {
			to := int64(i+1) * realtime.HopFrames
			if change, _ := turns.Hear(to, level, 0, realtime.Spoken{Heard: to - at(lag)}); change == realtime.TurnBegins {
				t.empty++
			}
		}
		t.silent += since(int64(len(s.Samples)))
	}
}

func (t *tally) result() Found {
	f := t.found
	f.Began, f.Ended = bench.SpreadOf(t.began), bench.SpreadOf(t.ended)
	if t.silent > 0 {
		f.Empty = float64(t.empty) / t.silent.Minutes()
	}
	return f
}

// WriteTable prints the report.
func (r *Report) WriteTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	pause := func(name string, s bench.Spread) {
		_, _ = fmt.Fprintf(w, "pauses %s\tn %d\tp50 %.0f\tp95 %.0f\tp99 %.0f\tlongest %.0f ms\n", name, s.Count, s.P50, s.P95, s.P99, s.Max)
	}
	pause("within sentences", r.Within)
	pause("between sentences", r.Between)
	_, _ = fmt.Fprintf(w, "\nrule, %d clips\tSNR\tturns\tcuts in sentences\tin words\tmissed\tunended\tbegan p50, p95 ms\tended p50, p95 ms\tempty a minute\n", r.Clips)
	for _, f := range r.Found {
		snr, empty := "-", "-"
		if f.SNR != 0 {
			snr = fmt.Sprintf("%.0f dB", f.SNR)
		} else {
			empty = fmt.Sprintf("%.1f", f.Empty)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.0f, %.0f\t%.0f, %.0f\t%s\n", f.Rule, snr, f.Turns, f.Cuts, f.Inside, f.Missed, f.Unended, f.Began.P50, f.Began.P95, f.Ended.P50, f.Ended.P95, empty)
	}
	return w.Flush()
}
