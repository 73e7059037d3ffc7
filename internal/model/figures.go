package model

import (
	"context"
	"crypto/sha256"
	_ "embed" // figures.json
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// FiguresFile is the path, within the repository, of what was measured of the models of the catalogue, by id.
// RecordFigures writes it, and programs built afterwards have it.
const FiguresFile = "internal/model/figures.json"

//go:embed figures.json
var figuresJSON []byte

// Figures are what a benchmark measured of one model. They hold for exactly the files that were measured.
type Figures struct {
	// Fingerprint is that of the files: see Fingerprint.
	Fingerprint string `json:"fingerprint"`
	// Set names the speech that was transcribed: Clips files of AudioSeconds altogether, in which Words are said.
	Set          string  `json:"set"`
	Clips        int     `json:"clips"`
	AudioSeconds float64 `json:"audio_seconds"`
	Words        int     `json:"words"`
	// WER is the share of wrong words, from 0; WERLow and WERHigh are its 95 % interval over the clips.
	WER     float64 `json:"wer"`
	WERLow  float64 `json:"wer_low"`
	WERHigh float64 `json:"wer_high"`
	// Normaliser says how words were compared: scout or whisper.
	Normaliser string `json:"normaliser"`
	// Speed is how much audio is transcribed in a given time: seconds of audio for each second of a processor.
	Speed float64 `json:"speed"`
	// MemoryBytes is the peak of the resident memory of the engine.
	MemoryBytes int64 `json:"memory_bytes"`
	// Engine is what ran the model: the backend, and the recipe and variant of its prepared graphs.
	Engine string `json:"engine"`
	// Machine, Version (of Scout) and Date say where, with what and when.
	Machine string `json:"machine"`
	Version string `json:"version"`
	Date    string `json:"date"`
}

// parseFigures reads the content of FiguresFile.
func parseFigures(data []byte) (map[string]Figures, error) {
	var figures map[string]Figures
	if err := json.Unmarshal(data, &figures); err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "figures of models: %w", err)
	}
	return figures, nil
}

// measured returns what was measured, by the fingerprint of the files.
func (s *Store) measured() (map[string]*Figures, error) {
	all, err := parseFigures(s.figures)
	if err != nil {
		return nil, err
	}
	byFiles := make(map[string]*Figures, len(all))
	for _, f := range all {
		byFiles[f.Fingerprint] = &f
	}
	return byFiles, nil
}

// RecordFigures writes the figures of a model of the catalogue to a FiguresFile, in place of those it had there.
func RecordFigures(path, id string, figures Figures) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "read figures", err)
	}
	all, err := parseFigures(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if all == nil {
		all = map[string]Figures{}
	}
	all[id] = figures
	if data, err = json.MarshalIndent(all, "", "  "); err != nil {
		return scout.Errorf(scout.CodeInternal, "write figures: %w", err)
	}
	return atomicfile.Write(path, append(data, '\n'), atomicfile.Options{})
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

// fingerprint is that of the files of a model as they were installed; empty for a user's own model whose sums are not
// stated.
func (m loaded) fingerprint() string {
	sums := make(map[Role]string, len(m.files))
	for _, f := range m.files {
		if f.sha256 == "" {
			return ""
		}
		sums[f.role] = f.sha256
	}
	return Fingerprint(sums)
}

// fingerprints are those of every set of files that a pull of the entry accepts; none if a sum is not known.
func (e Entry) fingerprints() []string {
	sets := []map[Role]string{{}}
	for _, f := range e.Files {
		if f.SHA256 == "" {
			return nil
		}
		var longer []map[Role]string
		for _, sum := range append([]Sum{{SHA256: f.SHA256}}, f.Also...) {
			for _, set := range sets {
				set = maps.Clone(set)
				set[f.Role] = sum.SHA256
				longer = append(longer, set)
			}
		}
		sets = longer
	}
	all := make([]string, len(sets))
	for i, set := range sets {
		all[i] = Fingerprint(set)
	}
	return all
}

// Fingerprint reads every byte of an installed model of the catalogue and returns the fingerprint of its files. Errors,
// besides those of Verify:
//
//	scout.CodeInvalidArgument  the model is in no catalogue: its id may mean other files tomorrow
func (s *Store) Fingerprint(ctx context.Context, id string) (string, error) {
	if _, known := findEntry(s.catalogue, id); !known {
		return "", scout.Errorf(scout.CodeInvalidArgument, "model %s is not in the catalogue", id)
	}
	report, err := s.Verify(ctx, id)
	if err != nil {
		return "", err
	}
	sums := make(map[Role]string, len(report.Files))
	for _, f := range report.Files {
		sums[f.Role] = f.SHA256
	}
	return Fingerprint(sums), nil
}
