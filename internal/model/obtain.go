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

// candidate is one way to get a file: from this machine or from an address.
type candidate struct {
	local  choice
	url    string // empty for one of this machine
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
		if info, err := os.Stat(installed); err == nil { // a repair fetches only what is damaged
			kept := choice{size: info.Size(), fragments: []fragment{plain(installed, info.Size())}}
			list = append(list, candidate{local: kept, label: "kept from the version installed before"})
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
			return nil, scout.Errorf(scout.CodeInvalidArgument, "--from %q is not an address", SourceLabel(from))
		}
		for _, n := range localNames(f) {
			address := base.JoinPath(n.name).String()
			list = append(list, candidate{url: address, derive: n.derive, label: label(address)})
		}
		return list, nil
	}
	found, err := p.find(f, known)
	return append(list, found...), err
}

// find lists the files of the bundle that may be f. If its size is known, others are left out.
func (p *pull) find(f File, known bool) ([]candidate, error) {
	var list []candidate
	var names []string
	var reasons []error
	for _, n := range localNames(f) {
		name := n.name
		if p.archive != "" {
			name = path.Base(name)
		}
		for _, c := range p.bundle.choices[name] {
			if n.derive == "" && known && !p.fits(f, c.size) {
				reasons = append(reasons, scout.Errorf(scout.CodeModelSource, "%s has %d bytes and not the %d of %s", c.label, c.size, f.SizeBytes, f.Path))
				continue
			}
			label := c.label
			if p.archive != "" {
				label = p.options.From + ":" + n.name
			}
			list = append(list, candidate{local: c, derive: n.derive, label: label})
		}
		if err := p.bundle.broken[name]; err != nil {
			reasons = append(reasons, scout.Errorf(scout.CodeModelSource, "%s: %w", p.options.From, err))
		}
		names = append(names, n.name)
	}
	switch {
	case len(list) == 0 && len(reasons) > 0:
		return nil, reasons[0]
	case len(list) == 0:
		return nil, scout.Errorf(scout.CodeModelSource, "%s holds no file called %s", p.options.From, strings.Join(names, " or "))
	case len(list) > 1 && !known && list[0].derive == list[1].derive:
		return nil, scout.Errorf(scout.CodeModelSource, "%s and %s may both be %s, and nothing tells which", list[0].label, list[1].label, f.Path).
			WithHint("put the files of this model into a folder of their own")
	}
	return list, nil
}

// fits reports whether a file of this machine has one of the sizes that are known.
func (p *pull) fits(f File, size int64) bool {
	exact, _, _ := p.expectation(f)
	return size == exact || slices.ContainsFunc(f.Also, func(s Sum) bool { return s.SizeBytes == size })
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
		if n > 0 && (want == "" || sum == want || f.accepts(sum)) {
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
		if err == nil && want != "" && sum != want && (c.url != "" || !f.accepts(sum)) {
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
	switch {
	case c.url == "" && p.link:
		return p.linkTo(ctx, c.local, into)
	case c.url == "":
		if c.derive == "" && len(f.Also) > 0 {
			limit = max(limit, c.local.size) // one of the sizes that are known
		}
		sum, n, err = p.store.copyLocal(ctx, c.local, into, f.Path, limit, p.meter)
	default:
		d := &download{store: p.store, meter: p.meter, name: f.Path, url: c.url, path: into, size: exact, limit: limit, sha256: expected}
		sum, n, err = d.run(ctx)
	}
	if err != nil || c.derive == "" {
		return sum, n, err
	}
	return p.derive(ctx, c, into, target)
}

// linkTo makes target+".part" a symbolic link to a file of this machine and returns the file's sum and size.
func (p *pull) linkTo(ctx context.Context, source choice, target string) (sum string, n int64, err error) {
	if err := ignoreMissing(os.Remove(target + partSuffix)); err != nil {
		return "", 0, scout.FileError(scout.CodeWriteFailed, "link", err)
	}
	// Not by atomicfile: it is a link, which gets its name like a complete download.
	if err := os.Symlink(source.fragments[0].label, target+partSuffix); err != nil {
		return "", 0, scout.FileError(scout.CodeWriteFailed, "link", err)
	}
	return hashFile(ctx, target+partSuffix)
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
