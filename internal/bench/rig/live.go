package rig

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech"
)

// Live runs dictations through speech.Live on a simulated clock: audio comes at the rate of speech, and a decode takes
// there as long as it really took.
type Live struct {
	Scope    observe.Scope
	Failures *observe.Failures
	Engine   *engine.Engine
	// CPU counts the processor time of the engine in place of elapsed time, for a machine that does other work too.
	CPU bool
	// Slower is how many times slower the measured machine is than this one; 0 or 1 for this one.
	Slower float64
	// Options of speech.Live that are measured.
	Commit speech.CommitRule
	Rhythm speech.Rhythm
	Pause  speech.Pauses
	// Age is that at which words are committed, as in realtime sessions; 0 for Commit and Rhythm.
	Age time.Duration
	// Language is spoken, empty for one that the model finds or the only one that it knows. Trait is that of the model.
	Language string
	Trait    speech.Trait
}

// The audio comes in blocks of 20 ms, 20 ms late, as from a sound server.
const (
	liveBlock   = 20 * time.Millisecond
	liveLatency = 20 * time.Millisecond
)

// Transcribe implements speech.Recognizer.
func (l *Live) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	return l.Engine.Transcribe(ctx, r)
}

// spent returns the clock of decodes: elapsed time, or the processor time of the engine.
func (l *Live) spent() (elapsed time.Time, cpu time.Duration, err error) {
	cpu, err = bench.ProcessorTime(l.Engine.State().PID)
	return time.Now(), cpu, err
}

// meter measures decodes.
type meter struct {
	live    *Live
	elapsed time.Time
	cpu     time.Duration
	total   time.Duration // processor time
	err     error
}

// lap returns how long the last decode took.
func (m *meter) lap() time.Duration {
	now, cpu, err := m.live.spent()
	if err != nil {
		m.err = err
		return 0
	}
	took, worked := now.Sub(m.elapsed), cpu-m.cpu
	m.elapsed, m.cpu = now, cpu
	m.total += worked
	if m.live.CPU {
		took = worked
	}
	if m.live.Slower > 0 {
		took = time.Duration(float64(took) * m.live.Slower)
	}
	return took
}

// restart makes the next lap begin now.
func (m *meter) restart() {
	now, cpu, err := m.live.spent()
	m.elapsed, m.cpu = now, cpu
	if err != nil {
		m.err = err
	}
}

// bareLongest is the longest stretch that is decoded plainly: an engine takes no more in one request.
const bareLongest = 30 * time.Second

// memoryRecording is a recording in memory.
type memoryRecording []float32

// ReadAt implements speech.Recorded.
func (m memoryRecording) ReadAt(_ context.Context, dst []float32, at int64) (int, error) {
	if at >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(dst, m[at:])
	if n < len(dst) {
		return n, io.EOF
	}
	return n, nil
}

// metered starts the clock of a meter when a decode begins.
type metered struct {
	*Live
	meter   *meter
	running bool
}

// Transcribe implements speech.Recognizer. The first request of a decode starts the clock.
func (m *metered) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	if !m.running {
		m.running = true
		m.meter.restart()
	}
	return m.Live.Transcribe(ctx, r)
}

// Take is what Dictate measures: a dictation and where its first word ends.
type Take struct {
	Group     string
	Moment    bench.StopMoment
	Samples   []float32
	StopAt    time.Duration
	FirstWord time.Duration // end of the first word, negative if it is not known
	Reference string        // what is said before the stop; empty if it is not known
	// Truth is what the references of the clips say before the stop, where Reference is what the fast model hears in the whole recording:
	// no other model can be measured by that.
	Truth string
}

// Dictate runs one dictation.
func (l *Live) Dictate(ctx context.Context, take Take) (*bench.LiveTake, error) {
	result := &bench.LiveTake{Group: take.Group, Moment: take.Moment, Audio: take.StopAt, FirstPartial: -1}
	meter := &meter{live: l}
	recognizer := &metered{Live: l, meter: meter}
	sim := &speech.Simulation{
		Samples: take.Samples, StopAt: take.StopAt, Block: liveBlock, Latency: liveLatency,
		Cost: func() time.Duration {
			if !recognizer.running {
				return 0 // nothing had to be decoded
			}
			recognizer.running = false
			return meter.lap()
		},
	}
	view := &view{take: &take, result: result, now: sim.Now}
	options := speech.LiveOptions{
		Recorded: memoryRecording(take.Samples), Language: l.Language, Trait: l.Trait, Commit: l.Commit, Rhythm: l.Rhythm, Pause: l.Pause,
		Committed: view.committed, Partial: view.partial,
	}
	if l.Age > 0 {
		options.CommitByAge(l.Age)
	}
	live, err := speech.NewLive(l.Scope, l.Failures, recognizer, options)
	if err != nil {
		return nil, err
	}
	final, late, err := live.Simulate(ctx, sim)
	if err != nil {
		return nil, err
	}
	if meter.err != nil {
		return nil, meter.err
	}
	result.StopToText, result.Tail, result.CPU, result.Text = late, final.Tail, meter.total, view.text
	to := int(int64(final.Duration) * scout.EngineSampleRateHz / int64(time.Second))
	from := max(0, to-int(int64(final.Tail)*scout.EngineSampleRateHz/int64(time.Second)))
	if from < to && final.Tail <= bareLongest {
		meter.restart()
		if _, err := l.Transcribe(ctx, engine.Request{Samples: take.Samples[from:min(to, len(take.Samples))], Class: schedule.Dictation, Words: true, Language: l.Language}); err != nil {
			return nil, fmt.Errorf("decode the tail: %w", err)
		}
		result.Bare = meter.lap()
	}
	return result, nil
}

// view is what a client shows: all committed text, and the partial text behind it.
type view struct {
	take   *Take
	result *bench.LiveTake
	now    func() time.Duration

	text  string
	words []string // of text and the partial text, as shown last
	fixed int      // of them, committed
}

func (v *view) committed(c speech.LiveCommitted) {
	v.text += c.Text
	v.result.Committed += len(c.Words)
	v.first(len(c.Words))
	for _, w := range c.Words {
		if w.End != nil && v.now() < v.take.StopAt {
			v.result.Commit = append(v.result.Commit, v.now()-*w.End)
		}
	}
	fixed := strings.Fields(v.text)
	for i := range min(v.fixed, len(fixed)) {
		if v.words[i] != fixed[i] {
			v.result.Changed++
		}
	}
	v.show(fixed, len(fixed))
}

func (v *view) partial(p speech.LivePartial) {
	v.first(len(p.Words))
	fixed := strings.Fields(v.text)
	v.show(append(slices.Clone(fixed), strings.Fields(p.Text)...), len(fixed))
}

// show compares what is shown with what was shown. Words that were only removed with a commit come again at once.
func (v *view) show(words []string, fixed int) {
	same := 0
	for same < min(len(words), len(v.words)) && words[same] == v.words[same] {
		same++
	}
	if fixed < len(words) || same < len(words) {
		v.result.Shown += max(0, len(v.words)-max(same, v.fixed))
	}
	if fixed == len(words) && same == len(words) && len(v.words) > len(words) {
		v.fixed = fixed // the partial text behind it follows
		return
	}
	v.words, v.fixed = words, fixed
}

func (v *view) first(words int) {
	if v.result.FirstPartial < 0 && words > 0 && v.take.FirstWord >= 0 {
		v.result.FirstPartial = max(0, v.now()-v.take.FirstWord)
	}
}

// room is the background behind the speech of a dictation that stops after it: 70 dB below full scale.
const room = 0.0003

// Cut returns a dictation of about a length that begins at a frame of a longer recording, with the words of a single
// pass over that. It returns false if no word ends near there.
func Cut(samples []float32, words []scout.Word, from, length time.Duration, moment bench.StopMoment) (Take, bool) {
	_, after := bench.StopMoments()
	begin := slices.IndexFunc(words, func(w scout.Word) bool { return w.Start != nil && w.End != nil && *w.Start >= from })
	if begin < 0 {
		return Take{}, false
	}
	start := max(0, *words[begin].Start-200*time.Millisecond)
	last := -1
	for i := begin; i < len(words); i++ {
		if words[i].Start != nil && words[i].End != nil && *words[i].End <= start+length {
			last = i
		}
	}
	if last < 0 || *words[last].End-start < length/2 {
		return Take{}, false
	}
	frame := func(d time.Duration) int { return int(int64(d) * scout.EngineSampleRateHz / int64(time.Second)) }
	take := Take{Moment: moment, FirstWord: *words[begin].End - start}
	d := after[moment]
	said := words[begin : last+1]
	if d < 0 {
		said = said[:len(said)-1] // the last one is cut
	}
	for i := range said {
		take.Reference += said[i].Text + " "
	}
	if d < 0 {
		take.StopAt = (*words[last].Start+*words[last].End)/2 - start
		to := min(len(samples), frame(start+take.StopAt+time.Second))
		take.Samples = slices.Clone(samples[frame(start):to])
		return take, true
	}
	take.StopAt = *words[last].End - start + d
	to := min(len(samples), frame(*words[last].End))
	take.Samples = slices.Clone(samples[frame(start):to])
	rng := rand.New(rand.NewPCG(1, uint64(len(take.Samples))))
	for range frame(d + time.Second) {
		take.Samples = append(take.Samples, float32(room*rng.NormFloat64()))
	}
	return take, true
}

// Said returns what is said before the stop. It is part of the samples.
func (t *Take) Said() []float32 { return t.Samples[:min(len(t.Samples), frames(t.StopAt))] }

// FromFirstWord returns the dictation without what is before its first word.
func (t Take) FromFirstWord() Take {
	const before = 200 * time.Millisecond // as Cut leaves
	t.Samples, t.StopAt, t.FirstWord = t.Samples[min(len(t.Samples), frames(before)):], t.StopAt-before, max(0, t.FirstWord-before)
	return t
}

// Begins reports whether a text begins with the first word that is said.
func (t *Take) Begins(text string) bool { return begins(t.Reference, text) }

// Whole returns a dictation of a whole recording, stopped at its end with the background behind it.
func Whole(samples []float32, group string, moment bench.StopMoment) Take {
	_, after := bench.StopMoments()
	d := max(0, after[moment])
	length := time.Duration(len(samples)) * time.Second / scout.EngineSampleRateHz
	take := Take{Group: group, Moment: moment, Samples: slices.Clone(samples), StopAt: length + d, FirstWord: -1}
	rng := rand.New(rand.NewPCG(1, 2))
	for range int((d + time.Second).Seconds() * scout.EngineSampleRateHz) {
		take.Samples = append(take.Samples, float32(room*rng.NormFloat64()))
	}
	return take
}
