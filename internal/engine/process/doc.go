// Package process runs one engine process: it starts it, sends it requests in their order of arrival, follows their
// progress, and ends it. Whatever the process does (die, hang, break the protocol, grow) becomes an error of its
// requests, never of the program. docs/adr/0002-engine-process.md, docs/formats/engine-wire.md.
package process
