package dictate

import "context"

// Again is Open for a store that could not be read before. It continues what an earlier process left.
func (d *Dictations) Again(ctx context.Context) {
	select {
	case <-d.waiting: // Run has seen that there was nothing
	case <-ctx.Done():
		return
	}
	d.Open(ctx)
	d.resume(ctx)
	d.left = nil
}
