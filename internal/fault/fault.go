// Package fault is where tests make a goroutine panic, fail or stand still. Every goroutine between the
// device and the disk passes such a place in its loop. In programs there is nothing there: a nil Points
// costs one comparison.
package fault

// Points is called by a goroutine with its name, each time it begins a round of its work. What Points
// returns is the goroutine's own failure; it may also panic, or not return for a while.
type Points func(goroutine string) error

// At is the place in the goroutine of that name.
func (p Points) At(goroutine string) error {
	if p == nil {
		return nil
	}
	return p(goroutine)
}
