// Package wire is the protocol between Scout and its engine process: length-prefixed frames over a pair of inherited
// pipes. docs/formats/engine-wire.md describes it byte by byte. Both sides use this package, and both distrust their
// input: a decoder never allocates more than a frame may hold and never panics (fuzzed).
package wire
