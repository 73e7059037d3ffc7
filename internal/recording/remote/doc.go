// Package remote is the client's side of a recorder process. Dial speaks with the one that is there, Attach starts one
// where there is none. A Keeper stays with a recording through all of its recorders; Keep begins one, Adopt takes one over,
// Watch only looks. Stop ends a recording whatever became of its recorder. Check is the health of it.
//
// A recorder outlives whoever started it. It is found through the endpoint file in the folder.
package remote
