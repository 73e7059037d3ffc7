// Package wire is the protocol between a recorder process and whoever starts, stops, watches or
// listens to it: length-prefixed frames over a unix socket in the folder of recordings.
// docs/formats/recorder-socket.md describes it byte by byte. Both sides use this package and both
// distrust what they read: a decoder never allocates more than a frame may hold and never panics
// (fuzzed).
package wire
