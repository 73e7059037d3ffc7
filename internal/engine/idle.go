package engine

import (
	"log/slog"
	"time"

	"github.com/scout-speech/scout/internal/observe"
)

// armIdle starts the clock that ends an unused process. Any request stops it.
func (e *Engine) armIdle() {
	if e.options.IdleUnload <= 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	if e.idle == nil {
		e.idle = time.AfterFunc(e.options.IdleUnload, e.unloadIdle)
		return
	}
	e.idle.Reset(e.options.IdleUnload)
}

func (e *Engine) disarmIdle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.idle != nil {
		e.idle.Stop()
	}
}

// unloadIdle ends the process if nobody uses it. A request that comes at this moment starts
// another one.
func (e *Engine) unloadIdle() {
	e.mu.Lock()
	c := e.current
	if c == nil || e.closed || !e.lanes.idle() {
		e.mu.Unlock()
		return
	}
	e.current = nil
	e.background.Add(1)
	e.mu.Unlock()
	defer e.background.Done()
	c.stop()
	e.metrics.unloaded.Inc()
	e.metrics.resident.Set(0)
	e.scope.Log().Info(observe.EventEngineUnloaded, slog.Int(observe.KeyPID, c.hello.PID), slog.String(observe.KeyModel, c.hello.ModelID))
}
