// Package recording keeps recordings on disk so that nothing recorded is ever lost.
//
// A recording is one WAV file, written once while audio comes in, and a manifest beside it. The package makes these
// promises, each with a test of that name:
//
//   - Other programs can open the file at every moment, even after kill -9.
//   - After kill -9 at most 250 ms of the device's audio are missing, and after a power loss at most one sync interval
//     more (docs/adr/0023-sync-rhythm.md).
//   - Positions are true: frame n of the file is frame n of the recording. Audio that could not be recorded is silence
//     in the file and a gap in the manifest.
//   - A full or stalled disk costs nothing as long as the ring before the writer holds the audio, and beyond that
//     exactly what the gaps say.
//
// Writer is the file being written. Pump moves frames from the ring into it. Folder is where recordings are kept.
// Repair repairs what a crash left. Follow reads a recording while it grows. docs/formats/recording.md describes the
// formats.
package recording
