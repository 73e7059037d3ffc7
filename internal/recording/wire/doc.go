// Package wire is the protocol between a recorder process and its clients, which start, stop, watch or listen:
// length-prefixed frames over a unix socket in the folder of recordings. docs/formats/recorder-socket.md describes it
// byte by byte. Both sides use this package, and both distrust their input: a decoder never allocates more than a frame
// may hold and never panics (fuzzed).
package wire
