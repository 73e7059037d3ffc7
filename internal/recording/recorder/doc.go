// Package recorder is the process that records: small, so that only the microphone and the disk can disturb it, and
// independent of the program that started it.
//
// A Recorder holds the lock of a folder of recordings, repairs what a crash left there, and serves a unix socket
// (package wire). It makes at most one recording, a take, at a time. The take ends when a client asks, at its longest
// duration, or when it has had no owner for the set time. When the process ends, it finishes the take like any other.
//
// Package parent is the process above it, which restarts it when it dies; the new recorder then continues with the
// order of the old one. The program scout-recorder is both; package remote starts it and communicates with it.
// docs/adr/0020-recorder-process.md, docs/adr/0030-recorder-parent.md, docs/formats/recorder-socket.md.
package recorder
