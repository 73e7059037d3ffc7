// Package remote finds the recorder process of a folder of recordings, starts one where there is
// none, and speaks with it: commands, state, level, events, frames.
//
// A recorder outlives whoever started it. The next owner finds it through the endpoint file in the
// folder and goes on where the last one left.
package remote
