package bench

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"time"

	"github.com/scout-speech/scout"
)

// liveSchema is the version of the JSON form of a LiveReport: docs/formats/bench.md.
const liveSchema = 3

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

// LiveReport is how well live text did. scout-bench live and live-decode share it. Everything in it but the setup is
// summed from the takes, so that a later run can add to it.
type LiveReport struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Setup   Setup     `json:"setup"`
	// Clock is how time was measured: "elapsed", or "cpu" for a simulated clock on which a decode takes the processor
	// time of the engine.
	Clock string `json:"clock"`
	// Device is where the sound came from: "null sink" of a sound server, "file" for the virtual device, which no sound
	// server is involved in, or "simulated".
	Device string `json:"device"`
	// Figures are what is promised, as far as there are dictations for it.
	Figures []Figure `json:"figures"`
	// Groups are the dictations by what they measure, in the order in which they were made.
	Groups []LiveGroup `json:"dictations"`
	// StopToText is from the stop to the complete text, of the dictations that FirstPartial counts.
	StopToText Spread `json:"stop_to_text_ms"`
	// FirstPartial is from the end of the first word to the first text; Commit from the end of a word to when it was
	// committed, for words committed before the stop. They do not count the groups in which something was killed or a
	// processor was taken away, sounds without words, and quiet speech.
	FirstPartial Spread `json:"first_partial_ms"`
	Commit       Spread `json:"commit_ms"`
	// Committed words, and how many of these changed later.
	Committed int `json:"committed_words"`
	Changed   int `json:"changed_words"`
	// Flicker is how many words of partial text were changed or removed, for each word of the final text.
	Flicker float64 `json:"flicker"`
	// CPUShare is the processor time over the length of all dictations: of the engine on a simulated clock, otherwise of
	// all processes.
	CPUShare float64 `json:"cpu_share"`
	// AccurateMemory is what the engine of the accurate model takes in bytes, as the catalogue has it; 0 if that is not known.
	AccurateMemory int64 `json:"accurate_memory_bytes,omitempty"`
	// Takes are the dictations.
	Takes []LiveTake `json:"takes"`
}

// LiveWords is a text compared with a reference.
type LiveWords struct {
	Words Edits   `json:"words"`
	WER   float64 `json:"wer"`
}

func (w *LiveWords) add(e Edits) {
	w.Words = w.Words.plus(e)
	w.WER = float64(w.Words.Errors()) / float64(max(w.Words.Reference, 1))
}

// LiveGroup are the dictations for one figure.
type LiveGroup struct {
	Name       string                `json:"name"`
	StopToText Spread                `json:"stop_to_text_ms"`
	ByMoment   map[StopMoment]Spread `json:"by_moment_ms"`
	// Bare is the time of one plain decode of the audio that was not committed at the stop. Ratio is the sum of
	// StopToText over that of it.
	Bare  Spread  `json:"bare_decode_ms"`
	Ratio float64 `json:"ratio_to_bare"`
	Tail  Spread  `json:"tail_ms"`
	// Live and Single compare live text and a single pass over the same audio with the references; absent if the takes
	// have none. Points is the difference of their word error rates.
	Live   *LiveWords `json:"live,omitempty"`
	Single *LiveWords `json:"single,omitempty"`
	Points float64    `json:"points"`
	// Marks compares sentence ends and capitals with those of the single pass; absent like Live.
	Marks *LiveMarks `json:"marks,omitempty"`
	// Words is how many words were committed, Empty how many takes had none, Silent how many of these said nothing about
	// it.
	Words  int `json:"words"`
	Empty  int `json:"empty"`
	Silent int `json:"empty_without_a_line"`
	// FirstUnrecorded is in how many recordings the sound of the first word is not whole. FirstMissing is how many texts lack that
	// word, and FirstSingle how many single passes over the same recordings do. Right is how many texts have exactly the words
	// that were said.
	FirstUnrecorded int `json:"first_word_unrecorded"`
	FirstMissing    int `json:"first_word_missing"`
	FirstSingle     int `json:"first_word_missing_in_single_pass"`
	Right           int `json:"right"`
	// PSS is the largest proportional set size of all processes together in bytes.
	PSS int64 `json:"pss_bytes,omitempty"`
	// CPUShare is as in LiveReport.
	CPUShare float64 `json:"cpu_share"`
	// Second is what the second passes did; absent if there were none.
	Second *LiveSeconds `json:"second_pass,omitempty"`
}

// LiveTake is one dictation.
type LiveTake struct {
	Group  string        `json:"group"`
	Moment StopMoment    `json:"moment,omitempty"`
	Audio  time.Duration `json:"audio_ns"`
	// StopToText is from the stop to the complete text, Bare the time of one plain decode of Tail, the audio that was
	// not committed then.
	StopToText time.Duration `json:"stop_to_text_ns"`
	Bare       time.Duration `json:"bare_decode_ns,omitempty"`
	Tail       time.Duration `json:"tail_ns,omitempty"`
	// Missed is how long after the planned moment the stop was, by the sound in the recording.
	Missed time.Duration `json:"missed_by_ns,omitempty"`
	// FirstPartial is from the end of the first word to the first text, negative if there was none.
	FirstPartial time.Duration `json:"first_partial_ns"`
	// Commit is for each word committed before the stop how long after its end it was committed.
	Commit []time.Duration `json:"commit_ns,omitempty"`
	// Committed is how many words were committed, Changed how many of them changed, Shown how many words of partial
	// text changed.
	Committed int `json:"committed_words"`
	Changed   int `json:"changed_words"`
	Shown     int `json:"shown_words"`
	// CPU is the processor time: of the engine on a simulated clock, otherwise of all processes. PSS is the largest
	// proportional set size of all processes together in bytes, RestPSS what it is RestAfter later; 0 if that was not measured.
	CPU     time.Duration `json:"cpu_ns"`
	PSS     int64         `json:"pss_bytes,omitempty"`
	RestPSS int64         `json:"rest_pss_bytes,omitempty"`
	// Live and Single compare the text and that of a single pass over the same audio with what was said; nil if that is
	// not known.
	Live   *Edits `json:"live,omitempty"`
	Single *Edits `json:"single,omitempty"`
	// Marks compares sentence ends and capitals of the two; nil like them.
	Marks *LiveMarks `json:"marks,omitempty"`
	// FirstUnrecorded, FirstMissing and FirstSingle are as in LiveGroup. Told says that a line said why there is no text.
	FirstUnrecorded bool   `json:"first_word_unrecorded,omitempty"`
	FirstMissing    bool   `json:"first_word_missing,omitempty"`
	FirstSingle     bool   `json:"first_word_missing_in_single_pass,omitempty"`
	Told            bool   `json:"told,omitempty"`
	Text            string `json:"text"`
	// Second is what the second pass made of it; nil if there was none.
	Second *LiveSecond `json:"second_pass,omitempty"`
}

// Judge compares the text and that of a single pass over the same audio with what was said.
func (t *LiveTake) Judge(reference, single string) {
	said := Words(reference)
	live, once := CountEdits(said, Words(t.Text)), CountEdits(said, Words(single))
	marks := compareMarks(t.Text, single)
	t.Live, t.Single, t.Marks = &live, &once, &marks
}

// NewLiveReport returns an empty report.
func NewLiveReport(setup Setup, clock, device string) *LiveReport {
	return &LiveReport{Schema: liveSchema, Started: time.Now().UTC(), Machine: machine(), Setup: setup, Clock: clock, Device: device}
}

// ReadLiveReport reads the JSON of an earlier run.
func ReadLiveReport(path string) (*LiveReport, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read report", err)
	}
	r := &LiveReport{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s is not a report of scout-bench live", path)
	}
	if r.Schema != liveSchema {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s is a report of version %d; this program reads version %d", path, r.Schema, liveSchema)
	}
	r.sum()
	return r, nil
}

// Add adds a dictation.
func (r *LiveReport) Add(t *LiveTake) {
	r.Takes = append(r.Takes, *t)
	r.sum()
}

// Count returns how many dictations of a group there are.
func (r *LiveReport) Count(group string) int {
	n := 0
	for i := range r.Takes {
		if r.Takes[i].Group == group {
			n++
		}
	}
	return n
}

// of returns the dictations of some groups.
func (r *LiveReport) of(wanted func(group string) bool) (takes []*LiveTake) {
	for i := range r.Takes {
		if wanted(r.Takes[i].Group) {
			takes = append(takes, &r.Takes[i])
		}
	}
	return takes
}

// sum computes everything from the takes.
func (r *LiveReport) sum() {
	r.Groups, r.Committed, r.Changed, r.Flicker, r.CPUShare = nil, 0, 0, 0, 0
	var names []string
	var cpu, audio time.Duration
	shown := 0
	for i := range r.Takes {
		t := &r.Takes[i]
		if !slices.Contains(names, t.Group) {
			names = append(names, t.Group)
		}
		r.Committed, r.Changed, shown = r.Committed+t.Committed, r.Changed+t.Changed, shown+t.Shown
		cpu, audio = cpu+t.CPU, audio+t.Audio
	}
	if r.Committed > 0 {
		r.Flicker = float64(shown) / float64(r.Committed)
	}
	if audio > 0 {
		r.CPUShare = cpu.Seconds() / audio.Seconds()
	}
	for _, name := range names {
		r.Groups = append(r.Groups, groupOf(name, r.of(func(group string) bool { return group == name })))
	}
	var late, first, commit []time.Duration
	for _, t := range r.of(usual) {
		late = append(late, t.StopToText)
		if t.FirstPartial >= 0 {
			first = append(first, t.FirstPartial)
		}
		commit = append(commit, t.Commit...)
	}
	r.StopToText, r.FirstPartial, r.Commit = SpreadOf(late), SpreadOf(first), SpreadOf(commit)
	r.figures()
}

func groupOf(name string, takes []*LiveTake) LiveGroup {
	g := LiveGroup{Name: name, ByMoment: map[StopMoment]Spread{}, Second: secondsOf(takes)}
	var late, bare, tail []time.Duration
	byMoment := map[StopMoment][]time.Duration{}
	var sumLate, sumBare, cpu, audio time.Duration
	for _, t := range takes {
		late, tail = append(late, t.StopToText), append(tail, t.Tail)
		if t.Moment != "" {
			byMoment[t.Moment] = append(byMoment[t.Moment], t.StopToText)
		}
		if t.Bare > 0 {
			bare = append(bare, t.Bare)
			sumLate, sumBare = sumLate+t.StopToText, sumBare+t.Bare
		}
		g.Words += t.Committed
		g.PSS = max(g.PSS, t.PSS)
		cpu, audio = cpu+t.CPU, audio+t.Audio
		g.judge(t)
	}
	g.StopToText, g.Bare, g.Tail = SpreadOf(late), SpreadOf(bare), SpreadOf(tail)
	for m, d := range byMoment {
		g.ByMoment[m] = SpreadOf(d)
	}
	if sumBare > 0 {
		g.Ratio = sumLate.Seconds() / sumBare.Seconds()
	}
	if audio > 0 {
		g.CPUShare = cpu.Seconds() / audio.Seconds()
	}
	return g
}

// judge counts the words of a take.
func (g *LiveGroup) judge(t *LiveTake) {
	if t.Committed == 0 {
		g.Empty++
		if !t.Told {
			g.Silent++
		}
	}
	for _, first := range []struct {
		is    bool
		count *int
	}{{t.FirstUnrecorded, &g.FirstUnrecorded}, {t.FirstMissing, &g.FirstMissing}, {t.FirstSingle, &g.FirstSingle}} {
		if first.is {
			*first.count++
		}
	}
	if t.Live == nil || t.Single == nil {
		return
	}
	if t.Live.Errors() == 0 {
		g.Right++
	}
	if g.Live == nil {
		g.Live, g.Single = &LiveWords{}, &LiveWords{}
	}
	if t.Marks != nil {
		sum := t.Marks.plus(*cmp.Or(g.Marks, &LiveMarks{}))
		g.Marks = &sum
	}
	g.Live.add(*t.Live)
	g.Single.add(*t.Single)
	g.Points = 100 * (g.Live.WER - g.Single.WER)
}
