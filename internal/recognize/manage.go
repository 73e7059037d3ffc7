package recognize

import (
	"context"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/pool"
)

// Choose says which models are for a role from the next Borrow on. What was borrowed before stays what it is.
func (e *Engines) Choose(roles Roles) {
	e.mu.Lock()
	before := e.roles
	e.roles = roles
	e.mu.Unlock()
	if before != roles {
		e.Wake() // there may be another default model to prove
	}
}

// Roles are the models that are chosen for a role.
func (e *Engines) Roles() Roles {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.roles
}

// Load starts the process of a model, if none runs, and waits until it is ready. The model is unloaded when it was idle for a while, as
// after a request.
func (e *Engines) Load(ctx context.Context, id string) error {
	r, release, err := e.Borrow(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	_, err = r.Engine.Load(ctx)
	return err
}

// inUse is the error for a model that somebody has borrowed, or whose process works or starts.
func inUse(id string) error {
	return scout.Errorf(scout.CodeModelInUse, "model %s is in use: it makes a text, or is being loaded", id).
		WithHint("wait until that has ended; scout status and scout jobs list show what runs")
}

// Unload ends the process of a model that nobody uses; one without a process stays as it is. Its error has scout.CodeModelInUse where
// somebody has borrowed the model, also between two requests of a dictation.
func (e *Engines) Unload(id string) error {
	e.mu.Lock()
	l := e.lent[id]
	used := l != nil && l.users > 0
	e.mu.Unlock()
	switch {
	case used:
		return inUse(id)
	case l == nil:
		return nil
	}
	l.Engine.Unload()
	if s := l.Engine.State(); s.Running || !s.Loading.IsZero() {
		return inUse(id)
	}
	return nil
}

// Remove ends the process of a model and then calls remove, which deletes its files. Meanwhile nobody gets the model. Its error has
// scout.CodeModelInUse, and remove is not called, where somebody has borrowed the model.
func (e *Engines) Remove(ctx context.Context, id string, remove func() error) error {
	select {
	case e.opening <- struct{}{}:
		defer func() { <-e.opening }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return pool.ErrClosed
	}
	l := e.lent[id]
	if l != nil && l.users > 0 {
		e.mu.Unlock()
		return inUse(id)
	}
	delete(e.lent, id)
	e.mu.Unlock()
	if l != nil {
		l.Close()
	}
	return remove()
}
