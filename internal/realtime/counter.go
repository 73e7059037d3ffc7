package realtime

import (
	"context"
	"math"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
)

// counter is an engine that keeps how many positions its encoder has for sound. Live text decodes the same sound again and again, so what the
// single decodes take says nothing of an item: its length does, with the rate of the encoder.
type counter struct {
	Engine
	model string

	mu        sync.Mutex
	samples   int // of the longest request whose positions are known
	positions int // for these samples
	prompt    int // most tokens of a prompt
}

// Transcribe implements speech.Recognizer.
func (c *counter) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	h, err := c.Engine.Transcribe(ctx, request)
	if err == nil && h.AudioTokens > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := len(request.Samples); n > c.samples {
			c.samples, c.positions = n, h.AudioTokens
		}
		c.prompt = max(c.prompt, h.PromptTokens)
	}
	return h, err
}

// tokens are those of an item that is text, nil if they are not known. c may be nil.
func (c *counter) tokens(m *Machine, it *Item) *Tokens {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	written, known := m.Written(it)
	if !known || c.samples == 0 {
		return nil
	}
	audio := float64(framesOf(it.Length())) * float64(c.positions) / float64(c.samples)
	return &Tokens{Audio: int(math.Round(audio)), Prompt: c.prompt, Output: written}
}

// counts has the engine of an item count, if the client named a model that does; nil if not. What was counted before of the same model is
// kept: nothing is decoded of an item that is silent.
func (s *Session) counts(it *Item, r *Recognizer) *counter {
	s.with(func(*Machine) { it.Counts = r.CountsTokens })
	if !r.CountsTokens {
		return nil
	}
	if s.counter == nil || s.counter.model != r.Model {
		s.counter = &counter{model: r.Model}
	}
	s.counter.Engine = r.Engine
	r.Engine = s.counter
	return s.counter
}
