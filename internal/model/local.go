package model

import (
	"archive/tar"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
)

// copyLocal copies a file of this machine into target+".part" and returns its sum and size.
func (s *Store) copyLocal(ctx context.Context, source choice, target, name string, limit int64, m *meter) (sum string, size int64, err error) {
	in := source.reader()
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := s.writePart(ctx, in, target, name, limit, m); err != nil {
		return "", 0, err
	}
	return hashFile(ctx, target+partSuffix)
}

// writePart writes all of in, at most limit bytes, to target+".part" and syncs it.
func (s *Store) writePart(ctx context.Context, in io.Reader, target, name string, limit int64, m *meter) (err error) {
	out, err := s.openPart(target+partSuffix, 0)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write "+name, err)
	}
	defer func() {
		if closeErr := errors.Join(out.Sync(), out.Close()); closeErr != nil && err == nil {
			err = scout.FileError(scout.CodeWriteFailed, "write "+name, closeErr)
		}
	}()
	buffer := make([]byte, copyBufferBytes)
	var at int64
	for {
		n, readErr := contextReader{ctx, in}.Read(buffer)
		if at+int64(n) > limit {
			return scout.Errorf(scout.CodeModelSource, "copy %s: it has more than %d bytes", name, limit)
		}
		if _, err := out.Write(buffer[:n]); err != nil {
			return scout.FileError(scout.CodeWriteFailed, "write "+name, err)
		}
		at += int64(n)
		s.metrics.pullBytes.Add(float64(n))
		m.at(name, at, int64(n))
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return scout.FileError(scout.CodeReadFailed, "copy "+name, readErr)
		}
	}
}

// isArchive reports by its name whether a file is an archive that unpack can read.
func isArchive(name string) bool {
	for _, suffix := range []string{".tar.bz2", ".tbz2", ".tar.gz", ".tgz"} {
		if strings.HasSuffix(strings.ToLower(name), suffix) {
			return true
		}
	}
	return false
}

// unpack takes the wanted files out of an archive into the folder into. It recognises members by the last part of their
// names and uses nothing else of the names, so nothing is ever written elsewhere. Other members, links and folders are
// skipped. wanted gives the largest size of each file.
func (s *Store) unpack(ctx context.Context, archive, into string, wanted map[string]int64, m *meter) (err error) {
	file, err := os.Open(archive)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "open archive", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	broken := func(err error) error {
		return scout.Errorf(scout.CodeModelSource, "read archive %s: %w", archive, err).WithHint("download the archive again")
	}
	var plain io.Reader
	if strings.HasSuffix(strings.ToLower(archive), "bz2") {
		plain = bzip2.NewReader(contextReader{ctx, file})
	} else {
		zipped, err := gzip.NewReader(contextReader{ctx, file})
		if err != nil {
			return broken(err)
		}
		defer func() { err = errors.Join(err, zipped.Close()) }()
		plain = zipped
	}
	found := map[string]bool{}
	members := tar.NewReader(plain)
	for {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("read archive %s: %w", archive, context.Cause(ctx))
		}
		if err != nil {
			return broken(err)
		}
		name := path.Base(path.Clean("/" + header.Name))
		limit, want := wanted[name]
		if !want || header.Typeflag != tar.TypeReg {
			continue
		}
		if found[name] {
			return scout.Errorf(scout.CodeModelSource, "archive %s holds two files called %s", archive, name).
				WithHint("unpack it and name the folder: scout models pull MODEL --from DIR")
		}
		found[name] = true
		target := filepath.Join(into, name)
		if err := s.writePart(ctx, members, target, name, limit, m); err != nil {
			if code := scout.CodeOf(err); code == scout.CodeReadFailed {
				return broken(err)
			}
			return err
		}
		// Not by atomicfile: the part is checked and synced like that of a download.
		if err := os.Rename(target+partSuffix, target); err != nil {
			return scout.FileError(scout.CodeWriteFailed, "unpack "+name, err)
		}
	}
}
