package rig

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// Rehearser dictates clips on a simulated clock and hears them a second time.
type Rehearser struct {
	Reader Reader
	// Live makes the first passes.
	Live *Live
	// Fast and Accurate are the models, Options those of the second passes. Options.Vote is asked for all differences; nil for none.
	Fast, Accurate *CountedEngine
	Options        speech.SecondOptions
	// Cut places the borders of pieces.
	Cut segment.Options
	// Known are first passes that were made before, by file.
	Known map[string][]scout.Word
	// Stops is at how many moments of a clip somebody stops, all over it; 0 for only at its end.
	Stops int
}

// Clip returns what both passes make of a clip.
func (h *Rehearser) Clip(ctx context.Context, dir string, entry bench.Entry) (clip bench.SecondClip, err error) {
	samples, err := h.Reader.Read(ctx, filepath.Join(dir, entry.File), 0)
	if err != nil {
		return clip, err
	}
	length := time.Duration(len(samples)) * time.Second / scout.EngineSampleRateHz
	clip = bench.SecondClip{File: entry.File, Reference: entry.Reference, Language: entry.Language, Seconds: length.Seconds()}
	*h.Fast, *h.Accurate = CountedEngine{Engine: h.Fast.Engine}, CountedEngine{Engine: h.Accurate.Engine}
	if known, ok := h.Known[entry.File]; ok {
		clip.First = known
	} else if clip.First, err = h.first(ctx, samples, length); err != nil {
		return clip, fmt.Errorf("%s: first pass: %w", entry.File, err)
	}
	clip.CPU.Fast = h.Fast.text.Seconds()
	known := &remembering{next: h.Accurate, answers: map[[sha256.Size]byte]answer{}}
	options := h.Options
	if h.Options.Vote != nil {
		watched := *h.Options.Vote
		watched.Words = clip.First
		watched.Watch = func(d speech.Decoded, b *vote.Ballot) {
			clip.Pieces = append(clip.Pieces, bench.VotePiece{Decoded: d, Ballot: b})
		}
		options.Vote = &watched
	} else {
		options.Vote = &speech.Vote{Watch: func(d speech.Decoded, _ *vote.Ballot) { clip.Pieces = append(clip.Pieces, bench.VotePiece{Decoded: d}) }}
	}
	text, late, err := h.second(ctx, known, samples, length, options)
	if err != nil {
		return clip, fmt.Errorf("%s: second pass: %w", entry.File, err)
	}
	clip.Unheard = text.Unheard
	if h.Options.Vote == nil { // scores of all differences take longer than those that matter
		clip.Late = append(clip.Late, late)
	}
	clip.CPU.Accurate, clip.CPU.AccurateScores, clip.CPU.FastScores = h.Accurate.text.Seconds(), h.Accurate.scores.Seconds(), h.Fast.scores.Seconds()
	options.Vote = nil
	for i := range h.Stops {
		at := length * time.Duration(i+1) / time.Duration(h.Stops+1)
		if at < shortestDictation {
			continue
		}
		_, late, err := h.second(ctx, known, samples, at, options)
		if err != nil {
			return clip, fmt.Errorf("%s: stopped after %s: %w", entry.File, at, err)
		}
		clip.Late = append(clip.Late, late)
	}
	return clip, nil
}

// shortestDictation is the length of the shortest dictation that is measured.
const shortestDictation = 2 * time.Second

// first returns the words of the first pass.
func (h *Rehearser) first(ctx context.Context, samples []float32, stopAt time.Duration) (words []scout.Word, err error) {
	meter := &timing{engine: h.Fast}
	live, err := speech.NewLive(h.Live.Scope, h.Live.Failures, meter, speech.LiveOptions{
		Recorded: memoryRecording(samples), Language: h.Live.Language, Trait: h.Live.Trait, Commit: h.Live.Commit, Rhythm: h.Live.Rhythm, Pause: h.Live.Pause,
		Committed: func(c speech.LiveCommitted) { words = append(words, c.Words...) },
	})
	if err != nil {
		return nil, err
	}
	_, _, err = live.Simulate(ctx, &speech.Simulation{Samples: samples, StopAt: stopAt, Block: liveBlock, Latency: liveLatency, Cost: meter.cost})
	return words, err
}

// second hears the samples up to a stop a second time.
func (h *Rehearser) second(ctx context.Context, known *remembering, samples []float32, stopAt time.Duration, o speech.SecondOptions) (speech.SecondText, time.Duration, error) {
	o.Recorded, o.Cut = memoryRecording(samples), &h.Cut
	again, err := speech.NewSecond(h.Live.Scope, h.Live.Failures, known, o)
	if err != nil {
		return speech.SecondText{}, 0, err
	}
	return again.Simulate(ctx, &speech.Simulation{Samples: samples, StopAt: stopAt, Block: liveBlock, Latency: liveLatency, Cost: known.cost})
}

// timing tells how much processor time the requests since the last question took.
type timing struct {
	engine *CountedEngine
	before time.Duration
}

// Transcribe implements speech.Recognizer.
func (t *timing) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	return t.engine.Transcribe(ctx, r)
}

func (t *timing) cost() time.Duration {
	now := t.engine.text + t.engine.scores
	took := now - t.before
	t.before = now
	return took
}

// remembering asks for each piece once: dictations that are stopped at different moments begin with the same pieces.
type remembering struct {
	next    *CountedEngine
	answers map[[sha256.Size]byte]answer
	spent   time.Duration // since the last question
}

type answer struct {
	hypothesis *scout.Hypothesis
	took       time.Duration
}

// Transcribe implements speech.Recognizer.
func (m *remembering) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	sum := sha256.New()
	block := make([]byte, 0, 4*len(r.Samples))
	for _, v := range r.Samples {
		block = binary.LittleEndian.AppendUint32(block, math.Float32bits(v))
	}
	_, _ = sum.Write(block) // a hash takes everything
	rest := r
	rest.Samples, rest.Score = nil, nil
	_, _ = fmt.Fprintf(sum, "%+v", rest)
	key := [sha256.Size]byte(sum.Sum(nil))
	if a, ok := m.answers[key]; ok && r.Score == nil {
		m.spent += a.took
		return a.hypothesis, nil
	}
	before := m.next.text + m.next.scores
	h, err := m.next.Transcribe(ctx, r)
	took := m.next.text + m.next.scores - before
	m.spent += took
	if err == nil && r.Score == nil {
		m.answers[key] = answer{h, took}
	}
	return h, err
}

func (m *remembering) cost() time.Duration {
	spent := m.spent
	m.spent = 0
	return spent
}
