//go:build !linux

package outfile

// nameLimit is how many bytes a name in the folder may have.
func nameLimit(string) int { return usualNameLimit }
