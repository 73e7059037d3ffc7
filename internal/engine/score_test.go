package engine_test

import (
	"context"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
)

// A model that gives no scores is not asked for them: it would answer with a text.
func TestScoresOfAModelWithoutThem(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, nil)
	asks := request(works)
	asks.Score = &engine.Score{Words: []string{"a"}}
	h, err := e.Transcribe(context.Background(), asks)
	if scout.CodeOf(err) != scout.CodeModelUnsupported {
		t.Fatalf("%+v, %v", h, err)
	}
}
