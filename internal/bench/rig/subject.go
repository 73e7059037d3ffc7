package rig

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/spelling"
)

// ClockedEngine measures each request to an engine.
type ClockedEngine struct {
	Engine *engine.Engine

	mu   sync.Mutex
	took []time.Duration
}

// Transcribe passes the request on and times it.
func (c *ClockedEngine) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	began := time.Now()
	result, err := c.Engine.Transcribe(ctx, request)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, time.Since(began))
	return result, err
}

// take returns the times since the last call.
func (c *ClockedEngine) take() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := c.took
	c.took = nil
	return took
}

// Subject is what the benchmark measures: the same path as scout transcribe. It implements bench.Subject.
type Subject struct {
	Reader      Reader
	Transcriber *speech.Batch
	Engine      *ClockedEngine // the engine that Transcriber uses
	Model       string
	Parallel    int
	Effort      speech.Effort
	// Trait is what is special about the model, and Cut says where borders of pieces are; nil leaves that to Trait.
	Trait    speech.Trait
	Cut      *segment.Options
	HotWords []string
	Decoded  *Clips // nil if every clip is decoded when it is needed
	// LanguageOf returns the code that the model knows for one of the manifest; nil for none.
	LanguageOf func(code string) (string, error)
	// PID returns the process of the engine, whose processor time is measured; nil for none.
	PID func() int
}

// Transcribe transcribes the files as if they were one.
func (s *Subject) Transcribe(ctx context.Context, clip bench.Clip) (bench.Heard, error) {
	language := ""
	if s.LanguageOf != nil {
		var err error
		if language, err = s.LanguageOf(clip.Language); err != nil {
			return bench.Heard{}, err
		}
	}
	source := &joinedSource{files: clip.Files, open: func(path string) (closingSource, error) {
		if s.Decoded != nil {
			return s.Decoded.open(path)
		}
		return s.Reader.Open(ctx, path)
	}}
	before := s.processor()
	transcript, err := s.Transcriber.Transcribe(ctx, source, speech.Options{
		Model: s.Model, Language: language, Trait: s.Trait, Effort: s.Effort, Cut: s.Cut, Class: schedule.Interactive, Parallel: s.Parallel, Words: true, HotWords: s.HotWords,
	})
	err = errors.Join(err, source.close())
	heard := bench.Heard{Audio: source.heard(), Decodes: s.Engine.take()}
	if after := s.processor(); before.pid == after.pid {
		heard.CPU = after.used - before.used
	}
	if err != nil {
		return heard, err
	}
	heard.Text, heard.Language = transcript.Text(), transcript.Language
	for i := range transcript.Segments {
		for _, w := range transcript.Segments[i].Words {
			if w.LogProb != nil {
				heard.Words = append(heard.Words, bench.HeardWord{Text: w.Text, LogProb: *w.LogProb})
			}
		}
	}
	if n := len(transcript.SetAside); n > 0 {
		return heard, scout.Errorf(transcript.SetAside[0].Code, "no text for %s of it, the text of the rest is counted: %s", spelling.Count(n, "part"), transcript.SetAside[0].Reason)
	}
	return heard, nil
}

// used is the processor time of a process.
type used struct {
	pid  int
	used time.Duration
}

// processor returns the processor time of the engine so far; zero if it is not known.
func (s *Subject) processor() used {
	if s.PID == nil {
		return used{}
	}
	pid := s.PID()
	t, err := bench.ProcessorTime(pid)
	if err != nil {
		return used{}
	}
	return used{pid, t}
}
