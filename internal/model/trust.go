package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

const (
	lockName    = "models.lock"
	lockVersion = 1
)

// sums is models.lock: the SHA-256 of every file at its first pull, for files whose sum the catalogue
// does not know (trust on first use). A sum never changes by itself and outlives the removal of
// its model (docs/formats/models-lock.md).
type sums struct {
	Version int                           `json:"version"`
	Models  map[string]map[string]lockSum `json:"models"` // id -> path -> sum
}

type lockSum struct {
	SHA256     string    `json:"sha256"`
	SizeBytes  int64     `json:"size"`
	Source     string    `json:"source"`
	RecordedAt time.Time `json:"recorded_at"`
}

// parseSums reads models.lock.
func parseSums(data []byte) (sums, error) {
	var s sums
	if err := json.Unmarshal(data, &s); err != nil {
		return sums{}, fmt.Errorf("read %s: %w", lockName, err)
	}
	if s.Version != lockVersion {
		return sums{}, fmt.Errorf("read %s: version %d, want %d", lockName, s.Version, lockVersion)
	}
	for id, files := range s.Models {
		for path, sum := range files {
			if err := checkSHA256(sum.SHA256); err != nil {
				return sums{}, fmt.Errorf("read %s: %s: %s: %w", lockName, id, path, err)
			}
		}
	}
	return s, nil
}

// readSums returns the recorded sums. A damaged file is an error: treating it as empty would trust every file again.
func readSums(dir string) (sums, error) {
	path := filepath.Join(dir, lockName)
	data, err := readSmall(path)
	if errors.Is(err, os.ErrNotExist) {
		return sums{Version: lockVersion}, nil
	}
	var s sums
	if err == nil {
		s, err = parseSums(data)
	}
	if err != nil {
		return sums{}, scout.Errorf(scout.CodeConfigInvalid, "%w", err).
			WithHint("restore %s from a copy; without it the sums recorded so far are lost", path)
	}
	return s, nil
}

// updateSums changes models.lock under its own lock, because pulls of two models may end at once.
func updateSums(dir string, change func(*sums)) (err error) {
	unlock, busy, err := lockFile(filepath.Join(dir, "."+lockName+".lock"))
	if err != nil {
		return err
	}
	if busy {
		return scout.Errorf(scout.CodeModelDownload, "another process is writing %s", filepath.Join(dir, lockName))
	}
	defer func() { err = errors.Join(err, unlock()) }()
	s, err := readSums(dir)
	if err != nil {
		return err
	}
	change(&s)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", lockName, err)
	}
	return atomicfile.Write(filepath.Join(dir, lockName), append(data, '\n'), atomicfile.Options{})
}

// record adds the sums of files that have none yet.
func (s *sums) record(id string, files []manifestFile, now time.Time) {
	if s.Models == nil {
		s.Models = map[string]map[string]lockSum{}
	}
	if s.Models[id] == nil {
		s.Models[id] = map[string]lockSum{}
	}
	for _, f := range files {
		if _, known := s.Models[id][f.Path]; !known {
			s.Models[id][f.Path] = lockSum{SHA256: f.SHA256, SizeBytes: f.SizeBytes, Source: f.Source, RecordedAt: now.UTC()}
		}
	}
}
