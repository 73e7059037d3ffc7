// Package recording keeps recordings on disk so that nothing recorded is ever lost.
//
// A recording is one WAV file, written once while audio comes in, and a manifest beside it. The
// package promises, each with a test of that name:
//
//   - The file can be opened by other programs at every moment, also after kill -9.
//   - After kill -9 at most 250 ms of what the device delivered are missing, and after a power loss
//     at most one sync interval more (docs/adr/0023-sync-rhythm.md).
//   - Positions are true: frame n of the file is frame n of the recording. What could not be
//     recorded is silence in the file and a gap in the manifest.
//   - A full or stalled disk costs nothing as long as the ring in front of the writer holds what
//     came meanwhile, and beyond that exactly what the gaps say.
//
// Writer is the file being written, Pump moves frames from the ring into it, Folder is where
// recordings live, Repair puts right what a crash left, Follow reads a recording while it grows.
// The formats are documented in docs/formats/recording.md.
package recording
