// Package cli is shared by the programs with a command line: streams, settings and the flags for them, errors for
// people, exit codes, signals, the log, the changing line on a terminal, and opening a model. Only commands import it.
package cli
