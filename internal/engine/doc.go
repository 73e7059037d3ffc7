// Package engine supervises the engine process: it starts it at the first request, gives every
// request a deadline, kills and restarts what does not obey, and ends it when nobody needs it.
// Whatever the process does (die, hang, babble, eat memory) is an error of one attempt and never of
// the program. docs/adr/0002-engine-process.md.
package engine
