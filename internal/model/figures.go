package model

import (
	"crypto/sha256"
	_ "embed" // figures.json
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// figuresJSON is what was measured of models, by id. scout-bench writes the file.
//
//go:embed figures.json
var figuresJSON []byte

// Figures are what a benchmark measured of one model. They hold for exactly the files that were measured.
type Figures struct {
	// Fingerprint is that of the files: see Fingerprint.
	Fingerprint string `json:"fingerprint"`
	// Set names the speech that was transcribed: Clips files of AudioSeconds altogether.
	Set          string  `json:"set"`
	Clips        int     `json:"clips"`
	AudioSeconds float64 `json:"audio_seconds"`
	// WER is the share of wrong words, from 0.
	WER float64 `json:"wer"`
	// Speed is how much audio is transcribed in a given time: seconds of audio for each second of a processor.
	Speed float64 `json:"speed"`
	// MemoryBytes is the peak of the resident memory of the engine.
	MemoryBytes int64 `json:"memory_bytes"`
	// Machine and Date say where and when.
	Machine string `json:"machine"`
	Date    string `json:"date"`
}

// measured returns the figures of all models, by id.
func measured() (map[string]Figures, error) {
	var figures map[string]Figures
	if err := json.Unmarshal(figuresJSON, &figures); err != nil {
		return nil, fmt.Errorf("figures of models: %w", err)
	}
	return figures, nil
}

// Fingerprint names the content of a set of files: the SHA-256 of a line "role sum" for each role, in the order of the
// roles.
func Fingerprint(sums map[Role]string) string {
	hash := sha256.New()
	for _, role := range slices.Sorted(maps.Keys(sums)) {
		_, _ = fmt.Fprintf(hash, "%s %s\n", role, sums[role]) // a hash takes everything
	}
	return hex.EncodeToString(hash.Sum(nil))
}
