package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
)

// Side is one of the two engines that are compared.
type Side int

const (
	// Yardstick is sherpa-onnx with its own defaults on the published files.
	Yardstick Side = iota
	// Scout is the backend that serves the model.
	Scout
)

// Rig provides what RunEngine measures.
type Rig interface {
	// Open returns an engine that has not started; the caller closes it. Batch requests may have background of
	// its slots, and leave one free for reserve after an interactive request (0 for the default).
	Open(ctx context.Context, side Side, background int, reserve time.Duration) (*engine.Engine, error)
	// Hear transcribes a file with e, cut where it is quiet: as scout transcribe does, or every piece once.
	Hear(ctx context.Context, e *engine.Engine, file string, once bool) (Heard, error)
	// Cold runs scout transcribe as a process of its own on the clip and waits for its end.
	Cold(ctx context.Context, side Side) error
	// Hour transcribes an hour of speech in a process of its own and returns what it and its engine took.
	Hour(ctx context.Context) (Memory, error)
}

// EngineOptions tell what RunEngine measures.
type EngineOptions struct {
	Setup Setup
	// Entries are the clips of the set, Dir their folder.
	Entries []Entry
	Dir     string
	// Clip is about 11 s of speech, 16 kHz mono.
	Clip []float32
	// Pieces are what keeps slots busy: speech as a long recording is cut.
	Pieces [][]float32
	// Rounds is how often the clip is decoded in each way; loading and cold starts take a third of it.
	Rounds int
	// SkipHour leaves out the hour of speech, which takes about a minute.
	SkipHour bool
	// Progress, if set, is told what is measured next.
	Progress func(part string)
}

// engineRun is a run of RunEngine.
type engineRun struct {
	EngineOptions
	rig    Rig
	report *EngineReport
}

// RunEngine measures the engine against the yardstick in one run: what is compared alternates, so that whatever
// else the machine does meets both. Times are medians.
func RunEngine(ctx context.Context, rig Rig, o EngineOptions) (*EngineReport, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	r := &engineRun{EngineOptions: o, rig: rig, report: &EngineReport{
		Schema: EngineSchema, Started: time.Now().UTC(), Setup: o.Setup, Machine: machine(),
	}}
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"loading", r.load},
		{"cold starts", r.cold},
		{"the clip", r.clip},
		{"all clips", r.set},
		{"two slots", r.slots},
		{"beside a busy slot", r.beside},
		{"cancelling", r.cancel},
		{"an hour of speech", r.hour},
	} {
		o.Progress(part.name)
		if err := part.measure(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, scout.Errorf(scout.CodeCancelled, "benchmark stopped at %s: %w", part.name, err)
			}
			return nil, fmt.Errorf("measure %s: %w", part.name, err)
		}
	}
	return r.report, nil
}

// open returns an engine with its model loaded, and how long that took.
func (r *engineRun) open(ctx context.Context, side Side, background int, reserve time.Duration) (*engine.Engine, time.Duration, error) {
	e, err := r.rig.Open(ctx, side, background, reserve)
	if err != nil {
		return nil, 0, err
	}
	took, err := timed(func() error {
		_, err := e.Load(ctx)
		return err
	})
	if err != nil {
		e.Close()
		return nil, 0, err
	}
	return e, took, nil
}

func timed(work func() error) (time.Duration, error) {
	began := time.Now()
	err := work()
	return time.Since(began), err
}

// transcribe is one request. It adds the time it took to times.
func transcribe(ctx context.Context, e *engine.Engine, request engine.Request, times *[]time.Duration) (*scout.Hypothesis, error) {
	began := time.Now()
	result, err := e.Transcribe(ctx, request)
	*times = append(*times, time.Since(began))
	return result, err
}

// load measures from starting a process to its model being ready, and the first decode.
func (r *engineRun) load(ctx context.Context) error {
	var ready, first [2][]time.Duration
	for range max(r.Rounds/3, 1) {
		for _, side := range []Side{Yardstick, Scout} {
			e, took, err := r.open(ctx, side, 1, 0)
			if err != nil {
				return err
			}
			ready[side] = append(ready[side], took)
			_, err = transcribe(ctx, e, engine.Request{Samples: r.Clip, Class: schedule.Interactive}, &first[side])
			e.Close()
			if err != nil {
				return err
			}
		}
	}
	r.report.ratio("load", "load to ready", ready[Scout], ready[Yardstick], 0.35, 0)
	r.report.ratio("first_decode", "first decode after load", first[Scout], first[Yardstick], 0.60, 0)
	return nil
}

// cold measures whole runs of scout transcribe.
func (r *engineRun) cold(ctx context.Context) error {
	var times [2][]time.Duration
	for range max(r.Rounds/3, 1) {
		for _, side := range []Side{Yardstick, Scout} {
			took, err := timed(func() error { return r.rig.Cold(ctx, side) })
			if err != nil {
				return err
			}
			times[side] = append(times[side], took)
		}
	}
	r.report.ratio("cold_transcribe", "scout transcribe of the clip, cold", times[Scout], times[Yardstick], 0.50, 0)
	return nil
}

// clip measures single requests: greedy, and with a text already known.
func (r *engineRun) clip(ctx context.Context) error {
	yardstick, _, err := r.open(ctx, Yardstick, 1, 0)
	if err != nil {
		return err
	}
	defer yardstick.Close()
	e, _, err := r.open(ctx, Scout, 1, 0)
	if err != nil {
		return err
	}
	defer e.Close()
	greedy := engine.Request{Samples: r.Clip, Class: schedule.Interactive}
	var warm, base, free, right, wrong []time.Duration
	if _, err := transcribe(ctx, yardstick, greedy, &warm); err != nil {
		return err
	}
	known, err := transcribe(ctx, e, greedy, &warm)
	if err != nil {
		return err
	}
	confirmed, corrected := greedy, greedy
	confirmed.Known = tokensOf(known)
	hypothesis, kept := lastWordsWrong(known)
	corrected.Known = hypothesis
	for range r.Rounds {
		if _, err := transcribe(ctx, yardstick, greedy, &base); err != nil {
			return err
		}
		if _, err := transcribe(ctx, e, greedy, &free); err != nil {
			return err
		}
		result, err := transcribe(ctx, e, confirmed, &right)
		if err != nil {
			return err
		}
		if result.Agreed != len(known.Tokens) {
			return scout.Errorf(scout.CodeInternal, "%d of %d tokens of its own text agreed", result.Agreed, len(known.Tokens))
		}
		if result, err = transcribe(ctx, e, corrected, &wrong); err != nil {
			return err
		}
		if result.Agreed != kept || result.Text != known.Text {
			return scout.Errorf(scout.CodeInternal, "with the last words wrong %d tokens agreed, not %d, and the text is %q", result.Agreed, kept, result.Text)
		}
	}
	name := fmt.Sprintf("clip of %.0f s", float64(len(r.Clip))/scout.EngineSampleRateHz)
	r.report.ratio("clip_greedy", name+", greedy", free, base, 0.48, 0.38)
	r.report.ratio("clip_right_hypothesis", "  its own text given", right, base, 0.30, 0)
	r.report.ratio("clip_wrong_end", "  its last three words wrong", wrong, base, 0.34, 0)
	return nil
}

func tokensOf(result *scout.Hypothesis) []int32 {
	ids := make([]int32, len(result.Tokens))
	for i, t := range result.Tokens {
		ids[i] = t.ID
	}
	return ids
}

// lastWordsWrong returns the tokens with those of the last three words replaced by others, and how many are
// left as they were.
func lastWordsWrong(result *scout.Hypothesis) (ids []int32, kept int) {
	ids = tokensOf(result)
	kept = len(ids)
	for words := 0; kept > 0 && words < 3; {
		kept--
		if strings.HasPrefix(result.Tokens[kept].Text, " ") {
			words++
		}
	}
	const of, is = 310, 338 // of Llama's vocabulary, " of" and " is"
	for i := kept; i < len(ids); i++ {
		if ids[i] == of {
			ids[i] = is
		} else {
			ids[i] = of
		}
	}
	return ids, kept
}

// set transcribes all clips in turn: with the yardstick, which hears every piece once, with our engine likewise, and with our
// engine as scout transcribe does, which hears doubtful ones again.
func (r *engineRun) set(ctx context.Context) error {
	const yardstick, once, usual = 0, 1, 2
	ways := [...]struct {
		side Side
		once bool
	}{yardstick: {Yardstick, true}, once: {Scout, true}, usual: {Scout, false}}
	var engines [2]*engine.Engine
	defer func() {
		for _, e := range engines {
			if e != nil {
				e.Close()
			}
		}
	}()
	for _, side := range []Side{Yardstick, Scout} {
		e, _, err := r.open(ctx, side, 1, 0)
		if err != nil {
			return err
		}
		engines[side] = e
	}
	clips, err := plan(ctx, r.Entries, Options{Dir: r.Dir, Setup: Setup{Mode: Each}})
	if err != nil {
		return err
	}
	var spent [len(ways)]float64 // milliseconds
	var reports [len(ways)]Report
	for _, c := range clips {
		for w, way := range ways {
			e := engines[way.side]
			before, err := cpuTime(e)
			if err != nil {
				return err
			}
			began := time.Now()
			heard, err := r.rig.Hear(ctx, e, c.paths[0], way.once)
			if err != nil {
				return err
			}
			reports[w].Files = append(reports[w].Files, c.judge(heard, time.Since(began), nil))
			after, err := cpuTime(e)
			if err != nil {
				return err
			}
			spent[w] += (after - before).Seconds() * 1000
		}
	}
	for w := range reports {
		reports[w].sum()
	}
	for _, f := range []struct {
		id, name string
		way      int
	}{
		{"set_cpu", fmt.Sprintf("all %d clips, %.0f s, CPU time", len(clips), reports[usual].Total.Audio), usual},
		{"set_cpu_once", "  every piece heard once, as the yardstick does", once},
	} {
		r.report.add(Figure{
			ID: f.id, Name: f.name, Unit: UnitRatio,
			Value: spent[f.way] / spent[yardstick], Bound: 0.45, Scout: spent[f.way], Yardstick: spent[yardstick],
		})
	}
	change := reports[usual].Against(&reports[yardstick])
	for _, g := range []struct {
		id, name string
		change   Change
	}{{"set_wer_short", "  word errors, clips up to 30 s", change.Short}, {"set_wer_long", "  word errors, longer ones", change.Long}} {
		if g.change.Files > 0 {
			r.report.add(Figure{
				ID: g.id, Name: g.name, Unit: UnitPoints, Value: 100 * g.change.Delta.Value, Bound: 0.3,
				Scout: 100 * g.change.After, Yardstick: 100 * g.change.Before,
			})
		}
	}
	r.report.memory("set_peak", "  peak of the engine", peakOf(engines[Scout]), peakOf(engines[Yardstick]), 130, 0)
	return nil
}

// cpuTime is the processor time of the engine's process so far.
func cpuTime(e *engine.Engine) (time.Duration, error) {
	spent, err := ProcessorTime(e.State().PID)
	if err != nil {
		return 0, scout.Errorf(scout.CodeInternal, "look at the engine: %w", err)
	}
	return spent, nil
}

// peakOf is the largest resident size of the engine's process so far, where the system keeps it.
func peakOf(e *engine.Engine) int64 { return StartMemory(e.State().PID).Stop().Bound }

// workers sends the pieces to e from so many goroutines at once and waits for all answers.
func (r *engineRun) workers(ctx context.Context, e *engine.Engine, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pieces := make(chan []float32)
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for piece := range pieces {
				if _, err := e.Transcribe(ctx, engine.Request{Samples: piece}); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, piece := range r.Pieces {
		pieces <- piece
	}
	close(pieces)
	group.Wait()
	return context.Cause(ctx)
}

// slots measures what a second slot gains.
func (r *engineRun) slots(ctx context.Context) error {
	e, _, err := r.open(ctx, Scout, 2, 0)
	if err != nil {
		return err
	}
	defer e.Close()
	var times [2][]time.Duration
	for range 3 {
		for slots := 1; slots <= 2; slots++ {
			took, err := timed(func() error { return r.workers(ctx, e, slots) })
			if err != nil {
				return err
			}
			times[slots-1] = append(times[slots-1], took)
		}
	}
	one, two := median(times[0]), median(times[1])
	f := Figure{ID: "two_lanes", Name: "two slots against one, pieces a second", Unit: UnitTimes, AtLeast: true, Value: one / two, Bound: 1.5}
	if runtime.NumCPU() < 2 {
		f.Bound = 0
	}
	r.report.add(f)
	r.report.memory("two_lanes_peak", "  peak of the engine", peakOf(e), 0, 170, 0)
	return nil
}

// beside measures an interactive request of 3 s beside batch work, which has one slot, or both until it is
// interrupted.
func (r *engineRun) beside(ctx context.Context) error {
	for _, c := range []struct {
		id, name string
		slots    int
	}{
		{"beside_one", "3 s for somebody who waits, beside a busy slot", 1},
		{"beside_two", "  beside two, one of which it interrupts", 2},
	} {
		e, _, err := r.open(ctx, Scout, c.slots, time.Nanosecond)
		if err != nil {
			return err
		}
		alone, beside, err := r.besideBatch(ctx, e, c.slots)
		e.Close()
		if err != nil {
			return err
		}
		r.report.add(Figure{
			ID: c.id, Name: c.name, Unit: UnitTimes, Value: median(beside) / median(alone), Bound: 1.6,
			Scout: median(beside), Yardstick: median(alone), Against: "alone",
		})
	}
	return nil
}

func (r *engineRun) besideBatch(ctx context.Context, e *engine.Engine, slots int) (alone, beside []time.Duration, err error) {
	request := engine.Request{Samples: r.Clip[:min(len(r.Clip), 3*scout.EngineSampleRateHz)], Class: schedule.Interactive}
	if _, err := e.Transcribe(ctx, request); err != nil {
		return nil, nil, err
	}
	several := func(times *[]time.Duration) error {
		for range r.Rounds {
			if _, err := transcribe(ctx, e, request, times); err != nil {
				return err
			}
			// Who dictates pauses; batch work goes on meanwhile, on both slots where it may have them.
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}
	for range 3 {
		if err := several(&alone); err != nil {
			return nil, nil, err
		}
		busy, stop := context.WithCancelCause(ctx)
		failed := make(chan error, 1)
		go func() {
			for {
				if err := r.workers(busy, e, slots); err != nil {
					failed <- err
					return
				}
			}
		}()
		err := several(&beside)
		stop(errEnough)
		if ended := <-failed; err == nil && !isEnough(ended) {
			err = ended
		}
		if err != nil {
			return nil, nil, err
		}
		if err := e.Quiet(ctx); err != nil {
			return nil, nil, err
		}
	}
	return alone, beside, nil
}

// pause waits, or fails when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// cancel measures from cancelling a request, at any moment of it, to the engine having let go of it.
func (r *engineRun) cancel(ctx context.Context) error {
	e, _, err := r.open(ctx, Scout, 1, 0)
	if err != nil {
		return err
	}
	defer e.Close()
	var whole, encoding []time.Duration
	for range max(r.Rounds, 3) {
		result, err := transcribe(ctx, e, engine.Request{Samples: r.Clip, Class: schedule.Interactive}, &whole)
		if err != nil {
			return err
		}
		encoding = append(encoding, result.EncodeTime)
	}
	length := slices.Min(whole)
	var cancelled cancels
	cancelled.encoder = slices.Min(encoding)
	pid := e.State().PID
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 * r.Rounds {
		request, stop := context.WithCancel(ctx)
		var began time.Time
		var own, engines queued
		ended := make(chan struct{})
		sent := time.Now()
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(length))), func() {
			own, engines = queuedOf(os.Getpid()), queuedOf(pid)
			began = time.Now()
			stop()
			close(ended)
		})
		_, err := e.Transcribe(request, engine.Request{Samples: r.Clip, Class: schedule.Interactive})
		if timer.Stop() { // answered before it was cancelled
			stop()
			continue
		}
		<-ended
		if err == nil {
			continue
		}
		if scout.ClassOf(err) != scout.Cancelled || ctx.Err() != nil {
			return err
		}
		if err := e.Quiet(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		cancelled.add(began.Sub(sent), took, queuedOf(os.Getpid()).since(own)+queuedOf(pid).since(engines))
	}
	r.report.add(cancelled.figure())
	return nil
}

// cancels are requests that were cancelled. A cancel has to be obeyed within a token; where it comes while the
// encoder runs, the encoder may go on to its end before.
type cancels struct {
	encoder time.Duration // how long it takes when nobody cancels

	inEncoder, later []time.Duration // from the cancel until the engine was free
	beyond           []time.Duration // the same without the encoder's rest
	waited           []time.Duration // what threads stood in line for a processor meanwhile
}

// add takes a request that was cancelled so long after it was sent, how long that took, and how long threads
// waited for a processor meanwhile.
func (c *cancels) add(after, took, waited time.Duration) {
	rest := max(c.encoder-after, 0)
	if rest > 0 {
		c.inEncoder = append(c.inEncoder, took)
	} else {
		c.later = append(c.later, took)
	}
	c.beyond = append(c.beyond, max(took-rest, 0))
	c.waited = append(c.waited, waited)
}

func (c *cancels) figure() Figure {
	all, in, later := SpreadOf(slices.Concat(c.inEncoder, c.later)), SpreadOf(c.inEncoder), SpreadOf(c.later)
	return Figure{
		ID: "cancel_p99", Name: fmt.Sprintf("%d requests cancelled: beyond the encoder's rest, p99", all.Count), Unit: UnitMS,
		Value: SpreadOf(c.beyond).P99, Bound: 5,
		Detail: fmt.Sprintf("from cancel to free: median %.1f, p99 %.1f, longest %.1f ms; %d in the encoder of %.0f ms p99 %.1f, %d later p99 %.1f; "+
			"waits for a processor p99 %.1f ms",
			all.P50, all.P99, all.Max, in.Count, c.encoder.Seconds()*1000, in.P99, later.Count, later.P99, SpreadOf(c.waited).P99),
	}
}

// hour measures the whole tree of processes.
func (r *engineRun) hour(ctx context.Context) error {
	if r.SkipHour {
		return nil
	}
	m, err := r.rig.Hour(ctx)
	if err != nil {
		return err
	}
	parts := make([]string, len(m.Processes))
	for i, p := range m.Processes {
		parts[i] = fmt.Sprintf("%s %.0f", p.Name, megabytes(p.Peak))
	}
	r.report.memory("hour_peak", "peak of all processes, an hour of speech", m.Peak, 0, 150, 120)
	r.report.Figures[len(r.report.Figures)-1].Detail = strings.Join(parts, ", ")
	return nil
}

// errEnough ends batch work that has been running long enough.
var errEnough = errors.New("measured")

// isEnough tells whether work ended because it was told to.
func isEnough(err error) bool { return errors.Is(err, errEnough) || errors.Is(err, context.Canceled) }
