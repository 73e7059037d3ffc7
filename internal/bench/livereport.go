package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// liveSchema is the version of the JSON form of a LiveReport: docs/formats/bench.md.
const liveSchema = 1

// StopMoment is where in the speech a dictation is stopped.
type StopMoment string

// The moments: inside a word, or so many milliseconds after the last word.
const (
	StopMidWord   StopMoment = "mid_word"
	StopAfter0    StopMoment = "after_0_ms"
	StopAfter100  StopMoment = "after_100_ms"
	StopAfter300  StopMoment = "after_300_ms"
	StopAfter1000 StopMoment = "after_1000_ms"
)

// StopMoments returns all moments, and how long after the end of the last word each is; negative for inside a word.
func StopMoments() ([]StopMoment, map[StopMoment]time.Duration) {
	return []StopMoment{StopMidWord, StopAfter0, StopAfter100, StopAfter300, StopAfter1000}, map[StopMoment]time.Duration{
		StopMidWord: -1, StopAfter0: 0, StopAfter100: 100 * time.Millisecond, StopAfter300: 300 * time.Millisecond, StopAfter1000: time.Second,
	}
}

// LiveReport is how well live text did. scout-bench live and live-decode share it.
type LiveReport struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Setup   Setup     `json:"setup"`
	// Clock is how time was measured: "elapsed", or "cpu" for a simulated clock on which a decode takes the processor
	// time of the engine.
	Clock string `json:"clock"`
	// Groups are the dictations by length, in the order of length.
	Groups []LiveGroup `json:"dictations"`
	// FirstPartial is from the end of the first word to the first text; Commit from the end of a word to when it was
	// committed, for words committed before the stop.
	FirstPartial Spread `json:"first_partial_ms"`
	Commit       Spread `json:"commit_ms"`
	// Committed words, and how many of these changed later.
	Committed int `json:"committed_words"`
	Changed   int `json:"changed_words"`
	// Flicker is how many words of partial text were changed or removed, for each word of the final text.
	Flicker float64 `json:"flicker"`
	// CPUShare is the processor time of the engine over the length of all dictations.
	CPUShare float64 `json:"cpu_share"`
	// Live and Single compare live text and a single pass over the same audio with the references. Points is the
	// difference of their word error rates.
	Live   *LiveWords `json:"live,omitempty"`
	Single *LiveWords `json:"single,omitempty"`
	Points float64    `json:"points"`

	first, commit []time.Duration
	shown, words  int
	cpu, audio    time.Duration
}

// LiveWords is a text compared with a reference.
type LiveWords struct {
	Words Edits   `json:"words"`
	WER   float64 `json:"wer"`
}

// LiveGroup are the dictations of one length.
type LiveGroup struct {
	Name       string                `json:"name"`
	StopToText Spread                `json:"stop_to_text_ms"`
	ByMoment   map[StopMoment]Spread `json:"by_moment_ms"`
	// Bare is the time of one plain decode of the audio that was not committed at the stop. Ratio is the mean of
	// StopToText over it.
	Bare  Spread  `json:"bare_decode_ms"`
	Ratio float64 `json:"ratio_to_bare"`
	Tail  Spread  `json:"tail_ms"`

	late, bare, tail []time.Duration
	byMoment         map[StopMoment][]time.Duration
}

// LiveTake is one dictation.
type LiveTake struct {
	Group  string
	Moment StopMoment
	Audio  time.Duration
	// StopToText is from the stop to the complete text, Bare the time of one plain decode of Tail, the audio that was
	// not committed then.
	StopToText, Bare, Tail time.Duration
	// FirstPartial is from the end of the first word to the first text, negative if there was none.
	FirstPartial time.Duration
	// Commit is for each word committed before the stop how long after its end it was committed.
	Commit []time.Duration
	// Committed is how many words were committed, Changed how many of them changed, Shown how many words of partial
	// text changed.
	Committed, Changed, Shown int
	// CPU is the processor time of the engine.
	CPU  time.Duration
	Text string
}

// NewLiveReport returns an empty report.
func NewLiveReport(setup Setup, clock string) *LiveReport {
	return &LiveReport{Schema: liveSchema, Started: time.Now().UTC(), Machine: machine(), Setup: setup, Clock: clock}
}

// Add adds a dictation.
func (r *LiveReport) Add(t *LiveTake) {
	r.first = appendPositive(r.first, t.FirstPartial)
	r.commit = append(r.commit, t.Commit...)
	r.Committed += t.Committed
	r.Changed += t.Changed
	r.shown += t.Shown
	r.words += t.Committed
	r.cpu += t.CPU
	r.audio += t.Audio
	at := slices.IndexFunc(r.Groups, func(g LiveGroup) bool { return g.Name == t.Group })
	if at < 0 {
		at = len(r.Groups)
		r.Groups = append(r.Groups, LiveGroup{Name: t.Group, byMoment: map[StopMoment][]time.Duration{}})
	}
	g := &r.Groups[at]
	g.late, g.tail = append(g.late, t.StopToText), append(g.tail, t.Tail)
	g.bare = append(g.bare, t.Bare)
	g.byMoment[t.Moment] = append(g.byMoment[t.Moment], t.StopToText)
	g.sum()
	r.FirstPartial, r.Commit = SpreadOf(r.first), SpreadOf(r.commit)
	if r.words > 0 {
		r.Flicker = float64(r.shown) / float64(r.words)
	}
	if r.audio > 0 {
		r.CPUShare = r.cpu.Seconds() / r.audio.Seconds()
	}
}

func appendPositive(list []time.Duration, d time.Duration) []time.Duration {
	if d < 0 {
		return list
	}
	return append(list, d)
}

func (g *LiveGroup) sum() {
	g.StopToText, g.Bare, g.Tail = SpreadOf(g.late), SpreadOf(g.bare), SpreadOf(g.tail)
	g.ByMoment = map[StopMoment]Spread{}
	for m, d := range g.byMoment {
		g.ByMoment[m] = SpreadOf(d)
	}
	var late, bare time.Duration
	for i := range g.late {
		late, bare = late+g.late[i], bare+g.bare[i]
	}
	if bare > 0 {
		g.Ratio = late.Seconds() / bare.Seconds()
	}
}

// Judge compares live text and the text of a single pass with what was said. It adds to earlier comparisons.
func (r *LiveReport) Judge(reference, live, single string) {
	said := Words(reference)
	add := func(to **LiveWords, text string) {
		if *to == nil {
			*to = &LiveWords{}
		}
		w := *to
		w.Words = w.Words.plus(CountEdits(said, Words(text)))
		w.WER = float64(w.Words.Errors()) / float64(max(w.Words.Reference, 1))
	}
	add(&r.Live, live)
	add(&r.Single, single)
	r.Points = 100 * (r.Live.WER - r.Single.WER)
}

// WriteJSON writes the report as docs/formats/bench.md describes it.
func (r *LiveReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return scout.FileError(scout.CodeWriteFailed, "write benchmark result", e.Encode(r))
}

// WriteTable writes the report for people.
func (r *LiveReport) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.line("%s, model %s, clock: %s", r.Setup.CPU, r.Setup.Model, r.Clock)
	t.line("")
	t.line("dictation\tn\tstop to text p50\tp95\tp99\tmax\tbare decode p50\tratio\ttail p50\t")
	for _, g := range r.Groups {
		s := g.StopToText
		t.line("%s\t%d\t%.0f ms\t%.0f\t%.0f\t%.0f\t%.0f ms\t%.2f\t%.1f s\t", g.Name, s.Count, s.P50, s.P95, s.P99, s.Max, g.Bare.P50, g.Ratio, g.Tail.P50/1000)
	}
	t.line("")
	moments, _ := StopMoments()
	names := make([]string, len(moments))
	for i, m := range moments {
		names[i] = strings.ReplaceAll(string(m), "_", " ")
	}
	t.line("longest, by moment\t%s\t", strings.Join(names, "\t"))
	for _, g := range r.Groups {
		cells := make([]string, len(moments))
		for i, m := range moments {
			cells[i] = "-"
			if s := g.ByMoment[m]; s.Count > 0 {
				cells[i] = fmt.Sprintf("%.0f ms", s.Max)
			}
		}
		t.line("%s\t%s\t", g.Name, strings.Join(cells, "\t"))
	}
	t.line("")
	spread := func(name string, s Spread) {
		t.line("%s: %d, p50 %.0f ms, p95 %.0f ms, p99 %.0f ms, longest %.0f ms", name, s.Count, s.P50, s.P95, s.P99, s.Max)
	}
	spread("first partial text after the first word", r.FirstPartial)
	spread("commit after the end of a word", r.Commit)
	t.line("committed words: %d, of which changed later: %d; flicker: %.2f words for each final word", r.Committed, r.Changed, r.Flicker)
	t.line("processor of the engine: %.1f %% of one core", 100*r.CPUShare)
	if r.Live != nil && r.Single != nil {
		for _, side := range []struct {
			name string
			w    *LiveWords
		}{{"live", r.Live}, {"single pass", r.Single}} {
			e := side.w.Words
			t.line("%s: WER %.2f %% of %d words (%d substituted, %d deleted, %d inserted)", side.name, 100*side.w.WER, e.Reference, e.Substituted, e.Deleted, e.Inserted)
		}
		t.line("difference: %+.2f points", r.Points)
	}
	return t.close("write benchmark table")
}
