package model

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/scout-speech/scout"
)

// Listed is one line of the list of models: from the catalogue, installed, or the user's own.
type Listed struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Family    Family   `json:"family"`
	Languages []string `json:"languages"`
	Licence   string   `json:"licence"`
	SizeBytes int64    `json:"size"`
	// SizeExact is false if the size is the publisher's.
	SizeExact bool   `json:"size_exact"`
	Backend   string `json:"backend"`
	Installed bool   `json:"installed"`
	// Selected is true for the one model that is used when none is named.
	Selected bool `json:"selected"`
	Default  bool `json:"default"`
	// Figures are what was measured of the model: of the files that are installed, or of those that a pull installs. They
	// are nil if nothing was, as Tested says more shortly.
	Figures *Figures `json:"figures,omitempty"`
	Tested  bool     `json:"tested"`
	Own     bool     `json:"own"`
	// Problem says why an installed model cannot be used, as far as this shows without reading the files.
	Problem string `json:"problem,omitempty"`
	// InstalledAt is when it was installed; zero if it is not.
	InstalledAt time.Time `json:"-"`
}

// List returns the catalogue in its order, then installed models that are in no catalogue, then the user's own. It
// looks at names and sizes, not into the files; what the last full check found altered, and is as it was then, is told.
func (s *Store) List() ([]Listed, error) {
	inUse, err := s.effective("")
	if err != nil && scout.CodeOf(err) != scout.CodeModelNotInstalled {
		return nil, err
	}
	figures, err := s.measured()
	if err != nil {
		return nil, err
	}
	var list []Listed
	for _, e := range s.catalogue {
		l := Listed{
			ID: e.ID, Name: e.Name, Family: e.Family, Languages: slices.Clone(e.Languages), Licence: e.Licence,
			SizeBytes: e.sizeBytes(), SizeExact: e.SizeExact(), Backend: e.Backend, Default: e.Default,
		}
		for _, files := range e.fingerprints() {
			if f := figures[files]; f != nil {
				l.Figures, l.Tested = f, true
			}
		}
		s.describe(&l, inUse, figures)
		list = append(list, l)
	}
	ids, err := s.others()
	if err != nil {
		return nil, err
	}
	var own []Listed
	for _, id := range ids {
		l := Listed{ID: id, Name: id, Licence: "not stated", Backend: backendSherpa}
		s.describe(&l, inUse, figures)
		if l.Own {
			own = append(own, l)
		} else {
			list = append(list, l)
		}
	}
	return append(list, own...), nil
}

// others returns the folders that hold a model which is not in the catalogue.
func (s *Store) others() ([]string, error) {
	var ids []string
	for _, dir := range append([]string{s.dir}, s.shared...) {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, scout.FileError(scout.CodeReadFailed, "list models", err)
		}
		for _, e := range entries {
			id := e.Name()
			if _, known := findEntry(s.catalogue, id); known || checkID(id) != nil || slices.Contains(ids, id) {
				continue
			}
			for _, name := range []string{manifestName, ownName} {
				if _, err := os.Stat(filepath.Join(dir, id, name)); err == nil {
					ids = append(ids, id)
					break
				}
			}
		}
	}
	return ids, nil
}

// describe completes a line from the model's folder.
func (s *Store) describe(l *Listed, inUse string, figures map[string]*Figures) {
	l.Selected = l.ID == inUse
	m, err := s.load(l.ID)
	switch {
	case scout.CodeOf(err) == scout.CodeModelNotInstalled:
		return
	case err != nil:
		_, statErr := os.Stat(filepath.Join(s.dir, l.ID, ownName))
		l.Own = statErr == nil
		l.Installed, l.Problem = true, scout.Plain(err)
		return
	}
	l.Installed, l.Own, l.SizeExact, l.SizeBytes = true, m.own, true, 0
	l.Name, l.Family, l.Languages, l.Licence = m.name, m.family, slices.Clone(m.languages), m.licence
	l.Figures = figures[m.fingerprint()]
	l.Tested = l.Figures != nil
	for _, name := range []string{manifestName, ownName} { // the last file of a folder that is written
		if info, err := os.Stat(filepath.Join(m.dir, name)); err == nil && l.InstalledAt.IsZero() {
			l.InstalledAt = info.ModTime()
		}
	}
	cache := readSumCache(m.dir)
	for _, f := range m.files {
		info, err := os.Stat(filepath.Join(m.dir, filepath.FromSlash(f.path)))
		switch {
		case err != nil:
			l.Problem = f.path + " is missing"
		case f.size >= 0 && info.Size() != f.size, info.Size() == 0:
			l.Problem = f.path + " has the wrong size"
		case cache.altered(f, info):
			l.Problem = f.path + " was altered"
		}
		if err == nil {
			l.SizeBytes += info.Size()
		}
	}
}
