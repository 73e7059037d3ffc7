// Package engine turns audio into text with a model that runs in its own process. The process is started at the first
// request. Each request has a deadline; a process that misses it is killed and started again. A process that nobody
// needs is ended. Whatever it does (die, hang, send bytes outside the protocol, grow) is an error of one attempt and
// never of the program. An Engine is a chain of decorators (attempt.go) over the packages schedule (whose turn it is),
// pool (which models are loaded) and process (one child). docs/adr/0002-engine-process.md.
package engine
