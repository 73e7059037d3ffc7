// Package engine turns audio into text with a model that runs in a process of its own. The process is started at the
// first request, has a deadline for each, is killed and started again when it does not obey, and ended when nobody needs it.
// Whatever it does (die, hang, babble, eat memory) is an error of one attempt and never of the program. An Engine is
// a chain of decorators (attempt.go) over the packages schedule (whose turn it is), pool (which models are loaded) and
// process (one child). docs/adr/0002-engine-process.md.
package engine
