package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/speech"
)

// stretch is some clips, joined, with what a single pass heard.
type stretch struct {
	samples   []float32
	reference []string
	words     []scout.Word
	text      string
}

// length is how long the stretch is.
func (s *stretch) length() time.Duration {
	return time.Duration(len(s.samples)) * time.Second / scout.EngineSampleRateHz
}

// gather joins the clips of a folder to stretches of a length. There is at least one.
func gather(ctx context.Context, a *app, dir string, entries []bench.Entry, length time.Duration) ([]*stretch, error) {
	most := int(length.Seconds() * scout.EngineSampleRateHz)
	var stretches []*stretch
	current := &stretch{}
	for _, e := range entries {
		samples, err := reader(a).Read(ctx, filepath.Join(dir, e.File), 0)
		if err != nil {
			return nil, err
		}
		current.samples = append(current.samples, samples...)
		current.reference = append(current.reference, e.Reference)
		if len(current.samples) >= most {
			stretches, current = append(stretches, current), &stretch{}
		}
	}
	if len(current.samples) > 0 || len(stretches) == 0 {
		stretches = append(stretches, current)
	}
	return stretches, nil
}

// pass transcribes the stretch as a file.
func (s *stretch) pass(ctx context.Context, single *speech.Batch, o speech.Options) error {
	source := rig.Samples(s.samples)
	transcript, err := single.Transcribe(ctx, &source, o)
	if err != nil {
		return err
	}
	s.text, s.words = transcript.Text(), nil
	for i := range transcript.Segments {
		s.words = append(s.words, transcript.Segments[i].Words...)
	}
	return nil
}
