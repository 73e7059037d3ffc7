//go:build !linux

package native

// Pages is memory for floats; on this system it belongs to Go's heap. The zero value holds nothing.
type Pages struct{ held []float32 }

// Grown returns n >= 1 floats. Those of an earlier call are kept if there are enough of them; otherwise the new ones are 0.
func (p *Pages) Grown(n int) ([]float32, error) {
	return Grown(&p.held, n), nil
}

// Len returns how many floats are held.
func (p *Pages) Len() int { return cap(p.held) }

// Release gives the memory back. No slice and no tensor over it may be used afterwards.
func (p *Pages) Release() error {
	p.held = nil
	return nil
}
