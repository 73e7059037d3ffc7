// Package copies is how a test sees where audio stands on its way through the recorder. Each place that copies
// audio, or hands it on, tells a Watch which memory that is: from the addresses follows whether something else copied
// in between. Without a Watch, as outside of tests, that is one comparison for each block.
package copies

// Step is a place on the way, in this order.
type Step int

// The steps.
const (
	// Queued is memory of the queue that the device's callback copied into; the owner of the session hands it on.
	Queued Step = iota
	// IntoRing is the memory that the ring copied a block from.
	IntoRing
	// OutOfRing is the memory that the ring copied a block into, for the reader named.
	OutOfRing
	// ToSocket is a whole frame of the protocol that is handed to the kernel.
	ToSocket
)

// Watch is told of a step, for the reader of the ring with that name where there is one, and of the memory, which it
// may not keep using: only its address means something afterwards. It is called by whatever goroutine does the step.
type Watch func(step Step, reader string, memory []byte)

// Tell calls the watch, if there is one.
func (w Watch) Tell(step Step, reader string, memory []byte) {
	if w != nil {
		w(step, reader, memory)
	}
}
