// Package process runs one engine process: it starts it, sends it requests in the order in which they come, hears how far
// they are, and ends it. Whatever the process does (die, hang, babble, eat memory) becomes an error of the requests that it
// had, never of the program. docs/adr/0002-engine-process.md, docs/formats/engine-wire.md.
package process
