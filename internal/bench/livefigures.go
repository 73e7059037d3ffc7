package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Groups of dictations with a meaning of their own. The names of the others are their lengths.
const (
	Group2s       = "2 s"
	Group10s      = "10 s"
	Group60s      = "60 s"
	GroupOneCore  = "10 s, a core taken away"
	GroupRest     = "60 s, then rest"
	GroupWarm     = "warm stream"
	GroupCold     = "cold stream"
	GroupCommands = "spoken commands"
	GroupWords    = "single words"
	// PrefixNoise and PrefixQuiet begin the names of groups: a sound without words, and quiet speech.
	PrefixNoise = "noise: "
	PrefixQuiet = "quiet: "
)

// Names of groups of joined clips end so.
const (
	longSuffix   = " min"
	killedSuffix = longSuffix + ", with kills"
)

// usualLength is the length of joined clips for which something is promised.
const usualLength = 10 * time.Minute

// LongGroup is the name of the group of joined clips of a length, KilledGroup of those in which something was killed.
func LongGroup(length time.Duration) string {
	return fmt.Sprintf("%.3g%s", length.Minutes(), longSuffix)
}

// KilledGroup is described at LongGroup.
func KilledGroup(length time.Duration) string {
	return fmt.Sprintf("%.3g%s", length.Minutes(), killedSuffix)
}

// Long reports whether a group has joined clips, whose texts are known, and nothing was killed.
func Long(group string) bool { return strings.HasSuffix(group, longSuffix) }

func killed(group string) bool { return strings.HasSuffix(group, killedSuffix) }

// longID is the id of a figure of joined clips: those of the usual length have the plain one.
func longID(id, group string) string {
	if group == LongGroup(usualLength) {
		return id
	}
	return id + "_" + slug(group)
}

// disturbed reports whether something was killed or taken away in a group.
func disturbed(group string) bool { return group == GroupOneCore || killed(group) }

// usual reports whether a group has speech as people dictate it, and nothing was killed or taken away.
func usual(group string) bool {
	return !disturbed(group) && !strings.HasPrefix(group, PrefixNoise) && !strings.HasPrefix(group, PrefixQuiet)
}

// The units of figures of live text.
const (
	UnitWords Unit = "words"
	UnitTakes Unit = "takes"
	UnitShare Unit = "%"
)

// bounded reports whether a value can fall short.
func (f Figure) bounded() bool { return f.Bound != 0 || f.None }

// most is the bound for people.
func (f Figure) most() string {
	if f.None {
		return "none"
	}
	return f.limit(f.Bound)
}

// figures computes what is promised from the takes. What was not measured is left out.
func (r *LiveReport) figures() {
	r.Figures = nil
	add := func(f Figure) { r.Figures = append(r.Figures, f.judged()) }
	r.latencies(add)
	r.texts(add)
	r.secondFigures(add)
	r.resources(add)
}

// count is the detail of a figure over takes.
func count(n int, what string) string { return fmt.Sprintf("n %d %s", n, what) }

// latencies are the figures of time.
func (r *LiveReport) latencies(add func(Figure)) {
	const stop, aim, behind = 150, 60, 300
	for i := range r.Groups {
		g := &r.Groups[i]
		if g.StopToText.Count == 0 {
			continue
		}
		f := Figure{ID: "stop_to_text_" + slug(g.Name), Name: "stop to text, " + g.Name + ", p95", Unit: UnitMS, Value: g.StopToText.P95, Bound: stop, Aim: aim}
		f.Detail = fmt.Sprintf("n %d, p50 %.0f, longest %.0f ms", g.StopToText.Count, g.StopToText.P50, g.StopToText.Max)
		if g.Ratio > 0 {
			f.Detail += fmt.Sprintf(", %.2f bare decodes", g.Ratio)
		}
		switch {
		case g.Name == Group2s, g.Name == Group10s, g.Name == Group60s:
		case Long(g.Name):
			f.Name, f.Value = "stop to text, "+g.Name+", longest", g.StopToText.Max
		case g.Name == GroupOneCore:
			f.Bound, f.Aim = behind, 0
		default:
			continue
		}
		add(f)
	}
	if s := r.FirstPartial; s.Count > 0 {
		add(Figure{ID: "first_partial", Name: "first partial words after the first word, p95", Unit: UnitMS, Value: s.P95, Bound: 700, Detail: count(s.Count, "takes")})
	}
	if s := r.Commit; s.Count > 0 {
		add(Figure{ID: "commit", Name: "words committed after their end, longest", Unit: UnitMS, Value: s.Max, Bound: 4000, Detail: fmt.Sprintf("n %d words, p95 %.0f ms", s.Count, s.P95)})
	}
}

// texts are the figures of words.
func (r *LiveReport) texts(add func(Figure)) {
	if r.Committed > 0 {
		add(Figure{ID: "changed_words", Name: "committed words that changed", Unit: UnitWords, Value: float64(r.Changed), None: true, Detail: count(r.Committed, "words")})
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		if !Long(g.Name) || g.Live == nil {
			continue
		}
		l, s := g.Live.Words, g.Single.Words
		add(Figure{ID: longID("wer_points", g.Name), Name: "WER live minus single pass, " + g.Name, Unit: UnitPoints, Value: g.Points, Bound: 1, Aim: 0.5, Detail: fmt.Sprintf(
			"%.2f %% and %.2f %% of %d words; deleted %d and %d", 100*g.Live.WER, 100*g.Single.WER, l.Reference, l.Deleted, s.Deleted)})
		if g.Marks != nil {
			add(Figure{ID: longID("marks", g.Name), Name: "sentence ends and capitals unlike the single pass", Unit: UnitShare, Value: g.Marks.share(), Detail: g.Marks.String()})
		}
	}
	if with, calm, alone := r.twins(); with.Words.Reference > 0 {
		add(Figure{ID: "kills_points", Name: "WER with kills minus undisturbed", Unit: UnitPoints, Value: 100 * (with.WER - calm.WER), Bound: 0.5, Detail: fmt.Sprintf(
			"%.2f %% and %.2f %% of the same %d words; deleted %d and %d; without an undisturbed one: %d", 100*with.WER, 100*calm.WER, with.Words.Reference, with.Words.Deleted, calm.Words.Deleted, alone)})
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		n := count(r.Count(g.Name), "takes")
		switch {
		case strings.HasPrefix(g.Name, PrefixNoise):
			add(Figure{ID: slug(g.Name), Name: "words in " + strings.TrimPrefix(g.Name, PrefixNoise), Unit: UnitWords, Value: float64(g.Words), None: true})
		case strings.HasPrefix(g.Name, PrefixQuiet) && g.Live != nil:
			add(Figure{ID: slug(g.Name), Name: strings.TrimPrefix(g.Name, PrefixQuiet) + ", WER live minus single pass", Unit: UnitPoints, Value: g.Points, Bound: 1, Detail: fmt.Sprintf(
				"%.1f %% and %.1f %% of %d words; deleted %d and %d", 100*g.Live.WER, 100*g.Single.WER, g.Live.Words.Reference, g.Live.Words.Deleted, g.Single.Words.Deleted)})
		case g.Name == GroupWarm || g.Name == GroupCold:
			add(Figure{ID: slug(g.Name) + "_unrecorded", Name: g.Name + ": first word not recorded", Unit: UnitTakes, Value: float64(g.FirstUnrecorded), None: true, Detail: n})
			add(Figure{ID: slug(g.Name), Name: g.Name + ": first word not in the text", Unit: UnitTakes, Value: float64(g.FirstMissing), None: true, Detail: fmt.Sprintf(
				"%s; not in a single pass over the same recording: %d", n, g.FirstSingle)})
		case g.Name == GroupCommands || g.Name == GroupWords:
			add(Figure{ID: slug(g.Name) + "_silent", Name: g.Name + ": empty without a line", Unit: UnitTakes, Value: float64(g.Silent), None: true, Detail: n})
			add(Figure{ID: slug(g.Name) + "_right", Name: g.Name + ": right", Unit: UnitTakes, Value: float64(g.Right), AtLeast: true, Detail: n})
		}
	}
}

// twins returns the words of the dictations in which something was killed, and of the last undisturbed ones of the same recordings. They
// are empty if there are no undisturbed ones. alone is how many were left out for that reason.
func (r *LiveReport) twins() (with, calm LiveWords, alone int) {
	undisturbed := r.of(Long)
	slices.Reverse(undisturbed)
	for _, k := range r.of(killed) {
		same := slices.IndexFunc(undisturbed, func(t *LiveTake) bool {
			return t.Live != nil && k.Live != nil && t.Live.Reference == k.Live.Reference && (t.Audio-k.Audio).Abs() < 2*time.Second
		})
		if same < 0 {
			alone++
			continue
		}
		with.add(*k.Live)
		calm.add(*undisturbed[same].Live)
	}
	return with, calm, alone
}

// RestAfter is how long after a dictation the memory is measured again: nothing needs the accurate model any more.
const RestAfter = 70 * time.Second

// resources are the figures of memory and processor.
func (r *LiveReport) resources(add func(Figure)) {
	var most, rest int64
	again := false // a second pass was made
	var cpu, audio time.Duration
	for _, t := range r.of(func(group string) bool { return !disturbed(group) && !strings.HasPrefix(group, PrefixNoise) }) {
		most, rest = max(most, t.PSS), max(rest, t.RestPSS)
		again = again || t.Second != nil && t.Second.accurate()
		cpu, audio = cpu+t.CPU, audio+t.Audio
	}
	const one, oneAim, both = 200, 170, 215
	f := Figure{ID: "pss", Name: "memory of all processes (PSS)", Unit: UnitMB, Value: megabytes(most), Bound: one, Aim: oneAim}
	after := Figure{ID: "pss_rest", Name: fmt.Sprintf("memory of all processes %s after a dictation (PSS)", RestAfter), Unit: UnitMB, Value: megabytes(rest), Bound: one}
	if again && r.AccurateMemory > 0 {
		f.Bound, f.Aim, f.Detail = both+megabytes(r.AccurateMemory), 0, fmt.Sprintf("%d MB, and %.0f of the accurate model", both, megabytes(r.AccurateMemory))
		after.Bound = both
	}
	if most > 0 {
		add(f)
	}
	if rest > 0 {
		add(after)
	}
	if cpu > 0 {
		add(Figure{ID: "cpu", Name: "processor, of one core", Unit: UnitShare, Value: 100 * cpu.Seconds() / audio.Seconds(), Bound: 50})
	}
}

// slug is a name for programs.
func slug(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }), "_")
}
