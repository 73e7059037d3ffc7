// Package controlgroup moves a process out of the control groups of the program that started it, where it may.
package controlgroup

// Left says what became of Leave. Both lists are empty if nobody else is in the groups of the process.
type Left struct {
	Into   []string // folders of the groups that the process is in now
	Shared []error  // why it stays in a group of its starter's
}

// Groups says whether what is done to the control groups of one process as a whole, such as a kill or a limit of memory, reaches
// another.
type Groups string

// What Groups may be.
const (
	OwnGroups    Groups = "own"    // it does not: the other is in groups of its own
	SharedGroups Groups = "shared" // it does, in at least one tree
	NoGroups     Groups = "none"   // there is no group that could be ended: none at all, or only the one at the top
)

// Separation is how far another process is from this one.
type Separation struct {
	Groups Groups
	// OwnSession is whether the other is in another session, so that no signal to the group or the terminal of this process
	// reaches it.
	OwnSession bool
}
