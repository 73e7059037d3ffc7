package recording

import (
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// ledger reports as metrics how much was recorded and how much is missing. It keeps no count of its own that could
// differ from the recordings: it asks the writers of current recordings and the manifests of ended ones. During a
// recording a total may become smaller than reported before, because written silence turns out to be a gap. A counter
// never falls, so it then stays until the true value reaches it.
type ledger struct {
	frames, bytes *metric.Counter
	gaps, lost    *metric.CounterVec

	mu    sync.Mutex
	ended tally
	live  map[*Writer]entry
	told  tally // the values of the counters
}

// entry is a current recording.
type entry struct {
	before  tally // what it had when this process began with it
	filling func() []scout.Gap
}

// tally is how much of recordings is written and how much is missing.
type tally struct {
	frames, bytes uint64
	gaps, lost    map[scout.GapReason]uint64
}

func newLedger() *ledger {
	l := &ledger{
		frames: metric.NewCounter(metric.Opts{
			Name: "scout_recording_written_frames_total", Help: "Frames written to recordings, each counted once, without silence in gaps.",
		}),
		bytes: metric.NewCounter(metric.Opts{
			Name: "scout_recording_written_bytes_total", Help: "Bytes of the frames that were written to recordings.",
		}),
		gaps: metric.NewCounterVec(metric.Opts{
			Name: "scout_recording_gaps_total", Help: "Gaps in recordings, where audio is missing and silence takes its place, by reason.",
		}, []string{"reason"}),
		lost: metric.NewCounterVec(metric.Opts{
			Name: "scout_recording_gap_frames_total", Help: "Frames in gaps of recordings, by reason.",
		}, []string{"reason"}),
		live: make(map[*Writer]entry), ended: newTally(), told: newTally(),
	}
	for _, reason := range []scout.GapReason{GapDiskFull, GapDiskStalled, GapWriteFailed, GapRestart, GapFileTruncated, GapFileLost, GapCapture} {
		l.gaps.WithLabelValues(string(reason))
		l.lost.WithLabelValues(string(reason))
	}
	return l
}

func newTally() tally {
	return tally{gaps: make(map[scout.GapReason]uint64), lost: make(map[scout.GapReason]uint64)}
}

// tallyOf returns the present tally of a recording.
func tallyOf(w *Writer, filling func() []scout.Gap) tally {
	frames := w.Frames()
	gaps := w.Gaps()
	if filling != nil {
		for _, g := range filling() {
			gaps = insertGap(gaps, g)
		}
	}
	t := newTally()
	t.frames = frames
	for _, g := range clipGaps(gaps, frames) {
		t.gaps[g.Reason]++
		t.lost[g.Reason] += g.Frames
		t.frames -= g.Frames
	}
	t.bytes = t.frames * uint64(w.Format().FrameBytes())
	return t
}

// add adds the difference between now and before.
func (t *tally) add(now, before tally) {
	beyond := func(now, before uint64) uint64 { return max(now, before) - before }
	t.frames += beyond(now.frames, before.frames)
	t.bytes += beyond(now.bytes, before.bytes)
	for reason := range now.gaps {
		t.gaps[reason] += beyond(now.gaps[reason], before.gaps[reason])
		t.lost[reason] += beyond(now.lost[reason], before.lost[reason])
	}
}

// follow counts a recording from now on. filling returns gaps that the writer does not know yet.
func (l *ledger) follow(w *Writer, filling func() []scout.Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, followed := l.live[w]
	if !followed {
		at.before = tallyOf(w, nil)
	}
	at.filling = filling
	l.live[w] = at
}

// settle counts a recording for the last time.
func (l *ledger) settle(w *Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, followed := l.live[w]; followed {
		l.ended.add(tallyOf(w, nil), at.before)
		delete(l.live, w)
	}
}

// Describe implements metric.Collector.
func (l *ledger) Describe() []metric.Desc {
	var all []metric.Desc
	for _, c := range l.collectors() {
		all = append(all, c.Describe()...)
	}
	return all
}

// Collect implements metric.Collector.
func (l *ledger) Collect() []metric.Family {
	l.update()
	var all []metric.Family
	for _, c := range l.collectors() {
		all = append(all, c.Collect()...)
	}
	return all
}

func (l *ledger) collectors() []metric.Collector {
	return []metric.Collector{l.frames, l.bytes, l.gaps, l.lost}
}

// update raises the counters to the present values.
func (l *ledger) update() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := newTally()
	now.add(l.ended, newTally())
	for w, at := range l.live {
		now.add(tallyOf(w, at.filling), at.before)
	}
	raise := func(counter *metric.Counter, told *uint64, now uint64) {
		if now > *told {
			counter.Add(float64(now - *told))
			*told = now
		}
	}
	raise(l.frames, &l.told.frames, now.frames)
	raise(l.bytes, &l.told.bytes, now.bytes)
	for reason := range now.gaps {
		gaps, lost := l.told.gaps[reason], l.told.lost[reason]
		raise(l.gaps.WithLabelValues(string(reason)), &gaps, now.gaps[reason])
		raise(l.lost.WithLabelValues(string(reason)), &lost, now.lost[reason])
		l.told.gaps[reason], l.told.lost[reason] = gaps, lost
	}
}
