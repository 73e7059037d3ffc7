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

// Background reports whether nobody waits for work of the class. Such work runs at the lowest priority of the system.
func (c Class) Background() bool { return c == Batch || c == SecondPass }

// rank orders the classes: a higher one goes first.
func (c Class) rank() int {
	switch c {
	case Dictation:
		return 4
	case Partial:
		return 3
	case Interactive:
		return 2
	case Batch:
		return 1
	}
	return 0
}

// preempts reports whether a class takes the slot of another that has one already, of so many. A dictation takes it from
// every lower class. Others that somebody waits for take it from background work; where there is one slot only they wait,
// since whatever they take is decoded again.
func (c Class) preempts(other Class, slots int) bool {
	switch {
	case c == Dictation:
		return other.rank() < c.rank()
	case c.Background() || slots < 2:
		return false
	}
	return other.Background()
}
