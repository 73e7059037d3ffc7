package model

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/model/ct2"
)

const (
	manifestName    = "model.json"
	manifestVersion = 1
	// maxManifestBytes bounds every small file that this package reads whole.
	maxManifestBytes = 1 << 20
)

// manifest is model.json: what a pull installed. It is written once, as the last file of a folder that still has its
// temporary name, and describes every file that was verified there.
type manifest struct {
	Version     int            `json:"version"`
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Family      Family         `json:"family"`
	Languages   []string       `json:"languages"`
	Licence     string         `json:"licence"`
	Files       []manifestFile `json:"files"`
	InstalledAt time.Time      `json:"installed_at"`
	// AddedFrom is the folder from which a model that is in no catalogue was added.
	AddedFrom string `json:"added_from,omitempty"`
}

type manifestFile struct {
	Path      string `json:"path"`
	Role      Role   `json:"role"`
	SizeBytes int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Source    string `json:"source"`
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// ValidID reports whether a folder of this name can be that of a model. Those of downloads and replacements under way cannot.
func ValidID(id string) bool { return checkID(id) == nil }

// checkID refuses an id that cannot be the name of a folder or could be confused with one of Scout's own files.
func checkID(id string) error {
	if !idPattern.MatchString(id) || filepath.Ext(id) == partialSuffix || filepath.Ext(id) == replacedSuffix || id == lockName || id == selectedName {
		return scout.Errorf(scout.CodeInvalidArgument, "%q is not a model id: want lower-case letters, digits, dot, dash, underscore; at most 64", id)
	}
	return nil
}

// checkRoles refuses a set of files that does not fill exactly the roles of the family, or has a path outside the
// folder.
func checkRoles(family Family, files map[Role]string) error {
	want := family.form(files)
	if want == nil {
		return scout.Errorf(scout.CodeInvalidArgument, "family %q: want one of %v", family, families())
	}
	for _, role := range want {
		if files[role] == "" {
			return scout.Errorf(scout.CodeInvalidArgument, "no file for %s: a %s model needs %v", role, family, want)
		}
	}
	for role, path := range files {
		if !slices.Contains(want, role) {
			return scout.Errorf(scout.CodeInvalidArgument, "file for %q: a %s model needs %v", role, family, want)
		}
		if !filepath.IsLocal(filepath.FromSlash(path)) || path == "." {
			return scout.Errorf(scout.CodeInvalidArgument, "file for %s: %q leaves the folder", role, path)
		}
		if names := roleNames(role); names != nil && !slices.Contains(names, path) {
			return scout.Errorf(scout.CodeInvalidArgument, "file for %s: %q: want %s", role, path, strings.Join(names, " or "))
		}
	}
	return nil
}

// roleNames returns the names that a file must have in the folder, for files that find each other by their names.
func roleNames(role Role) []string {
	switch role {
	case RoleWeights:
		return []string{ct2.WeightsName}
	case RoleConfig:
		return []string{ct2.ConfigName}
	case RoleTokenizer:
		return []string{ct2.TokenizerName, ct2.VocabularyJSONName, ct2.VocabularyTextName}
	}
	return nil
}

func checkSHA256(sum string) error {
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 {
		return scout.Errorf(scout.CodeInvalidArgument, "%q is not a SHA-256 in hexadecimal", sum)
	}
	return nil
}

// parseManifest reads model.json and checks that it belongs to the model id.
func parseManifest(data []byte, id string) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return manifest{}, fmt.Errorf("read %s: %w", manifestName, err)
	}
	if m.Version != manifestVersion {
		return manifest{}, fmt.Errorf("read %s: version %d, want %d", manifestName, m.Version, manifestVersion)
	}
	if m.ID != id {
		return manifest{}, fmt.Errorf("read %s: it is of model %q", manifestName, m.ID)
	}
	roles := make(map[Role]string, len(m.Files))
	for _, f := range m.Files {
		roles[f.Role] = f.Path
		if err := checkSHA256(f.SHA256); err != nil {
			return manifest{}, fmt.Errorf("read %s: %s: %w", manifestName, f.Path, err)
		}
		if f.SizeBytes < 0 {
			return manifest{}, fmt.Errorf("read %s: %s has %d bytes", manifestName, f.Path, f.SizeBytes)
		}
	}
	if len(roles) != len(m.Files) {
		return manifest{}, fmt.Errorf("read %s: two files with one role", manifestName)
	}
	if err := checkRoles(m.Family, roles); err != nil {
		return manifest{}, fmt.Errorf("read %s: %w", manifestName, err)
	}
	return m, nil
}

func (m manifest) write(dir string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", manifestName, err)
	}
	return atomicfile.Write(filepath.Join(dir, manifestName), append(data, '\n'), atomicfile.Options{})
}

// readSmall reads a file of at most maxManifestBytes.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxManifestBytes {
		return nil, errors.New("read " + path + ": too large")
	}
	return os.ReadFile(path)
}
