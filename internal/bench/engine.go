package bench

import (
	"context"
	"fmt"
	"strings"
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

// Rig provides the engines that RunEngine measures.
type Rig interface {
	// Open returns an engine that has not started; the caller closes it. Batch requests may have background of its
	// slots, and leave one free for reserve after an interactive request (0 for the default).
	Open(ctx context.Context, side Side, background int, reserve time.Duration) (*engine.Engine, error)
	// Hear transcribes a file with e, cut at pauses: as scout transcribe does, or every piece once.
	Hear(ctx context.Context, e *engine.Engine, file string, once bool) (Heard, error)
	// Cold runs scout transcribe on the clip in a separate process and waits for its end.
	Cold(ctx context.Context, side Side) error
	// Hour transcribes an hour of speech in a separate process and returns the memory of that process and its engine.
	Hour(ctx context.Context) (Memory, error)
}

// EngineOptions say what RunEngine measures.
type EngineOptions struct {
	Setup Setup
	// Entries are the clips of the set, Dir their folder.
	Entries []Entry
	Dir     string
	// Clip is about 11 s of speech, 16 kHz mono.
	Clip []float32
	// Pieces keep the slots busy: speech, cut as in a long recording.
	Pieces [][]float32
	// Rounds is how often the clip is decoded in each way; loading and cold starts are measured a third as often.
	Rounds int
	// SkipHour leaves out the hour of speech, which takes about a minute.
	SkipHour bool
	// Progress, if set, receives the name of each part before it is measured.
	Progress func(part string)
}

// engineRun is a run of RunEngine.
type engineRun struct {
	EngineOptions
	rig    Rig
	report *EngineReport
}

// RunEngine measures the engine against the yardstick in one run. The two sides alternate, so that other work of the
// machine affects both. Times are medians.
func RunEngine(ctx context.Context, rig Rig, o EngineOptions) (*EngineReport, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	r := &engineRun{EngineOptions: o, rig: rig, report: &EngineReport{
		Schema: engineSchema, Started: time.Now().UTC(), Setup: o.Setup, Machine: machine(),
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

// transcribe makes one request and appends its time to times.
func transcribe(ctx context.Context, e *engine.Engine, request engine.Request, times *[]time.Duration) (*scout.Hypothesis, error) {
	began := time.Now()
	result, err := e.Transcribe(ctx, request)
	*times = append(*times, time.Since(began))
	return result, err
}

// load measures the time from starting a process to its model being ready, and the first decode.
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
	r.report.ratio(Figure{ID: "load", Name: "load to ready", Bound: 0.35}, ready[Scout], ready[Yardstick])
	r.report.ratio(Figure{ID: "first_decode", Name: "first decode after load", Bound: 0.60}, first[Scout], first[Yardstick])
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
	r.report.ratio(Figure{ID: "cold_transcribe", Name: "scout transcribe of the clip, cold", Bound: 0.50}, times[Scout], times[Yardstick])
	return nil
}

// clip measures single requests: greedy, and with a known text.
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
	r.report.ratio(Figure{ID: "clip_greedy", Name: name + ", greedy", Bound: 0.48, Aim: 0.38}, free, base)
	r.report.ratio(Figure{ID: "clip_right_hypothesis", Name: "  its own text given", Bound: 0.30}, right, base)
	r.report.ratio(Figure{ID: "clip_wrong_end", Name: "  its last three words wrong", Bound: 0.34}, wrong, base)
	return nil
}

func tokensOf(result *scout.Hypothesis) []int32 {
	ids := make([]int32, len(result.Tokens))
	for i, t := range result.Tokens {
		ids[i] = t.ID
	}
	return ids
}

// lastWordsWrong returns the tokens with those of the last three words replaced by others, and how many are unchanged.
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

// set transcribes all clips in turn: with the yardstick, which decodes every piece once, with our engine in the same
// way, and with our engine as scout transcribe uses it, which decodes doubtful pieces again.
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
	r.report.memory(Figure{ID: "set_peak", Name: "  peak of the engine", Bound: 130}, peakOf(engines[Scout]), peakOf(engines[Yardstick]))
	return nil
}

// cpuTime returns the processor time of the engine's process so far.
func cpuTime(e *engine.Engine) (time.Duration, error) {
	spent, err := ProcessorTime(e.State().PID)
	if err != nil {
		return 0, scout.Errorf(scout.CodeInternal, "measure the engine: %w", err)
	}
	return spent, nil
}

// peakOf returns the largest resident size of the engine's process so far, on systems that record it.
func peakOf(e *engine.Engine) int64 { return StartMemory(e.State().PID).Stop().Bound }

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
	r.report.memory(Figure{ID: "hour_peak", Name: "peak of all processes, an hour of speech", Bound: 150, Aim: 120}, m.Peak, 0)
	r.report.Figures[len(r.report.Figures)-1].Detail = strings.Join(parts, ", ")
	return nil
}
