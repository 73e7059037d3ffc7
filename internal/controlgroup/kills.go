package controlgroup

// Kills is how many processes of a control group were killed for want of memory since the group was made.
type Kills struct {
	// Group is the number of the group's folder: one that is made later under the same name has another.
	Group uint64 `json:"group"`
	N     uint64 `json:"kills"`
}

// MoreKills reports whether a process was killed since those counts of MemoryKills were taken. Only the lowest group is looked at that is
// in both: systemd removes the group of a service that has ended and makes a new one, which begins at 0, and the groups above have
// other programs as well.
func MoreKills(before, now []Kills) bool {
	for _, b := range before {
		for _, n := range now {
			if n.Group == b.Group {
				return n.N > b.N
			}
		}
	}
	return false
}
