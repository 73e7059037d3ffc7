package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
)

// target is where texts go: standard output, a file, or files in a folder.
type target struct {
	out    io.Writer
	format text.Format
	paths  []string // for each input; empty where out is used
	titled bool     // several texts share out
}

// newTarget decides where the text of each input goes. It makes the folder that is asked for, and
// refuses what cannot be written before anything is transcribed.
func newTarget(out io.Writer, output string, format text.Format, inputs []string) (*target, error) {
	t := &target{out: out, format: format, titled: len(inputs) > 1}
	if output == "" || output == "-" {
		return t, nil
	}
	info, err := os.Stat(output)
	folder := err == nil && info.IsDir() || strings.HasSuffix(output, string(filepath.Separator)) || len(inputs) > 1
	if !folder {
		if info, err := os.Stat(filepath.Dir(output)); err != nil {
			return nil, scout.FileError(scout.CodeWriteFailed, "write "+output, err)
		} else if !info.IsDir() {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "write %s: %s is not a folder", output, filepath.Dir(output))
		}
		t.paths = []string{output}
		return t, nil
	}
	if err == nil && !info.IsDir() {
		return nil, usage(fmt.Errorf("--output %s is a file: several inputs need a folder", output))
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make output folder", err)
	}
	taken := map[string]bool{}
	for _, input := range inputs {
		t.paths = append(t.paths, filepath.Join(output, freeName(taken, input, format.Extension())))
	}
	return t, nil
}

// freeName is the input's name with another ending; a second input of that name gets a number.
func freeName(taken map[string]bool, input, extension string) string {
	base := "stdin"
	if input != standardInput {
		base = filepath.Base(input)
		base = strings.TrimSuffix(base, filepath.Ext(base))
	}
	name := base + extension
	for n := 2; taken[name]; n++ {
		name = base + "-" + strconv.Itoa(n) + extension
	}
	taken[name] = true
	return name
}

// write writes the text of input i, whole or not at all where it goes to a file.
func (t *target) write(i int, doc text.Document) error {
	if len(t.paths) == 0 {
		return t.writeShared(doc)
	}
	path := t.paths[i]
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeDirect(path, t.format, doc) // a device or pipe, for example /dev/stderr
	}
	return writeWhole(path, t.format, doc)
}

func (t *target) writeShared(doc text.Document) error {
	var buf bytes.Buffer
	if t.titled && t.format != text.JSON && t.format != text.Markdown {
		fmt.Fprintf(&buf, "==> %s <==\n", displayName(orStdin(doc.File)))
	}
	if err := text.Write(&buf, t.format, doc); err != nil {
		return err
	}
	if _, err := t.out.Write(buf.Bytes()); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write text", err)
	}
	return nil
}

func orStdin(name string) string {
	if name == "" {
		return standardInput
	}
	return name
}

func writeDirect(path string, format text.Format, doc text.Document) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "open output", err)
	}
	defer func() { err = errors.Join(err, scout.FileError(scout.CodeWriteFailed, "close output", file.Close())) }()
	return text.Write(file, format, doc)
}

// writeWhole writes to a temporary file beside path, syncs it and renames it over path. When any step
// fails the temporary file is removed and what stood at path is untouched.
func writeWhole(path string, format text.Format, doc text.Document) (err error) {
	temporary := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.tmp", filepath.Base(path), os.Getpid()))
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666) // less the umask
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "create output", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(scout.FileError(scout.CodeWriteFailed, "write "+path, err), os.Remove(temporary))
		}
	}()
	out := bufio.NewWriter(file)
	err = errors.Join(text.Write(out, format, doc), out.Flush(), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
