// Package recorder is the process that records: small, so that nothing but the microphone and the
// disk can hurt it, and independent of whoever started it.
//
// A Recorder holds the lock of a folder of recordings, repairs what a crash left there, and serves a
// unix socket (package wire). At most one recording, a take, is under way. It ends when somebody
// asks, after the longest duration it was started with, or when no owner was connected for as long as
// it was started with; on the way out of the process it is finished like any other.
//
// Package parent is the process above it, which starts it again when it dies; the recorder then continues with the order
// that the one before it had. scout-recorder is both as a program; package remote starts it and speaks with it.
// docs/adr/0020-recorder-process.md, docs/adr/0030-recorder-parent.md, docs/formats/recorder-socket.md.
package recorder
