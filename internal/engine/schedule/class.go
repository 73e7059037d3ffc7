// Package schedule decides whose turn it is on this machine: every request to a model has a class, and the class says
// who goes first.
package schedule

// Class says how urgent a request is. The zero value is Batch.
type Class int

// The classes.
const (
	// Batch is work that nobody looks at right now: files, uploads, repairs.
	Batch Class = iota
	// SecondPass is work that makes a text better that somebody has already.
	SecondPass
	// Interactive is work that somebody waits for.
	Interactive
	// Partial is text that is shown while somebody speaks and may still change.
	Partial
	// Dictation is the end of a dictation: somebody has stopped speaking and waits for the text.
	Dictation
)

// Classes returns all classes, the most urgent first.
func Classes() []Class { return []Class{Dictation, Partial, Interactive, Batch, SecondPass} }

// String returns the name used as a metric label.
func (c Class) String() string {
	switch c {
	case SecondPass:
		return "second_pass"
	case Interactive:
		return "interactive"
	case Partial:
		return "partial"
	case Dictation:
		return "dictation"
	}
	return "batch"
}
