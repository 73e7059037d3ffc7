package job

import (
	"context"
	"encoding/json"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// OptionsOf reads what a job was asked for.
func OptionsOf[Request any](j *store.Job) (r Request, err error) {
	if err := json.Unmarshal(j.Options, &r); err != nil {
		return r, scout.Errorf(scout.CodeInternal, "the options of a job are damaged: %w", err)
	}
	return r, nil
}

// Turn lets one attempt work at a time, where two would be in each other's way: also one that is ending, whose job is begun again.
type Turn chan struct{}

// NewTurn returns a turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the turn until ctx ends. Who has it calls over.
func (t Turn) Take(ctx context.Context) (over func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
