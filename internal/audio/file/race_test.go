//go:build race

package file_test

// raceDetector slows decoding libraries down up to a hundred times: long recordings and most formats are
// left to runs without it.
const raceDetector = true
