package engine

import (
	"context"
	"math"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/process"
)

// Between makes every request call f after it was given its process and before it is sent to it.
func (e *Engine) Between(f func(r *Request, p *process.Process)) {
	l := e.loading()
	l.next = &between{f: f, next: l.next}
}

// SpareMemory lets no process be killed for its memory during a request, only replaced after one.
func (e *Engine) SpareMemory() {
	as[*calling](as[*limiting](e.loading().next).next).memory = math.MaxUint64
}

func (e *Engine) loading() *loading { return as[*loading](as[*turning](e.turns).next) }

// as returns a decorator of which the type is known.
func as[T transcriber](t transcriber) T {
	known, ok := t.(T)
	if !ok {
		panic("the decorators have another order")
	}
	return known
}

// Pool returns the pool that has the engine's model.
func (e *Engine) Pool() *pool.Pool { return e.options.Pool }

type between struct {
	f    func(*Request, *process.Process)
	next transcriber
}

func (b *between) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	b.f(a.Request, a.process)
	return b.next.transcribe(ctx, a)
}
