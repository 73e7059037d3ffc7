package model

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// longest returns the most bytes that are accepted for a file: exactly its size if that is known, else a little more
// than twice the publisher's size, so that a wrong address does not fill the disk.
func longest(f File, derive Derivation, exact int64) int64 {
	switch {
	case derive != "":
		return maxDeriveBytes
	case exact >= 0:
		return exact
	case f.SHA256 != "":
		return f.SizeBytes
	}
	return 2*f.SizeBytes + 64<<20
}

// candidate is one way to get a file: a local path or an address.
type candidate struct {
	path   string
	url    string
	derive Derivation
	label  string
}

type localName struct {
	name   string
	derive Derivation
}

// localNames returns the names that a file may have in a folder, archive or mirror: the catalogue's name, those of its
// published sources, and those of files that it can be derived from.
func localNames(f File) []localName {
	names := []localName{{name: f.Path}}
	add := func(n localName) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	derived := false
	for _, source := range f.Sources {
		if source.Derive != "" {
			derived = true
			continue
		}
		if u, err := url.Parse(source.URL); err == nil {
			add(localName{name: path.Base(u.Path)})
		}
	}
	if derived {
		add(localName{string(DeriveTokenizerJSON), DeriveTokenizerJSON})
		add(localName{string(DeriveLlamaTokenizerJS), DeriveLlamaTokenizerJS})
	}
	return names
}

// candidates lists where a file can be fetched from, best first.
func (p *pull) candidates(f File, known bool) ([]candidate, error) {
	var list []candidate
	if installed := filepath.Join(p.store.dir, p.entry.ID, filepath.FromSlash(f.Path)); known && !p.options.Force {
		if _, err := os.Stat(installed); err == nil { // a repair fetches only what is damaged
			list = append(list, candidate{path: installed, label: "kept from the version installed before"})
		}
	}
	switch from := p.options.From; {
	case from == "":
		for _, source := range f.Sources {
			list = append(list, candidate{url: source.URL, derive: source.Derive, label: label(source.URL)})
		}
		return list, nil
	case isURL(from):
		base, err := url.Parse(from)
		if err != nil || base.Host == "" {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "--from %q is not an address", fromLabel(from))
		}
		for _, n := range localNames(f) {
			address := base.JoinPath(n.name).String()
			list = append(list, candidate{url: address, derive: n.derive, label: label(address)})
		}
		return list, nil
	}
	folder := p.options.From
	if p.archive != "" {
		folder = p.archive
	}
	info, err := os.Stat(folder)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "pull from", err)
	}
	if !info.IsDir() {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "--from %s is neither a folder nor an archive (.tar.bz2, .tar.gz) nor an http address", folder)
	}
	var names []string
	for _, n := range localNames(f) {
		source := filepath.Join(folder, filepath.FromSlash(n.name))
		if p.archive != "" {
			source = filepath.Join(folder, path.Base(n.name))
		}
		if _, err := os.Stat(source); err == nil {
			list = append(list, candidate{path: source, derive: n.derive, label: p.options.From + ":" + n.name})
		}
		names = append(names, n.name)
	}
	if len(list) == 0 {
		return nil, scout.Errorf(scout.CodeModelSource, "%s holds no file called %s", p.options.From, strings.Join(names, " or "))
	}
	return list, nil
}

// expectation returns what is known of a file's bytes: exact size (or -1) and sum (or empty).
func (p *pull) expectation(f File) (size int64, sum string, recorded *lockSum) {
	if f.SHA256 != "" {
		return f.SizeBytes, f.SHA256, nil
	}
	if r, ok := p.sums[f.Path]; ok {
		return r.SizeBytes, r.SHA256, &r
	}
	return -1, "", nil
}

// obtain brings one file into the staging folder under its name and describes it.
func (p *pull) obtain(ctx context.Context, f File) (manifestFile, error) {
	target := filepath.Join(p.staging, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return manifestFile{}, scout.FileError(scout.CodeWriteFailed, "make folder", err)
	}
	size, want, recorded := p.expectation(f)
	done := manifestFile{Path: f.Path, Role: f.Role, Source: "an earlier pull"}
	if sum, n, err := hashFile(ctx, target); err == nil {
		if n > 0 && (want == "" || sum == want) {
			done.SHA256, done.SizeBytes = sum, n
			return done, nil // it has its final name only because it was complete
		}
		if err := os.Remove(target); err != nil {
			return manifestFile{}, scout.FileError(scout.CodeWriteFailed, "delete", err)
		}
	} else if ctx.Err() != nil {
		return manifestFile{}, context.Cause(ctx)
	}
	candidates, err := p.candidates(f, want != "")
	if err != nil {
		return manifestFile{}, err
	}
	var failures []error
	for _, c := range candidates {
		sum, n, err := p.try(ctx, f, c, target, size, want)
		if err == nil && want != "" && sum != want {
			err = scout.Errorf(scout.CodeModelSource, "%s gives %s with SHA-256 %s (%d bytes), not %s", c.label, f.Path, sum, n, want)
			err = errors.Join(err, ignoreMissing(os.Remove(target+partSuffix)))
		}
		if err == nil {
			done.SHA256, done.SizeBytes, done.Source = sum, n, c.label
			return done, p.keep(target)
		}
		failures = append(failures, err)
		if ctx.Err() != nil || !fromSource(err) {
			return manifestFile{}, err
		}
	}
	return manifestFile{}, p.explain(failures, recorded)
}

// fromSource reports whether another source may do better.
func fromSource(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeModelSource, scout.CodeModelDownload, scout.CodeReadFailed, scout.CodeFileNotFound:
		return true
	}
	return false
}

// explain makes one error from the answers of all sources of a file.
func (p *pull) explain(failures []error, recorded *lockSum) error {
	if len(failures) == 0 {
		return scout.Errorf(scout.CodeModelSource, "the catalogue names no source")
	}
	main := max(0, slices.IndexFunc(failures, func(err error) bool { // an error that may not recur decides
		return scout.CodeOf(err) == scout.CodeModelDownload
	}))
	first := failures[main]
	var others []string
	for i, err := range failures {
		if i != main {
			others = append(others, scout.Plain(err))
		}
	}
	hint := scout.HintOf(first)
	if recorded != nil && scout.CodeOf(first) == scout.CodeModelSource {
		hint = "the file changed since " + recorded.RecordedAt.Format(time.DateOnly) + ", or is not the publisher's; if it was replaced on purpose: scout models pull " + p.entry.ID + " --accept-changed"
	}
	if len(others) > 0 {
		return scout.Errorf(scout.CodeOf(first), "%w (also: %s)", first, strings.Join(others, "; ")).WithHint("%s", hint)
	}
	return scout.Errorf(scout.CodeOf(first), "%w", first).WithHint("%s", hint)
}

// try gets the file from one candidate into target+".part".
func (p *pull) try(ctx context.Context, f File, c candidate, target string, size int64, want string) (sum string, n int64, err error) {
	into, exact, expected := target, size, want
	if c.derive != "" {
		into, exact, expected = filepath.Join(p.staging, ".input"), -1, ""
	}
	limit := longest(f, c.derive, exact)
	if c.path != "" {
		sum, n, err = p.store.copyLocal(ctx, c.path, into, f.Path, limit, p.meter)
	} else {
		d := &download{store: p.store, meter: p.meter, name: f.Path, url: c.url, path: into, size: exact, limit: limit, sha256: expected}
		sum, n, err = d.run(ctx)
	}
	if err != nil || c.derive == "" {
		return sum, n, err
	}
	return p.derive(ctx, c, into, target)
}

// derive makes target+".part" from the fetched input.
func (p *pull) derive(ctx context.Context, c candidate, input, target string) (sum string, n int64, err error) {
	data, err := os.ReadFile(input + partSuffix)
	if err != nil {
		return "", 0, scout.FileError(scout.CodeReadFailed, "read "+c.label, err)
	}
	if err := errors.Join(ignoreMissing(os.Remove(input+partSuffix)), ignoreMissing(os.Remove(input+stateSuffix))); err != nil {
		return "", 0, scout.FileError(scout.CodeWriteFailed, "delete", err)
	}
	table, err := Tokens(c.derive, data)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", c.label, err)
	}
	if err := atomicfile.Write(target+partSuffix, table, atomicfile.Options{}); err != nil {
		return "", 0, err
	}
	return hashFile(ctx, target+partSuffix)
}

// keep gives a complete file its name.
func (p *pull) keep(target string) error {
	// Not by atomicfile: the part grew over several attempts, each of them synced.
	if err := os.Rename(target+partSuffix, target); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "keep "+filepath.Base(target), err)
	}
	if err := ignoreMissing(os.Remove(target + stateSuffix)); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "tidy", err)
	}
	return syncDir(filepath.Dir(target))
}
