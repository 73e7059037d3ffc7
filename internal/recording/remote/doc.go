// Package remote is the client's side of a recorder process. Dial connects to a running recorder; Attach also starts
// one if there is none. A Keeper stays with a recording through all of its recorders: Keep begins a recording, Adopt
// takes one over, Watch only observes. Stop ends a recording whatever became of its recorder. Check is its health
// check.
//
// A recorder outlives the program that started it. Clients find it through the endpoint file in the folder.
package remote
