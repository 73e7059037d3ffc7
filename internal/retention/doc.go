// Package retention is the use case of removing what was kept long enough: the audio of dictations whose text is there, what lies in
// the trash, and old events. It also completes what was purged on request.
//
// It removes nothing that may be the only copy of what somebody said, or that somebody works with:
//
//   - audio without a text, or with an empty one, stays;
//   - audio stays while it is recorded, decoded live, or open in any program;
//   - a new version of a text begins the time anew;
//   - things age by the time that passed, not by the clock: store.Store.Due;
//   - audio is removed only by the rules of its folder, under the claim of the one recording.
package retention
