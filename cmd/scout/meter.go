package main

import (
	"math"
	"strings"

	"github.com/scout-speech/scout/internal/audio/level"
)

// meterCells is the number of cells of the meter: 3 dB each.
const meterCells = 20

// meterBar draws a level on a scale from -60 to 0 dBFS: full cells up to the RMS, and a mark at the peak.
func meterBar(rms, peak float64) string {
	cell := func(linear float64) int {
		share := 1 - level.DBFS(linear)/level.FloorDBFS
		return int(math.Round(share * meterCells))
	}
	full, mark := cell(rms), cell(peak)-1
	var b strings.Builder
	for i := range meterCells {
		switch {
		case i < full:
			b.WriteRune('█')
		case i == mark:
			b.WriteRune('│')
		default:
			b.WriteRune('·')
		}
	}
	return b.String()
}
