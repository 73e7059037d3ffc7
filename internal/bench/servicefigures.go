package bench

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// UnitCount is the unit of figures that count.
const UnitCount Unit = "count"

// judged says whether the value is what it should be. One that was not measured is not.
func (f Figure) judged() Figure {
	switch {
	case f.Unmeasured:
		f.OK = false
	case f.None:
		f.OK = f.Value == 0
	case f.AtLeast:
		f.OK = f.Bound == 0 || f.Value >= f.Bound
	default:
		f.OK = f.Bound == 0 || f.Value <= f.Bound
	}
	return f
}

// latency is the figure of a percentile: "p95", "p99", or "longest".
func latency(f Figure, which string, times []time.Duration) Figure {
	s := SpreadOf(times)
	f.Name, f.Unit, f.Unmeasured = f.Name+", "+which, UnitMS, s.Count == 0
	f.Value = map[string]float64{"p50": s.P50, "p95": s.P95, "p99": s.P99, "longest": s.Max}[which]
	f.Detail = fmt.Sprintf("n %d, p50 %.0f, longest %.0f ms", s.Count, s.P50, s.Max)
	return f
}

// compared is the figure of one time by another.
func compared(f Figure, over, under float64) Figure {
	f.Unit, f.Unmeasured = UnitTimes, !(over > 0) || !(under > 0)
	if !f.Unmeasured {
		f.Value = over / under
	}
	return f
}

// none is the figure of something that must not happen, among n things.
func none(id, name string, value, n int) Figure {
	return Figure{ID: id, Name: name, Unit: UnitCount, Value: float64(value), None: true, Unmeasured: n == 0, Detail: fmt.Sprintf("of %d", n)}
}

// sum adds the counts.
func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// listed are the counts as text.
func listed(counts map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(out, ", ")
}

// failures is the figure of failures of clients that did nothing wrong.
func failures(id, name string, counts map[string]int, n int) Figure {
	f := none(id, name, sum(counts), n)
	if len(counts) > 0 {
		f.Detail += ": " + listed(counts)
	}
	return f
}

func (m *ServiceIdle) judge(add func(Figure)) {
	add(latency(Figure{ID: "idle_ready", Name: "idle: from the start to the first answer that says serving", Bound: 300}, "p95", m.Ready))
	var all int64
	var each []string
	for _, name := range slices.Sorted(maps.Keys(m.PSS)) {
		all += m.PSS[name]
		each = append(each, fmt.Sprintf("%s %.1f MB", name, megabytes(m.PSS[name])))
	}
	add(Figure{
		ID: "idle_pss", Name: "idle: memory of all processes (PSS), no model", Unit: UnitMB, Value: megabytes(all), Bound: 45, Unmeasured: all == 0, Detail: strings.Join(each, ", "),
	})
}

func (m *ServiceLoad) judge(add func(Figure)) {
	all := m.Accepted + m.Refused + sum(m.Errors)
	add(failures("load_errors", "load: answers other than success and 429", m.Errors, all))
	add(Figure{
		ID: "load_refused", Name: "load: answers 429", Unit: UnitShare, Value: 100 * float64(m.Refused) / float64(max(all, 1)), Unmeasured: m.Accepted == 0,
		Detail: fmt.Sprintf("%d uploads taken by %d connections in %s", m.Accepted, m.Connections, m.Took.Round(time.Second)),
	})
	busy := Figure{ID: "load_busy", Name: "load: slots of the engine busy", Unit: UnitShare, Bound: 90, AtLeast: true, Unmeasured: m.BusyWall <= 0 || m.Slots == 0}
	if !busy.Unmeasured {
		busy.Value = 100 * m.Busy.Seconds() / (m.BusyWall.Seconds() * float64(m.Slots))
		busy.Detail = fmt.Sprintf("%d slots for %s", m.Slots, m.BusyWall.Round(time.Second))
	}
	add(busy)
	perSecond := func(cpu, audio time.Duration) float64 { return cpu.Seconds() / math.Max(audio.Seconds(), 1e-9) }
	f := Figure{ID: "load_cpu", Name: "load: processor time of the engine for a second of audio, to that of a file alone", Bound: 1.1}
	if m.Audio > 0 && m.AudioAlone > 0 {
		f.Detail = fmt.Sprintf("%.0f and %.0f ms; %.0f s of audio", 1000*perSecond(m.CPU, m.Audio), 1000*perSecond(m.CPUAlone, m.AudioAlone), m.Audio.Seconds())
		f = compared(f, perSecond(m.CPU, m.Audio), perSecond(m.CPUAlone, m.AudioAlone))
	} else {
		f = compared(f, 0, 0)
	}
	add(f)
	add(latency(Figure{ID: "load_gets", Name: "load: GET", Bound: 50}, "p99", m.Gets))
	add(latency(Figure{ID: "load_dictation", Name: "load: a dictation, stop to text, sound from a " + m.Device, Bound: 300}, "p95", m.StopToText))
	single, alone := SpreadOf(m.Single), SpreadOf(m.SingleAlone)
	f = compared(Figure{ID: "load_single", Name: "load: one clip of another key, to the same alone (medians)", Bound: 2}, single.P50, alone.P50)
	f.Detail = fmt.Sprintf("n %d and %d, %.0f and %.0f ms", single.Count, alone.Count, single.P50, alone.P50)
	add(f)
}

func (m *ServiceFair) judge(add func(Figure)) {
	f := Figure{ID: "fair_spread", Name: "fair: audio served, most to least of all keys", Bound: 1.5}
	if len(m.Served) > 1 {
		most, least := slices.Max(m.Served), slices.Min(m.Served)
		f = compared(f, most.Seconds(), math.Max(least.Seconds(), 0.1)) // a key that got nothing makes the figure large, and not infinite
		f.Detail = fmt.Sprintf("%d keys in %s, %.0f to %.0f s", len(m.Served), m.Took.Round(time.Second), least.Seconds(), most.Seconds())
	} else {
		f = compared(f, 0, 0)
	}
	add(f)
	add(failures("fair_errors", "fair: answers other than success and 429", m.Errors, len(m.Served)))
}

// What a daemon may keep of clients that are gone: connections that others opened meanwhile, and pages of memory that Go gives back later.
const (
	keptGoroutines = 16
	keptFiles      = 8
	keptMB         = 10
)

func (m *ServiceSlow) judge(add func(Figure)) {
	add(failures("slow_errors", "slow: failures of other clients", m.Errors, len(m.Gets)))
	f := latency(Figure{ID: "slow_gets", Name: "slow: GET beside clients that are slow or vanish", Bound: 50}, "p99", m.Gets)
	f.Detail += "; " + listed(m.Clients)
	f.Unmeasured = f.Unmeasured || sum(m.Clients) == 0
	add(f)
	job, alone := SpreadOf(m.Job), SpreadOf(m.JobAlone)
	f = compared(Figure{ID: "slow_job", Name: "slow: a whole job beside them, to the same alone (medians)", Bound: 1.5}, job.P50, alone.P50)
	f.Detail = fmt.Sprintf("n %d and %d, %.0f and %.0f ms", job.Count, alone.Count, job.P50, alone.P50)
	add(f)
	back := func(id, what string, most float64, of func(ServiceHolds) float64) {
		before, during, after := of(m.Before), of(m.During), of(m.After)
		add(Figure{
			ID: id, Name: "slow: " + what + " that are left", Unit: UnitCount, Value: after - before, Bound: most, Unmeasured: before == 0 || after == 0,
			Detail: fmt.Sprintf("%.0f before, %.0f during, %.0f after", before, during, after),
		})
	}
	back("slow_goroutines", "goroutines", keptGoroutines, func(h ServiceHolds) float64 { return float64(h.Goroutines) })
	back("slow_files", "open files", keptFiles, func(h ServiceHolds) float64 { return float64(h.Files) })
	back("slow_memory", "megabytes (PSS of the daemon)", keptMB, func(h ServiceHolds) float64 { return megabytes(h.PSS) })
}

func (m *ServiceKills) judge(add func(Figure)) {
	for _, kind := range slices.Sorted(maps.Keys(m.Acknowledged)) {
		n := m.Acknowledged[kind]
		add(none("kills_"+slug(kind), "kills: "+kind+" that were acknowledged and are missing or different", m.Wrong[kind], n))
	}
	add(none("kills_results", "kills: acknowledged jobs without one result", max(m.Jobs-m.Results, 0)+m.Double, m.Jobs))
	add(none("kills_database", "kills: checks of the database that found something", m.Damaged, m.Kills))
	add(m.Recording.figure("kills", m.Kills))
	add(latency(Figure{ID: "kills_ready", Name: "kills: ready again", Bound: 1000}, "longest", m.Ready))
	add(failures("kills_errors", "kills: refusals while the daemon was there", m.Errors, sum(m.Acknowledged)))
}

// figure is that of a recording that goes on during n events.
func (w ServiceWhole) figure(id string, n int) Figure {
	short := max(w.Least-w.Frames, 0)
	f := none(id+"_recording", id+": frames of the recording that are lost or wrong", w.Wrong+short, min(w.Frames, n))
	if w.Gaps > 0 {
		f.Value = math.Max(f.Value, float64(w.Gaps))
	}
	f.Detail = fmt.Sprintf("of %d; %d gaps", w.Frames, w.Gaps)
	return f
}

func (m *ServiceLoops) judge(add func(Figure)) {
	add(none("loops_dead", "loops: innocent jobs that are dead letters", m.Dead, min(m.Jobs, m.Kills)))
	add(none("loops_done", "loops: innocent jobs without a text at the end", m.Jobs-m.Done, m.Jobs))
	wrong := 0
	if m.Code != "crash_loop" {
		wrong = 1
	}
	f := none("loops_crash", "loops: an input that ends the daemon is not given up as crash_loop", wrong, m.Aborts)
	f.Detail = fmt.Sprintf("ended the daemon %d times, then: %s", m.Aborts, m.Code)
	add(f)
	add(Figure{ID: "loops_before", Name: "loops: jobs of others done before it was given up", Unit: UnitCount, Value: float64(m.Before), Bound: 1, AtLeast: true, Unmeasured: m.Aborts == 0})
	add(failures("loops_errors", "loops: refusals while the daemon was there", m.Errors, m.Jobs))
}

func (m *ServiceHung) judge(add func(Figure)) {
	add(Figure{ID: "hung_noticed", Name: "hung: from the stop of the engine to Unhealthy", Unit: UnitMS, Value: inMilliseconds(m.Noticed), Bound: 6000, Unmeasured: m.Noticed <= 0})
	add(Figure{ID: "hung_well", Name: "hung: from Unhealthy to well again, by itself", Unit: UnitMS, Value: inMilliseconds(m.Well), Bound: 60_000, Unmeasured: m.Well <= 0})
	wrong := 0
	if m.JobState != "succeeded" {
		wrong = 1
	}
	f := none("hung_job", "hung: work of that engine without a text", wrong, 1)
	f.Detail = m.JobState
	add(f)
}

// inMilliseconds is a time as a number.
func inMilliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

func (m *ServiceDisk) judge(add func(Figure)) {
	if m.Skipped != "" {
		add(Figure{ID: "disk_skipped", Name: "disk: not measured", Unit: UnitCount, Unmeasured: true, Detail: m.Skipped})
		return
	}
	f := failures("disk_broken", "disk: refusals that the client cannot read", m.Broken, m.Uploads)
	f.Detail += "; refused: " + listed(m.Refused)
	f.Unmeasured = sum(m.Refused)+sum(m.Broken) == 0 // the disk was large enough for all
	add(f)
	add(none("disk_missing", "disk: uploads that were kept and are missing or different", m.Missing, m.Kept))
	add(m.Recording.figure("disk", m.Uploads))
}
