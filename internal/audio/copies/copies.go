// Package copies lets a test see where audio is on its way through the recorder. Each place that copies audio, or
// passes it on, reports its memory to a Watch. The addresses show whether anything else copied in between. Without a
// Watch, as outside tests, this costs one comparison per block.
package copies

// Step is a place on the path, in this order.
type Step int

// The steps.
const (
	// Queued is memory of the queue that the device's callback copied into; the owner of the session passes it on.
	Queued Step = iota
	// IntoRing is the memory that the ring copied a block from.
	IntoRing
	// OutOfRing is the memory into which the ring copied a block, for the named reader.
	OutOfRing
	// ToSocket is a whole frame of the protocol that is passed to the kernel.
	ToSocket
)

// Watch is called for a step, with the name of the ring's reader if there is one, and the memory. It must not keep
// using the memory: only its address means anything afterwards. The goroutine that does the step calls it.
type Watch func(step Step, reader string, memory []byte)

// Tell calls the watch, if there is one.
func (w Watch) Tell(step Step, reader string, memory []byte) {
	if w != nil {
		w(step, reader, memory)
	}
}
