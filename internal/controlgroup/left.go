// Package controlgroup moves a process out of the control groups of the program that started it, where it may.
package controlgroup

// Left says what became of Leave. Both lists are empty if nobody else is in the groups of the process.
type Left struct {
	Into   []string // folders of the groups that the process is in now
	Shared []error  // why it stays in a group of its starter's
}
