package model

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/ct2"
)

// Found is a copy of a Whisper model that another program keeps on this machine.
type Found struct {
	// Dir is its folder, which Store.Add takes.
	Dir string `json:"dir"`
	// ID is the one that Store.Add would give it.
	ID string `json:"id"`
	// Languages and SizeBytes are those of the model; absent if it cannot be used.
	Languages []string `json:"languages,omitempty"`
	SizeBytes int64    `json:"size,omitempty"`
	// Installed is the id of the model that was added or pulled with the same weights, as their sums say.
	Installed string `json:"installed,omitempty"`
	// Problem says why Scout cannot use it, and Code names the kind of the problem.
	Problem string     `json:"problem,omitempty"`
	Code    scout.Code `json:"code,omitempty"`
}

// Caches returns the folders in which Hugging Face's programs, faster-whisper among them, keep what they download. The
// first variable that is set decides, as it does for them.
func Caches(getenv func(string) string) []string {
	for _, variable := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if dir := getenv(variable); dir != "" {
			return []string{dir}
		}
	}
	if home := getenv("HF_HOME"); home != "" {
		return []string{filepath.Join(home, "hub")}
	}
	if cache := getenv("XDG_CACHE_HOME"); cache != "" {
		return []string{filepath.Join(cache, "huggingface", "hub")}
	}
	if home := getenv("HOME"); home != "" {
		return []string{filepath.Join(home, ".cache", "huggingface", "hub")}
	}
	return nil
}

// snapshots returns the snapshots of a repository in a cache that have weights of CTranslate2, the oldest first.
func snapshots(repository string) []string {
	entries, err := os.ReadDir(filepath.Join(repository, hubSnapshots))
	if err != nil {
		return nil
	}
	type snapshot struct {
		dir  string
		info fs.FileInfo
	}
	var all []snapshot
	for _, e := range entries {
		dir := filepath.Join(repository, hubSnapshots, e.Name())
		if info, err := os.Stat(filepath.Join(dir, ct2.WeightsName)); err == nil {
			all = append(all, snapshot{dir, info})
		}
	}
	slices.SortStableFunc(all, func(a, b snapshot) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	dirs := make([]string, len(all))
	for i, s := range all {
		dirs[i] = s.dir
	}
	return dirs
}

// Find looks for Whisper models in caches of Hugging Face. A cache that does not exist is empty. It verifies everything
// but the numbers, so that it is quick for large models; Store.Add verifies those, too. Errors are those of the file
// system, or the cause of ctx.
func (s *Store) Find(ctx context.Context, caches []string) ([]Found, error) {
	installed, err := s.weights()
	if err != nil {
		return nil, err
	}
	found := []Found{}
	for _, cache := range caches {
		entries, err := os.ReadDir(cache)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, scout.FileError(scout.CodeReadFailed, "look for models", err)
		}
		for _, e := range entries {
			for _, dir := range snapshots(filepath.Join(cache, e.Name())) {
				f, err := look(ctx, dir, installed)
				if err != nil {
					return nil, err
				}
				found = append(found, f)
			}
		}
	}
	return found, nil
}

// look describes one folder.
func look(ctx context.Context, dir string, installed map[Sum]string) (Found, error) {
	f := Found{Dir: dir, ID: idOf(dir)}
	if ctx.Err() != nil {
		return f, context.Cause(ctx)
	}
	m, err := ct2.Look(dir)
	if err != nil {
		f.Problem, f.Code = scout.Plain(err), scout.CodeOf(err)
		return f, nil
	}
	if err := m.Close(); err != nil {
		return f, scout.FileError(scout.CodeReadFailed, "look at "+dir, err)
	}
	f.Languages = m.Languages()
	for _, name := range []string{ct2.WeightsName, ct2.ConfigName, filepath.Base(m.Tokenizer())} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			f.SizeBytes += info.Size()
		}
	}
	f.Installed, err = sameWeights(ctx, filepath.Join(dir, ct2.WeightsName), installed)
	return f, err
}

// weights returns the ids of the installed models that have weights of CTranslate2.
func (s *Store) weights() (map[Sum]string, error) {
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	ids := map[Sum]string{}
	for _, l := range list {
		m, err := s.load(l.ID)
		if err != nil { // not installed, or damaged
			continue
		}
		for _, f := range m.files {
			if f.role == RoleWeights && f.sha256 != "" {
				ids[Sum{f.size, f.sha256}] = l.ID
			}
		}
	}
	return ids, nil
}

// sameWeights returns the id of the installed model that has these weights. Their sum is computed only if a model of that
// size is installed.
func sameWeights(ctx context.Context, path string, installed map[Sum]string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "look at", err)
	}
	for sum := range installed {
		if sum.SizeBytes == info.Size() {
			sha256, size, err := hashFile(ctx, path)
			return installed[Sum{size, sha256}], err
		}
	}
	return "", nil
}
