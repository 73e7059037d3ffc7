// Package fault is the place where tests make a goroutine panic, fail or hang. Every goroutine between the device and
// the disk passes such a place in its loop. Programs use nil Points, which cost one comparison.
package fault

// Points is called by a goroutine with its name, each time it begins a round of its work. The goroutine treats an error
// of Points as its own failure. Points may also panic, or not return for a while.
type Points func(goroutine string) error

// At is the place in the goroutine of that name.
func (p Points) At(goroutine string) error {
	if p == nil {
		return nil
	}
	return p(goroutine)
}
