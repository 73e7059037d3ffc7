// Package cli is what the programs with a command line share: streams, settings and the flags for them, errors as people read
// them, exit codes, signals, the log, the line that changes on a terminal, and how a model is opened. Only commands import it.
package cli
