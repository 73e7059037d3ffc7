package schedule

// Class says how urgent a request is. The zero value is Batch.
type Class int

// The classes.
const (
	// Batch is work that nobody waits for at present: files, uploads, repairs.
	Batch Class = iota
	// SecondPass is work that improves a text that somebody already has.
	SecondPass
	// Interactive is work that somebody waits for.
	Interactive
	// Stream is the end of a stretch of speech that a client sends while it is made, and waits for.
	Stream
	// Partial is text that is shown while somebody speaks; it may still change.
	Partial
	// Dictation is the end of a dictation: somebody has stopped speaking and waits for the text.
	Dictation
)

// Classes returns all classes, the most urgent first.
func Classes() []Class { return []Class{Dictation, Partial, Stream, Interactive, Batch, SecondPass} }

// String returns the name used as a metric label.
func (c Class) String() string {
	switch c {
	case SecondPass:
		return "second_pass"
	case Interactive:
		return "interactive"
	case Stream:
		return "stream"
	case Partial:
		return "partial"
	case Dictation:
		return "dictation"
	}
	return "batch"
}

// Background reports whether nobody waits for work of the class. Such work runs at the lowest priority of the system.
func (c Class) Background() bool { return c == Batch || c == SecondPass }

// rank orders the classes: a higher one comes first.
func (c Class) rank() int {
	switch c {
	case Dictation:
		return 5
	case Partial:
		return 4
	case Stream:
		return 3
	case Interactive:
		return 2
	case Batch:
		return 1
	}
	return 0
}

// preempts reports whether a class takes the slot of a running one. slots is the number of slots. A dictation takes it
// from every lower class. Other classes that somebody waits for take it from background work; with a single slot they
// wait instead, since an interrupted request is decoded again.
func (c Class) preempts(other Class, slots int) bool {
	switch {
	case c == Dictation:
		return other.rank() < c.rank()
	case c.Background() || slots < 2:
		return false
	}
	return other.Background()
}
